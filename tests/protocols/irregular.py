"""JSON as a provider might spell it: irregular white space, order of members and escapes, and an unknown member that comes twice."""

import json
from random import Random
from typing import Any

SPACES = ["", "", "", " ", "  ", "\t"]
ESCAPED = 0.03
"""Share of a string's characters that are written as an escape without need."""


def respell(value: Any, random: Random, lines: bool = False) -> bytes:
    """The same value in another spelling; `lines` allows line ends between tokens, which the data of an event must not have."""
    spaces = [*SPACES, "\n", "\r\n  "] if lines else SPACES
    if not isinstance(value, dict):
        return _value(value, random, spaces).encode()
    text = _members(list(value.items()), random, spaces, repeated=True)
    return (random.choice(spaces) + text + random.choice(spaces)).encode()


def respell_events(stream: str, random: Random) -> bytes:
    """A recorded event stream, the data of each event respelled; line ends and all else stay."""
    written = []
    for line in stream.splitlines(keepends=True):
        text = line.rstrip("\r\n")
        if text.startswith("data:") and text[5:].strip().startswith("{"):
            written.append(b"data: " + respell(json.loads(text[5:]), random) + line[len(text) :].encode())
        else:
            written.append(line.encode())
    return b"".join(written)


def _value(value: Any, random: Random, spaces: list[str]) -> str:
    if isinstance(value, dict):
        return _members(list(value.items()), random, spaces)
    if isinstance(value, list):
        return "[" + _joined([_value(item, random, spaces) for item in value], random, spaces) + "]"
    if isinstance(value, str):
        return _string(value, random)
    return json.dumps(value)


def _members(members: list[tuple[str, Any]], random: Random, spaces: list[str], repeated: bool = False) -> str:
    random.shuffle(members)
    if repeated:
        for twice in ([0, {"total_tokens": 9}], "\\ \u2028 {"):
            members.insert(random.randint(0, len(members)), ("x_not_documented", twice))
    spelled = [
        f"{_string(name, random)}{random.choice(spaces)}:{random.choice(spaces)}{_value(value, random, spaces)}"
        for name, value in members
    ]
    return "{" + _joined(spelled, random, spaces) + "}"


def _joined(items: list[str], random: Random, spaces: list[str]) -> str:
    return ",".join(random.choice(spaces) + item + random.choice(spaces) for item in items) or random.choice(spaces)


def _string(text: str, random: Random) -> str:
    spelled = json.dumps(text, ensure_ascii=random.random() < 0.5)[1:-1]
    if "\\" not in spelled:
        spelled = "".join(
            f"\\u{ord(letter):04x}" if random.random() < ESCAPED and ord(letter) < 0xD800 else letter
            for letter in spelled
        )
    return f'"{spelled}"'
