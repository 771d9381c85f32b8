"""What the journal says of every call, held against what callers and the provider saw."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from durward.records import layout
from durward.records.verify import verify

Line = dict[str, Any]


class Ledger(NamedTuple):
    """Lines by call; each has exactly one of its kind, or something is wrong."""

    intents: dict[str, list[Line]]
    ends: dict[str, list[Line]]
    """`settle` and `unknown`."""
    refused: dict[str, list[Line]]


class Seen(NamedTuple):
    """A call whose answer its caller has to the end, and the tokens that the provider counted; None where it counts none."""

    call: str
    tokens: tuple[int, int] | None


def read_ledger(data_dir: Path) -> Ledger:
    """All whole lines of all writers."""
    ledger = Ledger(defaultdict(list), defaultdict(list), defaultdict(list))
    kinds = {"intent": ledger.intents, "settle": ledger.ends, "unknown": ledger.ends, "refused": ledger.refused}
    for writer in layout.writers(data_dir / layout.JOURNAL):
        for number in layout.segments(writer):
            for line in layout.segment(writer, number).read_bytes().split(b"\n")[:-1]:
                found = json.loads(line)
                if found["type"] in kinds:
                    kinds[found["type"]][found["id"]].append(found)
    return ledger


def mended(data_dir: Path) -> bool:
    """Whether every writer but the last, which lives, has been looked after."""
    return all((writer / layout.RECOVERED).exists() for writer in layout.writers(data_dir / layout.JOURNAL)[:-1])


def open_calls(ledger: Ledger) -> list[str]:
    """Calls that nobody has ended yet."""
    return [call for call in ledger.intents if call not in ledger.ends]


def wrongs(ledger: Ledger, seen: list[Seen], arrived: list[str]) -> list[str]:
    """Everything that is not as it must be, once all calls have ended. `arrived` are the traces that reached the provider."""
    found = [f"{call}: {len(lines)} intents" for call, lines in ledger.intents.items() if len(lines) != 1]
    found += [f"{call}: {len(ledger.ends.get(call, []))} ends" for call in ledger.intents if _ends(ledger, call) != 1]
    found += [f"{call}: an end without an intent" for call in ledger.ends if call not in ledger.intents]
    found += [f"{call}: refused and served" for call in ledger.refused if call in ledger.intents]
    traces = [lines[0]["trace"] for lines in ledger.intents.values()]
    found += [f"{trace}: twice in the journal" for trace in _several(traces)]
    found += [f"{trace}: at the provider without an intent" for trace in set(arrived) - set(traces)]
    found += [f"{trace}: sent twice" for trace in _several(arrived)]
    for call, lines in ledger.ends.items():
        if lines[0]["type"] == "unknown" and call in ledger.intents:
            reserved = ledger.intents[call][0].get("reserved_nano")
            if lines[0].get("cost_nano") != reserved:
                found.append(f"{call}: unknown at {lines[0].get('cost_nano')}, reserved were {reserved}")
    found += [f"{call}: one id for two answers" for call in _several([each.call for each in seen])]
    return found + [wrong for each in seen for wrong in _of_seen(ledger, each)]


def _several(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _ends(ledger: Ledger, call: str) -> int:
    return len(ledger.ends.get(call, []))


def _of_seen(ledger: Ledger, seen: Seen) -> list[str]:
    ends = ledger.ends.get(seen.call, [])
    if len(ends) != 1:
        return [f"{seen.call}: its caller has the answer, the journal {len(ends)} ends"]
    end = ends[0]
    if (end["type"], end["outcome"]) != ("settle", "ok"):
        return [f"{seen.call}: its caller has the answer, the journal says {end['type']} {end['outcome']}"]
    counted = end.get("tokens") or {}
    told = (counted.get("input", 0), counted.get("output", 0))
    if seen.tokens is not None and told != seen.tokens:
        return [f"{seen.call}: {told} tokens, the provider counted {seen.tokens}"]
    return []


def problems(data_dir: Path) -> list[str]:
    """What is wrong with the chains."""
    return [f"{found.place}: {found.what}" for found in verify(data_dir, []).problems]
