"""The extensions written in C, as they are installed, or else built from where their source lies."""

import subprocess
import sysconfig
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from durward.protocols import scanning


def built(name: str, folder: Path) -> Any:
    """The module, built into a folder."""
    source = Path(scanning.__file__).with_name(f"{name}.c")
    target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{include}"]
    if sysconfig.get_platform().startswith("macosx"):
        flags += ["-undefined", "dynamic_lookup"]
    subprocess.run(["cc", *flags, str(source), "-o", str(target)], check=True)
    loader = ExtensionFileLoader(name, str(target))
    spec = spec_from_file_location(name, target, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
