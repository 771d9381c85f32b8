"""The outbound proxy of the settings, its secret resolved."""

from collections.abc import Mapping

from durward.calls.errors import GateError
from durward.calls.origin import Timeouts
from durward.config import settings
from durward.credentials.references import resolve
from durward.upstreams.endpoint import read_endpoint
from durward.upstreams.proxying import OutboundProxy


def outbound_proxy(written: settings.OutboundProxy | None, environment: Mapping[str, str]) -> OutboundProxy | None:
    """None where upstreams are reached directly. A login that is not there is told by the calls that need it."""
    if written is None:
        return None
    login: str | GateError
    try:
        login = resolve(written.login, environment)
    except GateError as missing:
        login = missing
    origin = read_endpoint("outbound_proxy", written.url, Timeouts()).origin
    return OutboundProxy(origin, login, written.exempt, written.loopback)
