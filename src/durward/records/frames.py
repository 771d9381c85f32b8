"""Closed segments as they are kept: zstd frames that are read one by one, so that a line in the middle costs one of them.

The form is Zstandard's own Seekable Format 0.1.0: frames of 256 KiB of content each, behind them a table of their sizes in a skippable
frame, which `zstd -d` passes over.
"""

import errno
import os
import struct
import sys
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME = 256 * 1024
"""Bytes of content in a frame; the last one has fewer."""
LEVEL = 1
"""A seventh of the bytes at 0.3 ms a frame. Levels 3 to 12 took 2 to 20 times as long and left more: what differs in lines is random."""
MOST_CONTENT = 16 * 2**20
"""Content of a frame beyond which a file is none of ours."""
MOST_FRAMES = 1 << 20

SKIPPABLE = 0x184D2A5E
SEEKABLE = 0x8F92EAB1
_skippable = struct.Struct("<II")
_entry = struct.Struct("<II")
_footer = struct.Struct("<IBI")


class Damaged(OSError):
    """A compressed segment that is not as it was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EIO, "the compressed segment is damaged", str(path))


def packed(content: bytes) -> bytes:
    """One frame, with a checksum of its own."""
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    return zstd.compress(content, options=options)


def table(sizes: list[tuple[int, int]]) -> bytes:
    """What ends a file whose frames have so many bytes, and so many of content."""
    entries = b"".join(_entry.pack(*size) for size in sizes)
    footer = _footer.pack(len(sizes), 0, SEEKABLE)
    return _skippable.pack(SKIPPABLE, len(entries) + len(footer)) + entries + footer


class Frames:
    """An open compressed segment. Raises Damaged, and OSError where it cannot be read; close it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._kept = -1, b""
        try:
            sizes = self._sizes()
        except OSError:
            os.close(self._fd)
            raise
        self._places = [0, *accumulate(size for size, _ in sizes)]
        self._begins = [0, *accumulate(content for _, content in sizes)]
        self.size = self._begins[-1]
        """Bytes of content."""

    def read(self, count: int, offset: int) -> bytes:
        """Content from a place on; fewer bytes only at its end."""
        pieces = []
        end = min(offset + count, self.size)
        while offset < end:
            number = bisect_right(self._begins, offset) - 1
            at = offset - self._begins[number]
            piece = self._frame(number)[at : at + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _frame(self, number: int) -> bytes:
        """The content of a frame; the last one that was asked for is kept, for whoever reads on."""
        if self._kept[0] != number:
            size = self._begins[number + 1] - self._begins[number]
            raw = os.pread(self._fd, self._places[number + 1] - self._places[number], self._places[number])
            reader = zstd.ZstdDecompressor()
            try:
                # A frame that holds more than it should must not fill the memory.
                content = reader.decompress(raw, size + 1)
            except zstd.ZstdError as error:
                raise Damaged(self._path) from error
            if len(content) != size or not reader.eof:
                raise Damaged(self._path)
            self._kept = number, content
        return self._kept[1]

    def _sizes(self) -> list[tuple[int, int]]:
        end = os.fstat(self._fd).st_size
        footer = os.pread(self._fd, _footer.size, max(0, end - _footer.size))
        if len(footer) != _footer.size:
            raise Damaged(self._path)
        frames, described, magic = _footer.unpack(footer)
        length = frames * _entry.size
        if magic != SEEKABLE or described or frames > MOST_FRAMES:
            raise Damaged(self._path)
        begin = end - _footer.size - length
        entries = os.pread(self._fd, length, max(0, begin))
        sizes = [(size, content) for size, content in _entry.iter_unpack(entries)] if begin >= 0 else []
        whole = sum(size for size, _ in sizes) + _skippable.size == begin
        if not whole or not all(0 < content <= MOST_CONTENT for _, content in sizes):
            raise Damaged(self._path)
        return sizes
