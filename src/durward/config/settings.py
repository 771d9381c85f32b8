"""The configuration as the gate gets it: checked, with defaults filled in, plain data that crosses a process boundary as JSON."""

from typing import Literal, NamedTuple

import msgspec

from durward.calls.once import Idempotency
from durward.calls.origin import Timeouts
from durward.calls.resource import Effect

ProtocolName = Literal["openai", "anthropic", "gemini", "demo"]


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is presented upstream: `caller` passes on the caller's own, else one header whose value is a template of secret references.

    A template is literal text with `${env:NAME}` and `${file:PATH}` in it; for a bare reference the compiler has put the provider's
    own header and prefix around it.
    """

    caller: bool = False
    header: str = ""
    template: str = ""


class Provider(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who answers model calls."""

    name: str
    protocol: ProtocolName
    base_url: str
    credential: Credential | None = None
    timeouts: Timeouts = Timeouts()
    default: bool = False
    stream_usage: Literal["ask", "as_is"] = "ask"
    price_as: str | None = None
    shared: bool = False


class ModelTarget(msgspec.Struct, frozen=True, omit_defaults=True):
    """One target of a model entry; `model` None means the name the caller used."""

    provider: str
    model: str | None = None


class Model(msgspec.Struct, frozen=True):
    """A name or wildcard that agents may use, with its targets in order."""

    name: str
    targets: tuple[ModelTarget, ...]


class EffectOverride(msgspec.Struct, frozen=True):
    """`"POST /search": read` of an API; the pattern matches the percent-decoded path, `*` any method."""

    method: str
    pattern: str
    effect: Effect


class Api(msgspec.Struct, frozen=True, omit_defaults=True):
    """An HTTP API behind `/api/<name>/`."""

    name: str
    base_url: str
    credential: Credential | None = None
    body_limit: int = 10 * 2**20
    effects: tuple[EffectOverride, ...] = ()
    timeouts: Timeouts = Timeouts()


class Agent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent and the SHA-256 digests (hex) of its keys."""

    name: str
    tenant: str = ""
    team: str = ""
    app: str = ""
    keys: tuple[str, ...] = ()
    priority: Literal["interactive", "batch"] = "interactive"


class Selector(msgspec.Struct, frozen=True, omit_defaults=True):
    """AND between fields, OR within a list, None = any; `*` matches anything including `/`, case-sensitive."""

    agents: tuple[str, ...] | None = None
    teams: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    apps: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    effects: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None


class Rule(msgspec.Struct, frozen=True):
    """A named allow or deny."""

    name: str
    verb: Literal["allow", "deny"]
    of: Selector


class PriceOverride(msgspec.Struct, frozen=True, omit_defaults=True):
    """USD per million tokens of resources that match, as decimal strings so that no digit is lost; over the built-in table."""

    pattern: str
    input: str | None = None
    output: str | None = None
    cached_input: str | None = None
    cache_write: str | None = None
    reasoning: str | None = None


class Drain(NamedTuple):
    """How a gate that is told to stop does it, in seconds: calls that are under way may take `timeout`, once new ones came for `delay`."""

    timeout: float = 300.0
    delay: float = 5.0


class Tls(msgspec.Struct, frozen=True):
    """What TLS on the listener is spoken with: absolute paths of PEM files; `client_ca` "" asks callers for no certificate."""

    cert: str
    key: str
    client_ca: str = ""


class OutboundProxy(msgspec.Struct, frozen=True):
    """The HTTP proxy through which upstreams are reached.

    `login` is a template of `user:password`, "" where none is presented; `exempt` holds hosts, `.suffix`es and networks that are
    reached directly, as is this machine unless `loopback`.
    """

    url: str
    login: str = ""
    exempt: tuple[str, ...] = ()
    loopback: bool = False


class Overload(NamedTuple):
    """What the gate takes on at most: callers connected, calls in progress, bytes of memory. 0: what follows from the machine."""

    connections: int = 0
    calls: int = 0
    memory: int = 0


class Admin(msgspec.Struct, frozen=True, omit_defaults=True):
    """The office's listener."""

    address: str = "127.0.0.1:7301"
    """host:port as in `listen`; empty for none."""
    open_metrics: bool = False
    """Whether the metrics page needs no token."""
    names: tuple[str, ...] = ()
    """Host names, beside addresses and `localhost`, under which it may be asked."""
    required: bool = False
    """Whether a start fails without it: the operator wrote it."""

    def __str__(self) -> str:
        names = f", names {', '.join(self.names)}" if self.names else ""
        return f"{self.address or 'off'}{' (metrics open)' if self.open_metrics else ''}{names}"


class Log(msgspec.Struct, frozen=True, omit_defaults=True):
    """How our processes log."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"
    calls: bool = False

    def __str__(self) -> str:
        return f"{self.format}, {self.level}{', calls' if self.calls else ''}"


class Settings(msgspec.Struct, frozen=True):
    """The whole configuration in force."""

    listen: str
    """host:port; an IPv6 host in brackets."""
    data_dir: str
    """Absolute path."""
    mode: Literal["enforce", "observe"] = "enforce"
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] | None = None
    """None: the file has no `models:`, so any name goes to the wire's default provider."""
    apis: tuple[Api, ...] = ()
    agents: tuple[Agent, ...] = ()
    policies: tuple[Rule, ...] = ()
    prices: tuple[PriceOverride, ...] = ()
    ca_file: str | None = None
    tls: Tls | None = None
    """None: the listener speaks HTTP plainly."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks."""
    outbound_proxy: OutboundProxy | None = None
    drain: Drain = Drain()
    overload: Overload = Overload()
    idempotency: Idempotency = Idempotency()
    workers: int = 1
    """How many gate processes share the listener."""
    durability: Literal["process", "disk"] = "process"
    admin: Admin = Admin()
    log: Log = Log()
    digest: str = ""
    """SHA-256 of the file's bytes, hex; empty for a configuration that came from no file."""


def scheme(settings: Settings) -> str:
    """How the listener is spoken to: `http` or `https`."""
    return "http" if settings.tls is None else "https"


def settings_json(settings: Settings) -> bytes:
    """The settings as one line of JSON. It holds references to secrets, never secrets."""
    return msgspec.json.encode(settings)


def read_settings(content: bytes) -> Settings:
    """The reverse of `settings_json`. Raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(content, type=Settings)
