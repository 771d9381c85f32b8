"""Usage guessed from bytes, for answers whose provider told nothing."""

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage

BYTES_PER_TOKEN = 4


def estimate_usage(text_bytes_in: int, text_bytes_out: int) -> Usage:
    """A token for every four bytes of UTF-8 text begun, in each direction; marked `estimated`."""
    return Usage(
        Tokens(input=-(-text_bytes_in // BYTES_PER_TOKEN), output=-(-text_bytes_out // BYTES_PER_TOKEN)), estimated=True
    )
