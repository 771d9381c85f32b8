"""What a gate grants follows from what the operator said, and from its machine: control groups of either version, descriptors."""

import resource
from pathlib import Path

import pytest

from durward.config.settings import Overload
from durward.server.bounds import MOST_BODY_MEMORY, Bounds, bounds, machine_memory, memory_limit, raise_files

MIB = 2**20


@pytest.mark.parametrize(
    "membership,limits,expected",
    [
        ("0::/\n", {"memory.max": "1073741824\n"}, 1024 * MIB),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": str(64 * 2**30)}, 64 * 2**30),
        ("0::/pod/gate\n", {"pod/memory.max": "419430400", "pod/gate/memory.max": "max"}, 400 * MIB),
        ("0::/pod/gate\n", {"pod/memory.max": "419430400", "pod/gate/memory.max": "41943040"}, 40 * MIB),
        ("0::/pod/gate\n", {}, None),
        ("4:memory:/pod\n1:cpu:/\n0::/\n", {"memory/pod/memory.limit_in_bytes": "419430400"}, 400 * MIB),
        ("4:memory:/pod\n", {"memory/pod/memory.limit_in_bytes": "9223372036854771712"}, 9223372036854771712),
        ("4:memory:/hidden/pod\n", {"memory/memory.limit_in_bytes": "419430400"}, 400 * MIB),
    ],
)
def test_memory_limit(tmp_path: Path, membership: str, limits: dict[str, str], expected: int | None) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, limit in limits.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    assert memory_limit(tmp_path / "groups", tmp_path / "membership") == expected


def test_memory_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert memory_limit(tmp_path, tmp_path / "nothing") is None


GIB = 2**30
NOTHING = Overload()


def granted(said: Overload = NOTHING, limit: int | None = None, machine: int = 16 * GIB, files: int = 10**6) -> Bounds:
    return bounds(said, limit, machine, files)


@pytest.mark.parametrize(
    "said,limit,memory",
    [
        (0, None, 16 * GIB),
        (0, 9223372036854771712, 16 * GIB),
        (0, 512 * MIB, 384 * MIB),
        (0, 128 * MIB, 64 * MIB),
        (GIB, None, GIB),
        (GIB, 512 * MIB, 384 * MIB),
        (256 * MIB, 512 * MIB, 256 * MIB),
        (100 * GIB, None, 16 * GIB),
    ],
)
def test_memory_is_what_was_said_and_there(said: int, limit: int | None, memory: int) -> None:
    found = granted(Overload(memory=said), limit)
    assert found.memory == memory
    assert found.body_memory == min(MOST_BODY_MEMORY, memory // 4)


@pytest.mark.parametrize("said,memory,calls", [(0, GIB, 10_000), (0, 384 * MIB, 6144), (0, MIB, 64), (7, GIB, 7)])
def test_calls_follow_from_memory(said: int, memory: int, calls: int) -> None:
    assert granted(Overload(calls=said, memory=memory)).calls == calls


@pytest.mark.parametrize(
    "said,files,connections", [(0, 10**6, 10_000), (0, 1024, 480), (500, 10**6, 500), (50_000, 20_000, 9968), (0, 3, 1)]
)
def test_connections_leave_half_of_the_descriptors_to_upstreams(said: int, files: int, connections: int) -> None:
    assert granted(Overload(connections=said), files=files).connections == connections


def test_workers_share_what_is_there() -> None:
    found = bounds(Overload(connections=101, calls=10, memory=GIB), None, 16 * GIB, 10**6, workers=4)
    assert (found.connections, found.calls, found.memory, found.body_memory) == (26, 3, GIB // 4, GIB // 16)
    found = bounds(NOTHING, 512 * MIB, 16 * GIB, 10**6, workers=4)
    assert (found.connections, found.calls, found.memory) == (10_000, 1536, 96 * MIB)


def test_descriptors_are_as_many_as_the_hard_limit_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        raised = raise_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, before[1])
        assert raised > 256
        assert raise_files() == raised
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_machine_has_memory() -> None:
    assert machine_memory() > 256 * MIB
