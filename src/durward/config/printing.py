"""The configuration in force, as a file: defaults filled in, secrets as references. Read again, it means the same."""

import re
from decimal import Decimal
from typing import Any

import msgspec
import yaml

from durward.config.grammar import spell_duration, spell_size
from durward.config.nodes import BASED, FLOAT
from durward.config.references import CALLER
from durward.config.schema import OFF
from durward.config.settings import (
    Admin,
    Agent,
    Api,
    Credential,
    Model,
    OutboundProxy,
    PriceOverride,
    Provider,
    Rule,
    Settings,
)

WIDTH = 120


class Printer(yaml.SafeDumper):
    """Quotes what YAML 1.2 takes for a number and 1.1 does not, and writes decimals digit by digit."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _decimal(printer: Printer, number: Decimal) -> yaml.Node:
    kind = "int" if number == number.to_integral_value() else "float"
    return printer.represent_scalar(f"tag:yaml.org,2002:{kind}", format(number, "f"))


Printer.add_representer(Decimal, _decimal)
for pattern in (FLOAT, BASED):
    Printer.add_implicit_resolver("tag:durward:number", re.compile(rf"(?:{pattern.pattern})\Z"), list("+-.0123456789"))


def print_settings(settings: Settings) -> str:
    """The whole file."""
    shown: dict[str, Any] = {
        "version": 1,
        "listen": _listen(settings),
        "data_dir": settings.data_dir,
        **_admin(settings.admin),
        "workers": settings.workers,
        "mode": settings.mode,
        "durability": settings.durability,
        "providers": {provider.name: _provider(provider) for provider in settings.providers},
    }
    if settings.models is not None:
        shown["models"] = {model.name: _model(model) for model in settings.models}
    shown |= {
        "apis": {api.name: _api(api) for api in settings.apis},
        "agents": {agent.name: _agent(agent) for agent in settings.agents},
        "policies": [_rule(rule) for rule in settings.policies],
        "prices": {price.pattern: _price(price) for price in settings.prices},
        "records": {"payloads": "none"},
        "log": msgspec.structs.asdict(settings.log),
        "idempotency": {
            "retain": spell_duration(settings.idempotency.retain),
            "max_bytes": spell_size(settings.idempotency.max_bytes),
            "max_answer": spell_size(settings.idempotency.max_answer),
        },
        "drain": {"delay": spell_duration(settings.drain.delay), "timeout": spell_duration(settings.drain.timeout)},
    }
    if any(settings.overload):
        bounds = settings.overload
        said = {"connections": bounds.connections, "calls": bounds.calls, "memory": bounds.memory}
        shown["overload"] = {
            word: spell_size(count) if word == "memory" else count for word, count in said.items() if count
        }
    if settings.ca_file is not None:
        shown["ca_file"] = settings.ca_file
    if settings.outbound_proxy is not None:
        shown["outbound_proxy"] = _outbound_proxy(settings.outbound_proxy)
    return yaml.dump(shown, Dumper=Printer, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=None)


def _listen(settings: Settings) -> str | dict[str, Any]:
    tls = settings.tls
    shown: dict[str, Any] = {"address": settings.listen}
    if tls is not None:
        client_ca = {"client_ca": tls.client_ca} if tls.client_ca else {}
        shown["tls"] = {"cert": tls.cert, "key": tls.key, **client_ca}
    if settings.trusted_proxies:
        shown["trusted_proxies"] = list(settings.trusted_proxies)
    return shown if len(shown) > 1 else settings.listen


def _outbound_proxy(proxy: OutboundProxy) -> dict[str, Any]:
    return {
        "url": proxy.url,
        **({"credential": proxy.login} if proxy.login else {}),
        "except": list(proxy.exempt),
        "loopback": proxy.loopback,
    }


def _admin(admin: Admin) -> dict[str, Any]:
    if not admin.address:
        return {"admin": OFF}
    if not admin.required:
        return {}  # Written, a start would fail without it.
    names = {"names": list(admin.names)} if admin.names else {}
    metrics = "open" if admin.open_metrics else "token"
    return {"admin": {"address": admin.address, "metrics": metrics, **names}}


def _provider(provider: Provider) -> dict[str, Any]:
    timeouts = msgspec.structs.asdict(provider.timeouts)
    return {
        "protocol": provider.protocol,
        "base_url": provider.base_url,
        **_credential(provider.credential),
        "timeouts": {name: spell_duration(seconds) for name, seconds in timeouts.items()},
        "default": provider.default,
        "stream_usage": provider.stream_usage,
        **({"price_as": provider.price_as} if provider.price_as is not None else {}),
        "shared": provider.shared,
    }


def _credential(credential: Credential | None) -> dict[str, Any]:
    if credential is None:
        return {}
    if credential.caller:
        return {"credential": CALLER}
    return {"credential": {"header": credential.header, "value": credential.template}}


def _model(model: Model) -> dict[str, Any]:
    targets = [
        {"provider": target.provider, **({"model": target.model} if target.model is not None else {})}
        for target in model.targets
    ]
    return targets[0] if len(targets) == 1 else {"strategy": "ordered", "targets": targets}


def _api(api: Api) -> dict[str, Any]:
    return {
        "base_url": api.base_url,
        **_credential(api.credential),
        "body_limit": spell_size(api.body_limit),
        "effects": {f"{rule.method} {rule.pattern}": rule.effect for rule in api.effects},
    }


def _agent(agent: Agent) -> dict[str, Any]:
    named = {"tenant": agent.tenant, "team": agent.team, "app": agent.app}
    return {
        **{word: name for word, name in named.items() if name},
        "priority": agent.priority,
        "keys": [f"sha256:{digest}" for digest in agent.keys],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    selected = {
        field: list(patterns) for field, patterns in msgspec.structs.asdict(rule.of).items() if patterns is not None
    }
    return {"name": rule.name, rule.verb: selected}


def _price(price: PriceOverride) -> dict[str, Any]:
    stated = msgspec.structs.asdict(price)
    return {word: Decimal(rate) for word, rate in stated.items() if word != "pattern" and rate is not None}
