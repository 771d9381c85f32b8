"""Agent keys."""

import re
from hashlib import sha256

from durward.cli.agent_key import draw, how_to_use


def test_a_key_has_its_form_and_its_digest() -> None:
    keys = [draw() for _ in range(100)]
    assert all(re.fullmatch(r"dw_[A-Za-z0-9_-]{43}", key.text) for key in keys)
    assert all(key.digest == sha256(key.text.encode()).hexdigest() for key in keys)
    assert len({key.text for key in keys}) == 100


def test_the_address_stands_in_every_line_of_its_use() -> None:
    told = how_to_use("127.0.0.1:7300").splitlines()
    assert [("http://127.0.0.1:7300" in line) for line in told] == [False, True, True, True, True]
    assert how_to_use("gate:7300", "https").count("https://gate:7300") == 4
