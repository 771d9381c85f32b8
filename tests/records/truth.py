"""What a journal says, read in the plainest way: the oracle of what the index says."""

from pathlib import Path
from typing import Any

import msgspec

from durward.records import layout
from durward.records.lines import Record


def truth(data_dir: Path) -> list[Record]:
    """The record of every call that has ended."""
    halves: dict[str, dict[str, Any]] = {}
    for writer in layout.writers(data_dir / layout.JOURNAL):
        for number in layout.segments(writer):
            for line in layout.segment(writer, number).read_bytes().splitlines():
                members = msgspec.json.decode(line)
                if members["type"] in {"intent", "refused"}:
                    halves[members["id"]] = members | halves.get(members["id"], {}) | {"time": members["time"]}
                elif members["type"] in {"settle", "unknown"}:
                    kept = {name: value for name, value in members.items() if name != "time"}
                    halves[members["id"]] = {**kept, **halves.get(members["id"], {})}
    return [_record(members) for members in halves.values() if members.get("outcome")]


def _record(members: dict[str, Any]) -> Record:
    empty: dict[str, Any] = dict.fromkeys(Record.__struct_fields__)
    empty |= {"bytes_in": 0, "bytes_out": 0, "estimated": False, "attempts": [], "tags": {}}
    return msgspec.convert(empty | {name: members[name] for name in empty if name in members}, Record)
