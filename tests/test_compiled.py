"""The compiled call path: what its modules may hold, and that they are what is tested where the compiled package is."""

import ast
import builtins
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MODULES: list[str] = PROJECT["tool"]["durward"]["compiled"]
COMPILED = "DURWARD_COMPILED" in os.environ
"""Whether this run is the second half of scripts/test, over the installed wheel."""

# Bases from outside that mypyc can do: these stay classes of the interpreter, or are built into its runtime.
BASES = {"Generic", "NamedTuple", "Protocol", "dict"} | {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}
# An attribute `_x` becomes a field `__x` in C: these are words of the compiler there.
KEYWORDS = {
    *(
        "_alignof",
        "_asm",
        "_attribute",
        "_complex",
        "_const",
        "_extension",
        "_func",
        "_imag",
        "_inline",
        "_int128",
        "_label",
    ),
    *("_null", "_real", "_restrict", "_signed", "_thread", "_typeof", "_volatile"),
}


def parsed(name: str) -> ast.Module:
    return ast.parse((SRC / "durward" / f"{name}.py").read_text("utf-8"))


def bases(node: ast.ClassDef) -> list[str]:
    """The names of a class's bases, without module and type parameters."""
    return [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]


def classes() -> set[str]:
    """The classes that are compiled."""
    return {node.name for name in MODULES for node in ast.walk(parsed(name)) if isinstance(node, ast.ClassDef)}


def mistakes(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """What mypyc cannot compile, or compiles into something slow or wrong."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in bases(node):
                if base not in BASES | known:
                    yield f"{node.name} inherits from {base}, which is not compiled"
            if any(keyword.arg == "metaclass" for keyword in node.keywords):
                yield f"{node.name} has a metaclass"
        elif isinstance(node, ast.Attribute) and node.attr in KEYWORDS:
            yield f"{node.attr} is a word of the C compiler"
        elif isinstance(node, ast.Compare) and ast.unparse(node.left) == "__name__":
            yield "what `python -m` runs cannot be compiled"
        elif isinstance(node, ast.ExceptHandler):
            inside = list(ast.walk(node))
            if any(isinstance(each, ast.Await) for each in inside) and any(
                isinstance(each, ast.Raise) and each.exc is None for each in inside
            ):
                yield "behind an `await` a bare `raise` raises whatever was caught last, in any task"


def test_the_list_is_in_order_and_every_module_is_there() -> None:
    assert sorted(set(MODULES)) == MODULES
    assert [name for name in MODULES if not (SRC / "durward" / f"{name}.py").is_file()] == []


def test_the_module_that_the_version_is_told_by_is_compiled() -> None:
    assert "protocols/framing" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_a_compiled_module_holds_what_can_be_compiled(name: str) -> None:
    assert list(mistakes(parsed(name), classes())) == []


@pytest.mark.parametrize(
    "text",
    [
        "class Line(msgspec.Struct, frozen=True): pass",
        "class Connection(asyncio.BufferedProtocol): pass",
        "class Text(bytes): pass",
        "class Odd(metaclass=Meta): pass",
        "self._signed = 1",
        "if __name__ == '__main__': main()",
        "async def f():\n try:\n  g()\n except E:\n  await h()\n  raise",
    ],
)
def test_each_mistake_is_found(text: str) -> None:
    assert list(mistakes(ast.parse(text), {"Known"}))


def test_what_is_compiled_may_inherit_from_what_is() -> None:
    text = "class A(Known): pass\nclass B(NamedTuple): pass\nclass C(Protocol[T]): pass\nclass D(ValueError): pass"
    assert list(mistakes(ast.parse(text), {"Known"})) == []


def test_a_build_has_what_the_package_imports() -> None:
    asked = set(PROJECT["build-system"]["requires"])
    groups = PROJECT["dependency-groups"]
    wanted = {each for each in groups["build"] if isinstance(each, str)} | set(groups["backend"])
    assert asked == wanted | set(PROJECT["project"]["dependencies"])


def test_what_runs_needs_neither_the_compiler_nor_its_library() -> None:
    lock = (ROOT / "requirements" / "runtime.lock").read_text("utf-8")
    locked = {line.partition("==")[0] for line in lock.splitlines() if "==" in line}
    assert "msgspec" in locked
    assert not locked & {"librt", "mypy", "mypy-extensions", "setuptools"}


def files(words: list[str], folder: Path) -> list[str]:
    """Where a Python started with these words finds the modules of the list."""
    names = [f"durward.{name.replace('/', '.')}" for name in MODULES]
    program = f"import importlib; [print(importlib.import_module(name).__file__) for name in {names}]"
    done = subprocess.run([*words, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_is_tested_is_what_this_run_is_for(tmp_path: Path) -> None:
    here = [import_module(f"durward.{name.replace('/', '.')}").__file__ or "" for name in MODULES]
    if COMPILED:
        assert str(SRC) not in sys.path
        assert [file for file in here if not file.endswith(tuple(EXTENSION_SUFFIXES))] == []
    else:
        assert here == [str(SRC / "durward" / f"{name}.py") for name in MODULES]
    # Processes that a test or the supervisor starts have the same modules.
    assert files([sys.executable], tmp_path) == files([sys.executable, "-P"], tmp_path) == here
