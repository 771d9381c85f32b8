"""Without a file: what the environment offers."""

import socket

import pytest

from durward.config import zero
from durward.config.settings import Credential
from durward.config.zero import AGENT, ollama_answers, zero_config


def found(environment: dict[str, str], ollama: bool = False) -> dict[str, Credential | None]:
    settings = zero_config(environment, ollama, "/d")
    assert settings is not None
    return {provider.name: provider.credential for provider in settings.providers}


def test_providers_follow_from_the_keys_that_are_set() -> None:
    assert found({"OPENAI_API_KEY": "x"}) == {
        "openai": Credential(header="Authorization", template="Bearer ${env:OPENAI_API_KEY}")
    }
    assert found({"ANTHROPIC_API_KEY": "x"}) == {
        "anthropic": Credential(header="x-api-key", template="${env:ANTHROPIC_API_KEY}")
    }
    assert found({"GOOGLE_API_KEY": "x"}) == {
        "gemini": Credential(header="x-goog-api-key", template="${env:GOOGLE_API_KEY}")
    }


def test_the_more_particular_of_two_keys_counts() -> None:
    credential = found({"GOOGLE_API_KEY": "x", "GEMINI_API_KEY": "y"})["gemini"]
    assert credential is not None
    assert credential.template == "${env:GEMINI_API_KEY}"


def test_a_key_that_is_empty_is_not_set() -> None:
    assert zero_config({"OPENAI_API_KEY": ""}, ollama=False, data_dir="/d") is None


def test_the_secret_itself_is_nowhere() -> None:
    assert "hunter2" not in repr(zero_config({"OPENAI_API_KEY": "hunter2"}, ollama=False, data_dir="/d"))


def test_addresses_of_the_environment_are_left_alone() -> None:
    settings = zero_config(
        {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:7300/v1"}, ollama=False, data_dir="/d"
    )
    assert settings is not None
    assert settings.providers[0].base_url == "https://api.openai.com/v1"


def test_a_local_ollama_comes_last_and_needs_no_key() -> None:
    assert list(found({"OPENAI_API_KEY": "x"}, ollama=True)) == ["openai", "ollama"]
    assert found({}, ollama=True) == {"ollama": None}


def test_nothing_found_is_no_configuration() -> None:
    assert zero_config({}, ollama=False, data_dir="/d") is None


def test_one_visible_rule_allows_the_one_agent_everything() -> None:
    settings = zero_config({}, ollama=True, data_dir="/d")
    assert settings is not None
    (rule,) = settings.policies
    assert rule.verb == "allow"
    assert rule.of.agents == (AGENT,)
    assert rule.of.resources is None
    # The agent is made in the state, like any that a command makes: a name in both places would be an error.
    assert settings.agents == ()
    assert settings.models is None


def test_the_probe_sees_who_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(zero, "OLLAMA", server.getsockname())
        assert ollama_answers()
    assert not ollama_answers()
