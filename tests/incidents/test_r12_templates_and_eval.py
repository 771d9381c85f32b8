"""CVE-2024-2952 (a template of the caller rendered on the server) and CVE-2024-4264 (eval of a setting), both LiteLLM.
Langflow CVE-2025-3248 and CVE-2026-33017: exec() of what a request held, exploited within a day (R14).

Here: no source evaluates, compiles, unpickles, renders or hands to a shell anything at all; what looks like a template stays text.
"""

import ast
from pathlib import Path

import pytest

from tests.playbooks.world import Reply, World

SRC = Path(__file__).parent.parent.parent / "src" / "durward"
BUILTINS = {"eval", "exec", "compile", "__import__", "execfile", "input", "breakpoint"}
MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "marshal",
    "shelve",
    "jinja2",
    "mako",
    "code",
    "codeop",
    "runpy",
    "imp",
    "pty",
    "joblib",
    "cloudpickle",
}
CALLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "asyncio.create_subprocess_shell",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}
BY_NAME = {"cli/main.py", "office/main.py"}
"""Imports by name stand here alone: of the list of commands, and of the office's listener; the names stand in the source."""
FORMATS = {"upstreams/demo/talk.py"}
"""The demo's own sentences, from a list in its source."""
TEMPLATES = [
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{{config}}",
    "${env:HOME}",
    "${file:/etc/passwd}",
    "{0.__class__}",
    "%(x)s",
    "$(id)",
    "`id`",
]


def found(tree: ast.Module, inside: str = "") -> list[str]:
    """What evaluates, compiles, unpickles, renders or runs a shell."""
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            wrong += [f"imports {name}" for name in names if name.split(".")[0] in MODULES]
            if inside not in BY_NAME and any(name == "importlib" or name.startswith("importlib.") for name in names):
                wrong += [] if inside == "__init__.py" else ["imports importlib"]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BUILTINS | CALLS or any(word.arg == "shell" for word in node.keywords):
                wrong.append(f"calls {called}")
            if (
                inside not in FORMATS
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "format"
                and not isinstance(node.func.value, ast.Constant)
                and ast.unparse(node.func.value) != "super()"  # a log formatter's own
            ):
                wrong.append(f"formats {ast.unparse(node.func.value)}")
    return wrong


def test_nothing_is_evaluated_anywhere() -> None:
    wrong = {}
    for path in SRC.rglob("*.py"):
        inside = path.relative_to(SRC).as_posix()
        if here := found(ast.parse(path.read_text("utf-8")), inside):
            wrong[inside] = here
    assert wrong == {}


@pytest.mark.parametrize(
    "text",
    [
        "eval(x)",
        "exec(x)",
        "import pickle",
        "from jinja2 import Template",
        "os.system(x)",
        "run(x, shell=True)",
        "x.format(y)",
        "yaml.load(x)",
    ],
)
def test_the_search_finds_each(text: str) -> None:
    assert found(ast.parse(text))


@pytest.mark.parametrize("text", TEMPLATES)
async def test_what_looks_like_a_template_stays_text(text: str) -> None:
    world = World()
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "metadata": {"a": text}}
    await world.plays("POST /v1/chat/completions", body, Reply(200, b"{}"), X_Note=text)
    head, sent = world.network.sent[0]
    assert sent.count(text.encode()) == 2
    assert f": {text}\r\n".encode() in head
