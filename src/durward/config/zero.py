"""The configuration without a file: providers whose keys are in the environment, and an Ollama on this machine.

`OPENAI_BASE_URL` and its kin are left alone on purpose: that is how agents on this machine are pointed at the gate, and a gate that
followed it would call itself. Who wants another address writes a file.
"""

import socket
from collections.abc import Mapping
from pathlib import Path

from durward.calls.origin import Timeouts
from durward.config.settings import Credential, Drain, ProtocolName, Provider, Rule, Selector, Settings

LISTEN = "127.0.0.1:7300"
AGENT = "default"
"""The one agent. It is made in the state, like any that a command makes, so that its key can be rotated."""
KEYS: dict[str, tuple[ProtocolName, str, str, str]] = {
    "OPENAI_API_KEY": ("openai", "https://api.openai.com/v1", "Authorization", "Bearer "),
    "ANTHROPIC_API_KEY": ("anthropic", "https://api.anthropic.com", "x-api-key", ""),
    "GEMINI_API_KEY": ("gemini", "https://generativelanguage.googleapis.com", "x-goog-api-key", ""),
    "GOOGLE_API_KEY": ("gemini", "https://generativelanguage.googleapis.com", "x-goog-api-key", ""),
}
"""Variable to provider; of two for one provider the first that is set counts."""
OLLAMA = ("127.0.0.1", 11434)
PROBE_SECONDS = 0.3


def zero_config(environment: Mapping[str, str], ollama: bool, data_dir: str) -> Settings | None:
    """The settings, None where nothing was found to call. `ollama` says whether one answers here; `data_dir` is absolute.

    The one rule that allows the agent everything stands among them, to be seen by `check --print` and in records.
    """
    found: dict[str, Provider] = {}
    for variable, (protocol, base_url, header, prefix) in KEYS.items():
        if environment.get(variable) and protocol not in found:
            credential = Credential(header=header, template=f"{prefix}${{env:{variable}}}")
            found[protocol] = Provider(protocol, protocol, base_url, credential)
    if ollama:
        local = f"http://{OLLAMA[0]}:{OLLAMA[1]}/v1"
        found["ollama"] = Provider("ollama", "openai", local, timeouts=Timeouts(connect=2.0))
    if not found:
        return None
    rule = Rule(f"{AGENT} may do everything", "allow", Selector(agents=(AGENT,)))
    # Nobody stands before a gate without a file who would have to learn that it stops.
    drain = Drain(delay=0.0)
    return Settings(LISTEN, str(Path(data_dir)), providers=tuple(found.values()), policies=(rule,), drain=drain)


def ollama_answers() -> bool:
    """Whether something listens where Ollama does; waits at most 300 ms."""
    try:
        socket.create_connection(OLLAMA, PROBE_SECONDS).close()
    except OSError:
        return False
    return True
