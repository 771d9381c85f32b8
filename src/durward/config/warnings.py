"""What is doubtful in a file that is valid: `check` shows it, and `up` starts all the same."""

import datetime as dt
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from durward.config.certificates import certificate_doubts
from durward.config.check import NOTHING, key_span, section
from durward.config.mistakes import Mistake, Span, nearest, quoted
from durward.config.nodes import Node
from durward.config.places import is_loopback
from durward.config.references import references
from durward.config.resources import LATER_KINDS, meets
from durward.config.settings import Credential, Settings

TOP = Span(0, 0, 1)
PAIRS_LIMIT = 20_000
"""Comparisons of patterns; in a file with more, none is doubted."""
LATER_ACTIONS = {"call": "MCP tools", "send": "remote agents"}


def warn(root: Node, settings: Settings, environment: Mapping[str, str]) -> Iterator[Mistake]:
    """Every doubt about a file that compiles to these settings."""
    yield from _openness(root, settings)
    yield from _names(root)
    yield from _later(root)
    yield from _models(root, settings)
    yield from _secrets(root, settings, environment)
    yield from _proxies(root, settings, environment)
    yield from certificate_doubts(root, settings.tls, dt.datetime.now(dt.UTC))


def _span(root: Node, key: str) -> Span | None:
    return key_span(root, key) if key in root.entries else None


def _openness(root: Node, settings: Settings) -> Iterator[Mistake]:
    if not settings.policies:
        yield Mistake(
            _span(root, "policies"),
            "there are no policies, so every call is denied",
            "Write at least one `allow` rule.",
        )
    if not settings.providers and not settings.apis:
        yield Mistake(_span(root, "providers"), "there are no providers and no APIs: nothing can be called")
    if settings.models == ():
        hint = "Name models, or leave `models` out to let any name go to its wire's default provider."
        yield Mistake(_span(root, "models"), "`models` is empty: models can be named as <provider>/<model> only", hint)
    if not is_loopback(settings.listen) and settings.tls is None and not settings.trusted_proxies:
        hint = "Write `listen: {address: …, tls: {cert: …, key: …}}`, put a proxy that ends TLS in front, or listen on 127.0.0.1."
        yield Mistake(_span(root, "listen"), "agents on other machines would send their keys unencrypted", hint)
    for agent in settings.agents:
        if not agent.keys:
            hint = "Give it `keys`, or leave it out and make it with `durward agent add`."
            yield Mistake(
                section(root, "agents").entries[agent.name][0].span, f"the agent {quoted(agent.name)} has no key", hint
            )


def _names(root: Node) -> Iterator[Mistake]:
    """Agents of rules that the file does not have; a command may make them."""
    known = list(section(root, "agents").entries)
    for rule in section(root, "policies").items:
        for verb in ("allow", "deny"):
            for name, node in (rule.get(verb, "agents") or NOTHING).strings():
                if "*" in name or name in known:
                    continue
                meant = nearest(name, known)
                hint = f"Did you mean `{meant}`? " if meant else ""
                yield Mistake(
                    node.span,
                    f"the file has no agent {quoted(name)}",
                    f"{hint}An agent made by `durward agent add {name}` needs no place in the file.",
                )


def _later(root: Node) -> Iterator[Mistake]:
    for rule in section(root, "policies").items:
        for verb in ("allow", "deny"):
            for pattern, node in (rule.get(verb, "resources") or NOTHING).strings():
                kind = pattern.partition("/")[0]
                if kind in LATER_KINDS:
                    yield Mistake(
                        node.span, f"{quoted(pattern)} matches nothing yet: {LATER_KINDS[kind]} are not in this version"
                    )
            for action, node in (rule.get(verb, "actions") or NOTHING).strings():
                if action in LATER_ACTIONS:
                    yield Mistake(
                        node.span, f"nothing does {quoted(action)} yet: {LATER_ACTIONS[action]} are not in this version"
                    )


def _models(root: Node, settings: Settings) -> Iterator[Mistake]:
    """Patterns of rules that no model of the file has."""
    if settings.models is None:
        return
    patterns = [
        (pattern, node)
        for rule in section(root, "policies").items
        for verb in ("allow", "deny")
        for pattern, node in (rule.get(verb, "resources") or NOTHING).strings()
        if pattern.startswith("model/")
    ]
    names = [f"model/{model.name}" for model in settings.models]
    open_names = [name for name in names if "*" in name] + [
        f"model/{provider.name}/*" for provider in settings.providers
    ]
    if len(patterns) * len(open_names) > PAIRS_LIMIT:
        return
    listed = "\n".join(name for name in names if "*" not in name)
    for pattern, node in patterns:
        if not _listed(pattern, listed) and not any(meets(pattern, name) for name in open_names):
            meant = nearest(pattern, names)
            hint = f"Did you mean {quoted(meant)}?" if meant else ""
            yield Mistake(node.span, f"no model of the file matches {quoted(pattern)}", hint)


def _listed(pattern: str, names: str) -> bool:
    """Whether any of some names, one a line, matches: one search, however many there are."""
    form = "[^\n]*".join(re.escape(piece) for piece in pattern.split("*"))
    return re.search(f"^{form}$", names, re.MULTILINE) is not None


def _secrets(root: Node, settings: Settings, environment: Mapping[str, str]) -> Iterator[Mistake]:
    presented = [
        ("providers", upstream.name, upstream.base_url, upstream.credential) for upstream in settings.providers
    ]
    presented += [("apis", upstream.name, upstream.base_url, upstream.credential) for upstream in settings.apis]
    for kind, name, base_url, credential in presented:
        if credential is None:
            continue
        node = root.get(kind, name, "credential") or NOTHING
        span = (node.get("value") or node).span
        for what in _missing(credential, environment):
            yield Mistake(span, f"{what}, so calls to {quoted(name)} are answered with 503 credential_missing")
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        if parts.scheme == "http" and not is_loopback(f"[{host}]:0" if ":" in host else f"{host}:0"):
            hint = "Write https:// if it can."
            yield Mistake(span, f"the credential of {quoted(name)} travels unencrypted to {quoted(host)}", hint)


def _proxies(root: Node, settings: Settings, environment: Mapping[str, str]) -> Iterator[Mistake]:
    for network, node in zip(
        settings.trusted_proxies, (root.get("listen", "trusted_proxies") or NOTHING).items, strict=False
    ):
        if network.endswith("/0"):
            yield Mistake(node.span, "everybody is a trusted proxy: callers may give themselves any address")
    proxy = settings.outbound_proxy
    login = root.get("outbound_proxy", "credential")
    if proxy is not None and login is not None:
        for what in _missing(Credential(template=proxy.login), environment):
            yield Mistake(login.span, f"{what}, so calls to upstreams are answered with 503 credential_missing")


def _missing(credential: Credential, environment: Mapping[str, str]) -> Iterator[str]:
    for kind, target in references(credential.template):
        if kind == "env" and not environment.get(target):
            yield f"the environment has no {target}"
        if kind == "file" and not os.access(Path(target), os.R_OK):
            yield f"the file {target} cannot be read"
