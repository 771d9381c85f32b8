"""Asking a provider for its own list of models."""

from durward.calls.errors import UpstreamError
from durward.calls.origin import Timeouts
from durward.calls.ports import Upstreams
from durward.protocols.addresses import join
from durward.protocols.speakers import LISTINGS
from durward.protocols.wire import Wire
from durward.upstreams.endpoint import IDENTITY, Endpoint

BOUND = Timeouts(connect=2.0, first_byte=2.0, between_chunks=2.0)
LIST_LIMIT = 4 * 2**20
QUERIES = {"openai": "", "anthropic": "?limit=1000", "gemini": "?pageSize=1000"}
VERSIONS = {"openai": "v1", "anthropic": "v1", "gemini": "v1beta"}
LINES = {"openai": b"", "anthropic": b"anthropic-version: 2023-06-01\r\n", "gemini": b""}


async def fetch_models(upstreams: Upstreams, endpoint: Endpoint, wire: Wire, credential: bytes) -> list[str]:
    """The names on the first page of the provider's list. Raises UpstreamError."""
    target = (join(endpoint.base_path, VERSIONS[wire], ("models",)) + QUERIES[wire]).encode()
    own = credential + LINES[wire] + IDENTITY
    head = b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, endpoint.host, own)
    answer = await upstreams.send(endpoint.origin, head, b"", BOUND)
    try:
        body = await answer.whole(LIST_LIMIT)
    finally:
        answer.cancel()
    if answer.status != 200 or body is None:
        raise UpstreamError(f"{endpoint.name} answered its model list with {answer.status}.", reason="upstream_error")
    return LISTINGS[wire].read_models(body)
