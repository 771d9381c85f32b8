"""CVE-2026-26118 (Azure MCP), mcp-server-fetch and others: an address that someone named led to where a cloud hands out its credentials.

Here: no connection is opened there, in whatever spelling the address comes, by name, or behind a name that changes; what is resolved is
what is connected to; and a redirect is handed to the caller, not followed.
"""

import ipaddress

import pytest

from durward.calls.errors import UpstreamError
from durward.calls.origin import Origin
from durward.upstreams.connection import Connection
from durward.upstreams.dialing import Dialer
from durward.upstreams.resolution import METADATA_ADDRESSES, Names
from tests.playbooks.world import Reply, World
from tests.upstreams.scripted import SetClock


def dressed(address: ipaddress.IPv4Address) -> list[str]:
    """An IPv4 address in the forms that IPv6 has for it."""
    number = int(address)
    forms = [
        0xFFFF << 32 | number,
        number,
        0x64FF9B << 96 | number,
        0x64FF9B0001 << 80 | number,
        0x2002 << 112 | number << 80,
    ]
    return [str(ipaddress.IPv6Address(form)) for form in forms]


WRITTEN = [
    spelled
    for address in METADATA_ADDRESSES
    for spelled in (
        str(address),
        *(dressed(address) if isinstance(address, ipaddress.IPv4Address) else [address.exploded]),
    )
]
NAMES = ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data", "metadata.goog"]


def never() -> Connection:
    raise AssertionError("a connection was opened")


@pytest.mark.parametrize("host", [*WRITTEN, *NAMES])
async def test_what_is_written_so_is_not_connected_to(host: str) -> None:
    async def asked(name: str) -> list[str]:
        return [name]

    with pytest.raises(UpstreamError, match="metadata"):
        await Dialer(Names(SetClock(), asked), None).dial(Origin("http", host, 80), never)


@pytest.mark.parametrize("address", WRITTEN)
async def test_a_name_that_leads_there_is_not_connected_to_either(address: str) -> None:
    async def rebound(name: str) -> list[str]:
        return ["192.0.2.1", address]

    with pytest.raises(UpstreamError, match="metadata"):
        await Dialer(Names(SetClock(), rebound), None).dial(Origin("http", "rebound.example", 80), never)


@pytest.mark.parametrize(
    "spelled", ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "0xa9.254.0xa9.254"]
)
async def test_other_spellings_are_names_whose_address_is_looked_at(spelled: str) -> None:
    async def as_libc_reads_it(name: str) -> list[str]:
        return ["169.254.169.254"]

    with pytest.raises(UpstreamError, match="metadata"):
        await Dialer(Names(SetClock(), as_libc_reads_it), None).dial(Origin("http", spelled, 80), never)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_handed_on_and_nothing_is_sent_after_it(status: int) -> None:
    world = World()
    reply = Reply(status, b"{}")
    reply.forward += b"Location: http://169.254.169.254/latest/meta-data/\r\n"
    caller = await world.plays("GET /api/crm/x", b"", reply)
    assert caller.status == status
    assert len(world.network.sent) == 1
