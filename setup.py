"""Makes the wheel: the modules of the call path, named in pyproject.toml, compiled with mypyc; everything else as it stands.

Only a wheel is compiled. A checkout (an editable install) runs its sources. Without a C compiler or Python's headers, or with
DURWARD_PURE=1, the wheel holds plain Python alone, and one line says so.
"""

import os
import shlex
import shutil
import sys
import sysconfig
import tomllib
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# -g0 comes after the -g that Python was built with. What is an error is mypy's to say; a newer compiler's warnings are not.
FLAGS = ["-g0", "-Wno-error"]
STRIPPED = {"linux": ["-Wl,--strip-debug"], "darwin": ["-Wl,-S"]}
# Files are compiled beside each other, and what they call of each other and of mypyc's runtime is still put inline. gcc alone always
# has the linker for it at hand.
ACROSS_FILES = ["-O2", "-flto=auto"]
CORES = os.cpu_count() or 1


class ParallelBuild(build_ext):
    """Compiles the files of an extension beside each other: all but a few lines are in one, of many files."""

    def build_extensions(self) -> None:
        compile_in_turn = self.compiler.compile

        def compile_all(sources: list[str], **options: Any) -> list[str]:
            with ThreadPoolExecutor(CORES) as pool:
                return list(chain.from_iterable(pool.map(lambda source: compile_in_turn([source], **options), sources)))

        self.parallel = CORES
        self.compiler.compile = compile_all
        super().build_extensions()


def compiler() -> str:
    """The command that Python compiles extensions with."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]


def hindrance() -> str:
    """Why nothing can be compiled here, empty if it can."""
    if os.environ.get("DURWARD_PURE", "") not in ("", "0"):
        return "DURWARD_PURE is set"
    if shutil.which(compiler()) is None:
        return f"there is no C compiler ({compiler()})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are not installed (Python.h)"
    return ""


def extensions() -> list[Extension]:
    """What to compile: the listed modules, and the two extensions that are written in C by hand."""
    if why := hindrance():
        print(f"durward: plain Python, nothing is compiled: {why}")
        return []
    from mypyc.build import mypycify  # noqa: PLC0415 (needed for a wheel alone)

    names = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["durward"]["compiled"]
    files = [f"src/durward/{name}.py" for name in names]
    built = mypycify(
        ["--config-file=pyproject.toml", *files], opt_level="2", debug_level="0", multi_file=True, group_name="durward"
    )
    for name in ("_heads", "_scan"):
        built.append(Extension(f"durward.protocols.{name}", [f"src/durward/protocols/{name}.c"], py_limited_api=True))
    whole = ACROSS_FILES if "gcc" in Path(compiler()).name else []
    for extension in built:
        extension.extra_compile_args = [*extension.extra_compile_args, *FLAGS, *whole]
        extension.extra_link_args = [*extension.extra_link_args, *STRIPPED.get(sys.platform, []), *whole]
    print(f"durward: {len(names)} modules are compiled")
    return built


# Other commands (an editable install, the metadata) come here too, and need neither mypy nor a compiler.
setup(
    ext_modules=extensions() if "bdist_wheel" in sys.argv else [],
    cmdclass={"build_ext": ParallelBuild},
)
