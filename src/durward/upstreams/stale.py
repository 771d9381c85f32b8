"""The one failure of an exchange after which it is begun again, on another connection."""

from durward.calls.errors import UpstreamError


class Stale(UpstreamError):
    """A reused connection was closed, or of no more use, before any byte of an answer: mostly so before the request came."""

    reason = "upstream_cut"
