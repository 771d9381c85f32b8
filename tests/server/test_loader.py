"""What becomes of a file that is loaded for a running gate. With a gate around it: test_reloading.py."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from durward import __version__
from durward.config.compile import compile_file
from durward.config.settings import OutboundProxy, Tls, settings_json
from durward.server.launch import content, unnamed
from durward.server.loader import Loaded, load, referred

FILE = """
providers:
  one: {protocol: openai, base_url: "http://127.0.0.1:1/v1", credential: file:key}
apis: {crm: {base_url: "http://127.0.0.1:2", credential: {header: X-Key, value: "${file:key} ${file:other} ${env:NOT_THERE}"}}}
policies: [{name: all, allow: {}}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "durward.yaml"
    path.write_text(FILE)
    return path


def test_a_good_file_tells_its_warnings_and_what_it_refers_to(file: Path) -> None:
    in_force = compile_file(file)
    loaded, settings = load(file, "", in_force)
    assert settings == in_force
    assert loaded.refused == ""
    assert "NOT_THERE" in loaded.warnings
    assert loaded.watched == (str(file.parent / "key"), str(file.parent / "other"))


def test_authorities_are_watched_too(file: Path) -> None:
    assert referred(replace(compile_file(file), ca_file="/ca.pem"))[-1] == "/ca.pem"


def test_certificates_and_logins_are_watched_too(file: Path) -> None:
    settings = replace(
        compile_file(file),
        tls=Tls("/c.pem", "/k.pem", "/a.pem"),
        outbound_proxy=OutboundProxy("http://p:1", "${file:/login}"),
    )
    assert referred(settings)[2:] == ("/login", "/c.pem", "/k.pem", "/a.pem")


def test_a_certificate_that_is_missing_is_watched_for(file: Path) -> None:
    in_force = compile_file(file)
    file.write_text(FILE + "listen: {tls: {cert: c.pem, key: 'file:/k.pem'}}\n")
    loaded, settings = load(file, "", in_force)
    assert settings is None
    assert loaded.watched == (str(file.parent / "c.pem"), "/k.pem")


def test_a_file_that_is_missing_or_wrong_is_refused_with_what_is_wrong(file: Path) -> None:
    in_force = compile_file(file)
    file.write_text(FILE.replace("openai", "opnai"))
    loaded, settings = load(file, "", in_force)
    assert settings is None
    assert "durward.yaml:3:" in loaded.refused
    file.unlink()
    loaded, settings = load(file, "", in_force)
    assert settings is None
    assert "durward.yaml" in loaded.refused


def test_what_cannot_change_is_refused_unless_the_command_line_said_it(file: Path) -> None:
    in_force = replace(compile_file(file), listen="127.0.0.1:9")
    loaded, settings = load(file, "", in_force)
    assert (settings, loaded.refused) == (None, "needs restart: listen: 127.0.0.1:9 → 127.0.0.1:7300")
    loaded, settings = load(file, "127.0.0.1:9", in_force)
    assert settings == in_force
    file.write_text(FILE + "durability: disk\n")
    loaded, settings = load(file, "127.0.0.1:9", in_force)
    assert (settings, loaded.refused) == (None, "needs restart: durability: process → disk")


def test_authorities_that_are_missing_are_watched_for(file: Path) -> None:
    in_force = compile_file(file)
    file.write_text(FILE + "ca_file: ca.pem\n")
    loaded, settings = load(file, "", in_force)
    assert settings is None
    assert loaded.watched == (str(file.parent / "ca.pem"),)
    file.write_text("a: [")
    assert load(file, "", in_force)[0].watched == ()


def test_a_durward_of_another_version_is_not_given_what_it_may_not_understand(file: Path) -> None:
    in_force, new = unnamed(settings_json(compile_file(file))), unnamed(b"")
    for version, said in (("0.0.1", f"needs restart: durward 0.0.1 → {__version__}"), (__version__, "")):
        words = [sys.executable, "-m", "durward.server.loader", str(file), "", version, str(in_force), str(new)]
        told = subprocess.run(words, pass_fds=(in_force, new), stdout=subprocess.PIPE, check=True).stdout
        assert msgspec.json.decode(told, type=Loaded).refused == said
        assert bool(content(new)) == (said == "")
    for fd in (in_force, new):
        os.close(fd)
