"""Where a key may stand, which carrier wins, and whose it is."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.principal import Principal
from durward.identity.keys import Keys, carried, digest_of

CAROL = Principal("carol", "acme")


class Noon:
    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "fields, query",
    [
        ({b"authorization": b"Bearer k"}, ()),
        ({b"authorization": b"bearer  k"}, ()),
        ({b"x-api-key": b"k"}, ()),
        ({b"api-key": b"k"}, ()),
        ({b"x-goog-api-key": b"k"}, ()),
        ({}, ("k",)),
        ({b"durward-key": b"k"}, ()),
        ({b"authorization": b"Bearer k", b"x-api-key": b"k"}, ("k", "k")),
        ({b"durward-key": b"k", b"authorization": b"Bearer someone's own login"}, ("other", "another")),
    ],
)
def test_every_sdk_finds_a_place_for_its_key(fields: dict[bytes, bytes], query: tuple[str, ...]) -> None:
    assert carried(fields, query) == b"k"


@pytest.mark.parametrize(
    "fields,query",
    [
        ({b"authorization": b"Bearer one", b"x-api-key": b"two"}, ()),
        ({b"x-goog-api-key": b"one"}, ("two",)),
        ({}, ("one", "two")),
    ],
)
def test_different_keys_are_refused_since_either_could_be_meant(
    fields: dict[bytes, bytes], query: tuple[str, ...]
) -> None:
    with pytest.raises(CallerError) as caught:
        carried(fields, query)
    assert caught.value.reason == "conflicting_keys"


@pytest.mark.parametrize("fields", [{}, {b"authorization": b"Basic dXNlcjpwYXNz"}, {b"authorization": b"Bearer "}])
def test_no_key_is_told_apart_from_a_wrong_one(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(CallerError) as caught:
        carried(fields, ())
    assert caught.value.reason == "key_missing"


def test_a_key_is_known_by_its_whole_digest_until_it_ends() -> None:
    clock = Noon()
    keys = Keys(clock)
    keys.add(sha256(b"secret").hexdigest(), CAROL, expires=1_001.0)
    assert keys.of(digest_of({b"x-api-key": b"secret"}, ())) == CAROL
    clock.now = 1_001.0
    with pytest.raises(CallerError) as caught:
        keys.of(digest_of({b"x-api-key": b"secret"}, ()))
    assert caught.value.reason == "key_unknown"


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_a_key_that_shares_a_beginning_is_another_key(key: bytes, tail: bytes) -> None:
    keys = Keys(Noon())
    keys.add(sha256(key).hexdigest(), CAROL)
    with pytest.raises(CallerError, match="not known"):
        keys.of(digest_of({b"durward-key": key + tail}, ()))
