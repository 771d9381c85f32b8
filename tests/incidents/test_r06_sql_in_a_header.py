"""CVE-2026-42208 (LiteLLM, exploited in the wild): the Authorization value was put into SQL on the error path of the key's check.

Here: no SQL is built from strings, keys are looked up by digest, and 10,000 injections in every header change no row and are 401.
"""

import ast
import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.incidents.gate import answered, provider, statuses
from tests.playbooks.world import World
from tests.server.running import Running, write_config

SRC = Path(__file__).parent.parent.parent / "src" / "durward"
QUOTES = ["'", '"', "`", "')", '")', "'))", "\\'", "%27", "';", ""]
CLAUSES = [
    *(" OR 1=1", " OR '1'='1", " OR ''='", " AND 1=2", " OR TRUE", "||'a'='a", " OR 1=1 LIMIT 1", " OR name LIKE '%"),
    *(
        " UNION SELECT digest FROM keys",
        " UNION ALL SELECT NULL,NULL,NULL,NULL",
        " UNION SELECT sql FROM sqlite_master",
    ),
    *(
        "; DROP TABLE agents",
        "; DELETE FROM keys",
        "; UPDATE agents SET tenant='x'",
        "; INSERT INTO keys VALUES (1,2,3,4)",
    ),
    *(
        "; ATTACH DATABASE '/tmp/x' AS x",
        "; PRAGMA writable_schema=1",
        " AND load_extension('x')",
        " AND randomblob(9e9)",
    ),
    *("; SELECT pg_sleep(9)", "; WAITFOR DELAY '0:0:9'", " AND SLEEP(9)", " HAVING 1=1", " ORDER BY 99", "; VACUUM"),
]
ENDS = ["", "--", "-- -", "#", "/*", ";--", "/**/", " --+", "\t--", ";%00"]
BEFORE = ["", "dw_", "dw_" + "k" * 43, "admin"]
STRINGS = [
    begin + quote + clause + end for begin, quote, clause, end in itertools.product(BEFORE, QUOTES, CLAUSES, ENDS)
]
CARRIERS = ["Durward-Key", "Authorization", "x-api-key", "api-key", "x-goog-api-key"]
OTHERS = [
    "User-Agent",
    "Durward-Session",
    "Durward-User",
    "Durward-Tags",
    "traceparent",
    "X-Request-Id",
    "Cookie",
    "Referer",
]
EXECUTING = {"execute", "executemany", "executescript"}
THROUGH = {"records/queries.py": {"_rows"}, "storage/state.py": {"_read"}}
"""Methods that hand SQL on: what they are called with is looked at too."""
MIGRATING = "'BEGIN;' + migration + 'COMMIT;'"
"""The one that is put together: of constants, each migration of the list in the source."""


def rows(data_dir: Path) -> dict[str, int]:
    """How many rows each table of state.db has, and how its schema is written."""
    with closing(sqlite3.connect(data_dir / "state.db")) as base:
        tables = sorted(name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        return {name: base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}


async def test_ten_thousand_injections_are_unknown_keys() -> None:
    assert len(set(STRINGS)) >= 10_000
    world = World()
    for number, (text, carrier) in enumerate(zip(STRINGS, itertools.cycle(CARRIERS), strict=False)):
        value = f"Bearer {text}" if carrier == "Authorization" else text
        other = OTHERS[number % len(OTHERS)].replace("-", "_")
        headers = {carrier.replace("-", "_"): value, other: text}
        caller = await world.plays("GET /v1/models", b"", key=None, **headers)  # type: ignore[arg-type]
        assert caller.status == 401, (carrier, text)
        world.events.clear()
    assert world.network.sent == []
    assert world.book.closings == [], "who is unknown leaves no record in the chain"


def test_a_gate_with_a_database_says_401_and_loses_no_row(tmp_path: Path) -> None:
    with provider() as seen:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            assert running.command("agent", "add", "second").returncode == 0
            before = rows(running.data_dir)
            assert before["agents"] == 1
            picked = STRINGS[:: len(STRINGS) // 100]
            for carrier in CARRIERS:
                begin = "Bearer " if carrier == "Authorization" else ""
                for text in picked:
                    lines = f"{carrier}: {begin}{text}\r\nX-Note: {text}\r\nConnection: close\r\n\r\n"
                    raw = f"GET /v1/models HTTP/1.1\r\nHost: gate\r\n{lines}"
                    assert statuses(answered(running.port, raw.encode())) == [401], text
            # Where the database is read and written in earnest: names of objects, by who is known.
            for text in picked[:50]:
                body = {"model": "m", "input": "x", "previous_response_id": text, "metadata": {"note": text}}
                assert running.ask("POST", "/v1/responses", body)[0] in (400, 404)
            assert rows(running.data_dir) == before
            assert json.loads(running.command("agent", "list", "--json").stdout.splitlines()[0])
        finally:
            running.close()


def test_no_sql_is_built_from_strings() -> None:
    found = []
    for path in SRC.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            inside = path.relative_to(SRC).as_posix()
            if node.func.attr in EXECUTING | THROUGH.get(inside, set()) and not literal(node.args[0], tree):
                found.append(f"{path.relative_to(SRC)}:{node.lineno}: {ast.unparse(node.args[0])}")
    assert found == []


def literal(node: ast.expr, tree: ast.Module) -> bool:
    """Whether what is executed is a literal, or a name that is bound to literals wherever it is bound."""
    if isinstance(node, ast.IfExp):
        return literal(node.body, tree) and literal(node.orelse, tree)
    if isinstance(node, ast.Name):
        return all(literal(value, tree) for value in bindings(node.id, tree))
    return isinstance(node, ast.Constant) or ast.unparse(node) == MIGRATING


def bindings(name: str, tree: ast.Module) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets)
    ]
