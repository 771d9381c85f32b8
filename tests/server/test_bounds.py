"""The memory that bodies may take follows from the process's control groups, of either version of their interface."""

from pathlib import Path

import pytest

from durward.server.bounds import MOST_BODY_MEMORY, body_memory

MIB = 2**20


@pytest.mark.parametrize(
    "membership,limits,expected",
    [
        ("0::/\n", {"memory.max": "1073741824\n"}, 256 * MIB),
        ("0::/\n", {"memory.max": "max\n"}, MOST_BODY_MEMORY),
        ("0::/\n", {"memory.max": str(64 * 2**30)}, MOST_BODY_MEMORY),
        ("0::/pod/gate\n", {"pod/memory.max": "419430400", "pod/gate/memory.max": "max"}, 100 * MIB),
        ("0::/pod/gate\n", {"pod/memory.max": "419430400", "pod/gate/memory.max": "41943040"}, 10 * MIB),
        ("0::/pod/gate\n", {}, MOST_BODY_MEMORY),
        ("4:memory:/pod\n1:cpu:/\n0::/\n", {"memory/pod/memory.limit_in_bytes": "419430400"}, 100 * MIB),
        ("4:memory:/pod\n", {"memory/pod/memory.limit_in_bytes": "9223372036854771712"}, MOST_BODY_MEMORY),
        ("4:memory:/hidden/pod\n", {"memory/memory.limit_in_bytes": "419430400"}, 100 * MIB),
    ],
)
def test_body_memory(tmp_path: Path, membership: str, limits: dict[str, str], expected: int) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, limit in limits.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    assert body_memory(tmp_path / "groups", tmp_path / "membership") == expected


def test_body_memory_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert body_memory(tmp_path, tmp_path / "nothing") == MOST_BODY_MEMORY
