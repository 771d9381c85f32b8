"""CVE-2026-35030 (LiteLLM before 1.83.6): logins were cached under the first 20 characters of a token, the same for many.

Here: a key is looked up by the digest of all its bytes, so that keys which share any part never share an identity.
"""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.principal import Principal
from durward.identity.keys import Keys, digest_of
from tests.playbooks.world import KEY, OTHER_KEY, Reply, Still, World

LETTERS = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=64)
HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."  # the same in all tokens of one issuer


def known(*keys: str) -> Keys:
    found = Keys(Still())
    for number, key in enumerate(keys):
        found.add(sha256(key.encode()).hexdigest(), Principal(f"agent-{number}", f"tenant-{number}"))
    return found


def agent(keys: Keys, key: str) -> str:
    try:
        return keys.of(digest_of({b"durward-key": key.encode()}, ())).agent
    except CallerError as error:
        return error.reason


@given(LETTERS, LETTERS, LETTERS)
def test_keys_that_share_a_beginning_are_two_agents(shared: str, one: str, other: str) -> None:
    first, second = HEADER + shared + one, HEADER + shared + other
    if first == second:
        return
    keys = known(first, second)
    assert (agent(keys, first), agent(keys, second)) == ("agent-0", "agent-1")


@given(LETTERS, st.integers(0, 100))
def test_no_part_of_a_key_and_nothing_more_than_it_is_the_key(text: str, at: int) -> None:
    key = HEADER + text
    keys = known(key)
    for near in (key[: at % len(key)], key[1:], key + "x", key.swapcase(), key[:-1] + ("a" if key[-1] != "a" else "b")):
        if near and near != key:
            assert agent(keys, near) == "key_unknown"


@pytest.mark.parametrize("length", range(4, len(KEY)))
async def test_a_call_with_the_beginning_of_a_key_is_nobodys_after_the_whole_was_seen(length: int) -> None:
    world = World()
    assert (await world.plays("GET /api/crm/x", b"", Reply(200, b"{}"))).status == 200
    for near in (KEY[:length], KEY[:length] + OTHER_KEY[length:]):
        assert (await world.plays("GET /api/crm/x", b"", Reply(200, b"{}"), key=near)).status == 401
    assert [opening.agent for opening in world.book.openings] == ["carol"]


def test_the_digest_that_is_stored_is_no_key() -> None:
    keys = known(KEY)
    for spelled in (sha256(KEY.encode()).hexdigest(), "sha256:" + sha256(KEY.encode()).hexdigest()):
        assert agent(keys, spelled) == "key_unknown"
