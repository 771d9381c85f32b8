"""How errors inside the streams of OpenAI's wire are named in records."""

from typing import Final

ERROR_LENGTH: Final = 64


def error_name(error: object) -> str:
    """The type or code of an error object, for the record: low in cardinality, never the provider's message."""
    names = [error.get(member) for member in ("type", "code")] if isinstance(error, dict) else []
    name = next((str(name) for name in names if isinstance(name, str | int) and str(name)), "error")
    return name[:ERROR_LENGTH]
