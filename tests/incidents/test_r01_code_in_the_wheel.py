"""LiteLLM 1.82.7 and 1.82.8 (PyPI, March 2026): a stolen token published wheels with a .pth that ran at every start of Python.

Here: a wheel holds no .pth and nothing that runs when it is installed, and its bytes follow from the tree (`scripts/build --twice`).
"""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('made')"
RUNS_BY_ITSELF = (".pth", "sitecustomize.py", "usercustomize.py", ".sh", ".exe")


def built(folder: Path) -> Path:
    """A wheel of plain Python from a copy of the tree, made as scripts/build makes it."""
    folder.mkdir()
    script = (ROOT / "scripts" / "build").read_text("utf-8")
    assert "PYTHONHASHSEED=0" in script
    assert "umask 022" in script
    copied = ["cp", "-R", "src", "setup.py", "pyproject.toml", "LICENSE", str(folder)]
    subprocess.run(copied, cwd=ROOT, check=True)
    for left in (folder / "src").glob("*.egg-info"):
        subprocess.run(["rm", "-r", str(left)], check=True)
    environment = os.environ | {"DURWARD_PURE": "1", "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800"}
    subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, env=environment, check=True, capture_output=True, timeout=120
    )
    return next((folder / "made").glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("first") / "tree")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    info = f"durward-{PROJECT['project']['version']}.dist-info/"
    assert [name for name in names if not name.startswith(("durward/", info))] == []
    assert [name for name in names if name.endswith(RUNS_BY_ITSELF)] == []
    known = {f"{info}{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")}
    assert {name for name in names if name.startswith(info)} - known == {f"{info}licenses/LICENSE"}


def test_every_module_of_the_wheel_is_the_one_of_the_tree(wheel: Path) -> None:
    tree = {
        f"durward/{path.relative_to(ROOT / 'src' / 'durward').as_posix()}": path.read_bytes()
        for path in (ROOT / "src" / "durward").rglob("*")
        if path.is_file() and (path.suffix in (".py", ".pyi") or path.name in ("py.typed", "table.json"))
    }
    with zipfile.ZipFile(wheel) as archive:
        assert {name: archive.read(name) for name in archive.namelist() if name.startswith("durward/")} == tree


def test_one_command_is_installed_and_nothing_hooks_into_others(wheel: Path) -> None:
    assert set(PROJECT["project"]) & {"entry-points", "gui-scripts", "dynamic"} == set()
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert archive.read(name).decode().split() == ["[console_scripts]", "durward", "=", "durward.cli.main:main"]


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    seen = "import sys, durward; print([n for n in sys.modules if n.startswith('durward.')])"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_second_build_is_the_same_byte_for_byte(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path / "elsewhere")
    assert again.read_bytes() == wheel.read_bytes()
