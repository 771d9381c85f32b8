"""The file, compiled: everything checked at once, defaults filled in, paths absolute, references completed with their headers."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from durward.calls.once import Idempotency
from durward.calls.origin import Timeouts
from durward.config import schema
from durward.config.certificates import certificate_mistakes
from durward.config.check import check
from durward.config.explain import explain
from durward.config.hiding import hide_secrets
from durward.config.load import DEFAULT_FILE, Document, read_document
from durward.config.mistakes import Mistake, Mistakes, Source, ordered
from durward.config.nodes import Node
from durward.config.references import CALLER, anchored
from durward.config.settings import (
    Admin,
    Agent,
    Api,
    Credential,
    Drain,
    EffectOverride,
    Log,
    Model,
    ModelTarget,
    OutboundProxy,
    Overload,
    PriceOverride,
    Provider,
    Rule,
    Selector,
    Settings,
    Tls,
)
from durward.config.warnings import TOP, warn

__all__ = ["DEFAULT_FILE", "Examined", "compile_document", "compile_file", "examine_file"]

HEADERS = {"openai": ("Authorization", "Bearer "), "anthropic": ("x-api-key", ""), "gemini": ("x-goog-api-key", "")}
"""Where a credential goes that is a reference alone, and what stands before it."""
TOLD_LIMIT = 1_000
"""Mistakes, and warnings, that are told; who has more has another problem than the rest of them."""


class Examined(NamedTuple):
    """A file without mistakes: what it means, and what is doubtful in it."""

    settings: Settings
    source: Source
    warnings: list[Mistake]


def compile_file(path: Path) -> Settings:
    """The settings that a file means. Raises Mistakes with all of them."""
    return compile_document(read_document(path), path)


def examine_file(path: Path, environment: Mapping[str, str]) -> Examined:
    """The same, with the warnings. Raises Mistakes."""
    document = read_document(path)
    settings = compile_document(document, path)
    warnings = islice(warn(document.root or empty(), settings, environment), TOLD_LIMIT)
    return Examined(settings, document.source, ordered(warnings))


def empty() -> Node:
    return Node("mapping", TOP)


def compile_document(document: Document, path: Path) -> Settings:
    """The settings of a file that was read. Raises Mistakes."""
    root = document.root if document.root is not None and not document.root.empty else empty()
    hide_secrets(document.source, root)
    folder = path.absolute().parent
    mistakes = [*islice(check(root), TOLD_LIMIT), *certificate_mistakes(root, folder)]
    try:
        file = schema.File.model_validate(root.value())
    except ValidationError as error:
        raise Mistakes(document.source, [*mistakes, *explain(root, error, TOLD_LIMIT)]) from None
    if mistakes:
        raise Mistakes(document.source, mistakes)
    return _settings(file, folder, document.digest)


def _settings(file: schema.File, folder: Path, digest: str) -> Settings:
    return Settings(
        listen=file.listen.address,
        data_dir=str(folder / file.data_dir),
        workers=file.workers,
        admin=Admin() if file.admin is None else _admin(file.admin),
        mode=file.mode,
        durability=file.durability,
        providers=tuple(_provider(name, each, folder) for name, each in file.providers.items()),
        models=None if file.models is None else tuple(_model(name, each) for name, each in file.models.items()),
        apis=tuple(_api(name, each, folder) for name, each in file.apis.items()),
        agents=tuple(_agent(name, each) for name, each in file.agents.items()),
        policies=tuple(_rule(each) for each in file.policies),
        prices=tuple(PriceOverride(pattern, **each.model_dump()) for pattern, each in file.prices.items()),
        ca_file=None if file.ca_file is None else str(folder / file.ca_file),
        tls=_tls(file.listen.tls, folder),
        trusted_proxies=tuple(file.listen.trusted_proxies),
        outbound_proxy=_outbound_proxy(file.outbound_proxy, folder),
        log=Log(file.log.format, file.log.level, file.log.calls),
        drain=Drain(file.drain.timeout, file.drain.delay),
        overload=Overload(
            *(value or 0 for value in (file.overload.connections, file.overload.calls, file.overload.memory))
        ),
        idempotency=Idempotency(**file.idempotency.model_dump()),
        digest=digest,
    )


def _tls(written: schema.Tls | None, folder: Path) -> Tls | None:
    if written is None:
        return None
    client_ca = "" if written.client_ca is None else str(folder / written.client_ca)
    return Tls(str(folder / written.cert), str(folder / written.key), client_ca)


def _outbound_proxy(written: schema.OutboundProxy | None, folder: Path) -> OutboundProxy | None:
    if written is None:
        return None
    login = "" if written.credential is None else anchored(written.credential, folder)
    return OutboundProxy(written.url, login, tuple(written.exempt), written.loopback)


def _admin(written: schema.Admin) -> Admin:
    return Admin(written.address, written.metrics == "open", tuple(written.names), required=bool(written.address))


def _provider(name: str, written: schema.Provider, folder: Path) -> Provider:
    header, prefix = HEADERS.get(written.protocol, HEADERS["openai"])
    return Provider(
        name=name,
        protocol=written.protocol,
        base_url=written.base_url,
        credential=_credential(written.credential, header, prefix, folder),
        timeouts=Timeouts(**written.timeouts.model_dump()),
        default=written.default,
        stream_usage=written.stream_usage,
        price_as=written.price_as,
        shared=written.shared,
    )


def _credential(
    written: schema.Credential | schema.Reference | None, header: str, prefix: str, folder: Path
) -> Credential | None:
    if written is None:
        return None
    if isinstance(written, schema.Credential):
        return Credential(header=written.header, template=anchored(written.value, folder))
    if written.template == CALLER:
        return Credential(caller=True)
    return Credential(header=header, template=anchored(f"{prefix}{written.template}", folder))


def _model(name: str, written: schema.Model) -> Model:
    if written.provider is not None:
        return Model(name, (ModelTarget(written.provider, written.model),))
    return Model(name, tuple(ModelTarget(target.provider, target.model) for target in written.targets or ()))


def _api(name: str, written: schema.Api, folder: Path) -> Api:
    return Api(
        name=name,
        base_url=written.base_url,
        credential=_credential(written.credential, *HEADERS["openai"], folder),
        body_limit=written.body_limit,
        effects=tuple(
            EffectOverride(method, pattern, effect)
            for key, effect in written.effects.items()
            for method, _, pattern in [key.partition(" ")]
        ),
    )


def _agent(name: str, written: schema.Agent) -> Agent:
    return Agent(
        name, written.tenant or "", written.team or "", written.app or "", tuple(written.keys), written.priority
    )


def _rule(written: schema.Rule) -> Rule:
    chosen = written.allow if written.allow is not None else written.deny
    assert chosen is not None
    lists = {field: tuple(values) for field, values in chosen.model_dump().items() if values is not None}
    return Rule(written.name, "deny" if written.allow is None else "allow", Selector(**lists))
