"""The error of chunked coding, apart from its reading: compiled modules define no exceptions."""


class FramingError(ValueError):
    """The peer's framing is not valid chunked coding; where the message ends cannot be known, so the connection must be closed."""
