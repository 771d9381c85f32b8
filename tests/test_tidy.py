"""The shape of the source, held by a test. Ruff holds what it can measure (complexity, parameters); this holds the rest.

All violations are reported at once. What must stand for a while is named in tidy_exceptions.txt, a ratchet.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "durward"
TESTS = ROOT / "tests"
EXCEPTIONS = TESTS / "tidy_exceptions.txt"
CEILING = 0
"""How many exceptions there may be. It is lowered with every one that goes, and never raised."""

FUNCTION_LINES = 60
FILE_LINES = 400
GATEWAY_LINES = 300
BANNED = {
    *("service", "manager", "handler", "helper", "util", "common", "core", "context", "data", "v2"),
    *("services", "managers", "handlers", "helpers", "utils", "contexts"),
}
# Where everything may be caught: the sentence, which owes every call a record, and the top of a process.
BROAD_EXCEPT = {"gateway.py", "cli/main.py", "office/main.py"}
BROAD_EXCEPT_FOLDERS = {"server"}
# Words do no I/O and read no clock.
PURE_FOLDERS = {"calls", "protocols"}
IMPURE = {
    *("asyncio", "concurrent", "http", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors"),
    *("shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "uvloop"),
}
# Folders of tests that follow something else than the source tree.
FREE_TEST_FOLDERS = {
    "bench",
    "clients",
    "deploy",
    "faults",
    "golden",
    "incidents",
    "peers",
    "playbooks",
    "simulation",
}
FREE_TESTS = {"test_tidy.py", "test_behaviours.py", "test_compiled.py"}
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XXX|HACK)\b")
SILENCED = re.compile(r"#\s*(?:ruff:|noqa\s*$|noqa:.*\b(?:C901|PLR09\d\d)\b|type:\s*ignore(?!\[))")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Violation(NamedTuple):
    rule: str
    place: str
    """What an exception names: the path, with the name of the function or class if the rule is about one."""
    line: int
    text: str
    measure: int = 0


class Source(NamedTuple):
    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def inside(self) -> str:
        """The path below src/durward, empty for everything else."""
        return self.path.relative_to(SRC).as_posix() if self.path.is_relative_to(SRC) else ""


def sources() -> list[Source]:
    folders = [SRC, TESTS, ROOT / "bench"]
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [Source(path, text, ast.parse(text)) for path in paths for text in [path.read_text("utf-8")]]


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield f"{prefix}{node.name}", node
        inner = f"{prefix}{node.name}." if isinstance(node, Function | ast.ClassDef) else prefix
        yield from functions(node, inner)


def sizes(source: Source) -> Iterator[Violation]:
    lines = source.text.count("\n")
    limit = GATEWAY_LINES if source.inside == "gateway.py" else FILE_LINES
    if lines > limit:
        yield Violation("file-lines", source.name, 1, f"{lines} lines, at most {limit}", lines)
    for name, node in functions(source.tree):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            text = f"{name} has {length} lines, at most {FUNCTION_LINES}"
            yield Violation("function-lines", f"{source.name}:{name}", node.lineno, text, length)


def inner_imports(source: Source) -> Iterator[Violation]:
    if not source.inside:
        return
    for name, node in functions(source.tree):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                yield Violation("inner-import", f"{source.name}:{name}", inner.lineno, f"import inside {name}")


def broad_excepts(source: Source) -> Iterator[Violation]:
    inside = source.inside
    if not inside or inside in BROAD_EXCEPT or inside.split("/")[0] in BROAD_EXCEPT_FOLDERS:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"bare"}
        if caught & {"bare", "Exception", "BaseException"}:
            yield Violation("broad-except", source.name, node.lineno, "catches everything; name what can happen here")


def impure_imports(source: Source) -> Iterator[Violation]:
    if source.inside.split("/")[0] not in PURE_FOLDERS:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in modules:
            if name.split(".")[0] in IMPURE:
                yield Violation("impure", source.name, node.lineno, f"a pure folder imports {name}")


def names(source: Source) -> Iterator[Violation]:
    relative = source.path.relative_to(ROOT)
    for part in [*relative.parts[:-1], relative.stem]:
        if part != "conftest" and BANNED & set(part.lower().split("_")):
            yield Violation("name", source.name, 1, f"{part} says nothing of what is in it")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and BANNED & {
            word.lower() for word in re.findall("[A-Z]?[a-z0-9]+", node.name)
        }:
            yield Violation("name", f"{source.name}:{node.name}", node.lineno, f"{node.name} is no word of ours")


def openings(source: Source) -> Iterator[Violation]:
    if source.inside and source.path.name == "__init__.py" and len(ast.get_docstring(source.tree) or "") < 40:
        text = "a folder opens with a paragraph: what it owns, what it leaves to others"
        yield Violation("opening", source.name, 1, text)


def comments(source: Source) -> Iterator[Violation]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if LEFTOVER.search(token.string):
            yield Violation("leftover", source.name, token.start[0], "do it, or open an issue")
        if SILENCED.search(token.string):
            yield Violation("silenced", source.name, token.start[0], "a check is silenced here; exceptions have a list")


def behaves(source: Source) -> bool:
    """Whether a module has anything to test: tables, plain records and Protocol classes have not."""
    return any(
        not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for _, node in functions(source.tree)
        for statement in node.body
    )


def mirrors(all_sources: list[Source]) -> Iterator[Violation]:
    tested = {source.inside: source for source in all_sources if source.inside}
    tests = {
        source.path.relative_to(TESTS)
        for source in all_sources
        if source.path.is_relative_to(TESTS) and source.path.name.startswith("test_")
    }
    for inside, source in tested.items():
        path = Path(inside)
        if path.name in {"__init__.py", "__main__.py"} or not behaves(source):
            continue
        stem = path.stem.lstrip("_")
        if not any(test.parent == path.parent and f"{test.stem}_".startswith(f"test_{stem}_") for test in tests):
            wanted = path.with_name(f"test_{stem}.py").as_posix()
            yield Violation("untested", source.name, 1, f"tests/{wanted} is missing")
    for test in sorted(tests):
        if test.parts[0] in FREE_TEST_FOLDERS | FREE_TESTS:
            continue
        of = {Path(inside).stem.lstrip("_") for inside in tested if Path(inside).parent == test.parent}
        if not any(f"{test.stem}_".startswith(f"test_{stem}_") for stem in of):
            yield Violation("mirror", f"tests/{test.as_posix()}", 1, "tests nothing of that name under src/durward")


def violations() -> list[Violation]:
    rules = [sizes, inner_imports, broad_excepts, impure_imports, names, openings, comments]
    all_sources = sources()
    found = [violation for source in all_sources for rule in rules for violation in rule(source)]
    return found + list(mirrors(all_sources))


def exceptions() -> dict[tuple[str, str], int]:
    lines = EXCEPTIONS.read_text("utf-8").splitlines()
    entries = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {(entry[0], entry[1]): int(entry[2]) if len(entry) > 2 else 0 for entry in entries}


def test_source_keeps_its_shape() -> None:
    allowed = exceptions()
    red = []
    used = set()
    for violation in violations():
        key = (violation.rule, violation.place)
        if key in allowed and violation.measure <= allowed[key]:
            used.add(key)
            if violation.measure < allowed[key]:
                red.append(f"tests/tidy_exceptions.txt: {' '.join(key)} is {violation.measure} by now: tighten it")
        else:
            path = violation.place.split(":")[0]
            red.append(f"{path}:{violation.line}: {violation.rule}: {violation.text}")
    red += [f"tests/tidy_exceptions.txt: {' '.join(key)} is no longer needed" for key in allowed.keys() - used]
    if red:
        pytest.fail("\n".join(sorted(red)), pytrace=False)


def test_exceptions_only_shrink() -> None:
    assert len(exceptions()) == CEILING, "lower CEILING with every exception that goes; a new one is no way out"


@pytest.mark.parametrize(
    "rule,text",
    [
        ("function-lines", "def long():\n" + "    print()\n" * FUNCTION_LINES),
        ("file-lines", "a = 1\n" * (FILE_LINES + 1)),
        ("inner-import", "def f():\n    import json\n"),
        ("broad-except", "try:\n    pass\nexcept (ValueError, Exception):\n    pass\n"),
        ("broad-except", "try:\n    pass\nexcept:\n    pass\n"),
        ("impure", "from time import monotonic\n"),
        ("name", "class CallManager:\n    pass\n"),
        ("leftover", "a = 1  # TODO: later\n"),
        ("silenced", "a = 1  # noqa: C901\n"),
        ("silenced", "a = 1  # type: ignore\n"),
    ],
)
def test_each_rule_can_turn_red(rule: str, text: str) -> None:
    source = Source(SRC / "calls" / "example.py", text, ast.parse(text))
    rules = [sizes, inner_imports, broad_excepts, impure_imports, names, comments]
    assert rule in {violation.rule for each in rules for violation in each(source)}
