"""The trace that a caller goes on with, as its `traceparent` tells it (W3C Trace Context §3.2)."""

from typing import Final

_FORM: Final = b"00-%b-%b-00" % (b"0" * 32, b"0" * 16)
_DIGITS_AS_0: Final = bytes(
    [0x30 if byte in b"0123456789abcdef" else byte if byte == 0x2D else 0x20 for byte in range(256)]
)
"""A table for `translate`: all hex digits become 0, dashes stay, anything else becomes what stands nowhere in the form."""
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16


def is_trace(value: bytes) -> bool:
    """Whether a value has the form of a `traceparent`, of whatever version: 2, 32, 16 and 2 hex digits between dashes."""
    return value.translate(_DIGITS_AS_0) == _FORM


def read_trace(fields: dict[bytes, bytes]) -> tuple[str, str]:
    """Trace id and parent span in hex, empty where none came, or none of this version."""
    header = fields.get(b"traceparent")
    if header is None or not is_trace(header) or not header.startswith(b"00"):
        return "", ""
    trace, span = header[3:35], header[36:52]
    return ("", "") if trace == _NO_TRACE or span == _NO_SPAN else (trace.decode("ascii"), span.decode("ascii"))
