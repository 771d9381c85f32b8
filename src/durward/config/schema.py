"""The file's schema: what this version enforces, and nothing else. The text under a member is its reference documentation.

What holds between members is checked in `check.py`, which sees the file even where parts of it are wrong.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo

from durward.config import fields, places
from durward.config.mistakes import Wrong
from durward.config.references import CALLER, HOLDS_REFERENCE, RULE, bare

OFF = "off"


class Section(BaseModel):
    """A mapping of the file. A key with nothing behind it is as good as not written."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def leave_out_empty(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        known = members(cls)
        return {key: inner for key, inner in value.items() if inner is not None or key not in known}


def members(section: type[Section]) -> dict[str, FieldInfo]:
    """The keys of a section as the file writes them."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def written(text: str) -> Any:
    """A default as an operator would write it."""
    return Field(default=text)


class Credential(Section):
    """What is presented to an upstream."""

    header: fields.HeaderName
    """The header that carries the credential."""
    value: fields.Template
    """The header's value, with `${env:NAME}` or `${file:PATH}` where the secret belongs."""


class Reference(Section):
    """A credential written as one word: what it refers to, its header still to be filled in."""

    template: str
    """`caller`, or one reference."""


def _credential(value: Any) -> Any:
    if isinstance(value, str):
        return Reference.model_construct(template=bare(value))
    if not isinstance(value, dict):
        raise Wrong("this is not a credential", RULE)
    return Credential.model_validate(value)


AnyCredential = Annotated[
    Credential | Reference,
    BeforeValidator(_credential),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^(?:{CALLER}|(?:env|file):.+|{HOLDS_REFERENCE})$"},
                {
                    "type": "object",
                    "properties": {
                        "header": {"type": "string"},
                        "value": {"type": "string", "pattern": HOLDS_REFERENCE},
                    },
                    "required": ["header", "value"],
                    "additionalProperties": False,
                },
            ],
            fields.FORM: "credential",
        }
    ),
]


class Timeouts(Section):
    """Deadlines of one try of an upstream."""

    connect: fields.Duration = written("5s")
    """How long connecting may take, TLS included."""
    first_byte: fields.Duration = written("5m")
    """How long the answer's head may take once the request is sent. Models that think before they speak need minutes."""
    between_chunks: fields.Duration = written("2m")
    """How long an answer that has begun may pause."""


class Provider(Section):
    """Who answers model calls."""

    protocol: fields.Protocol
    """The wire that it speaks. `demo` belongs to every wire."""
    base_url: fields.BaseUrl
    """Where it is, as its SDK would be told. Cloud metadata addresses are refused."""
    credential: AnyCredential | None = None
    """What is presented there: a reference, `caller`, or `{header, value}`. A reference alone goes where the protocol wants it."""
    timeouts: Timeouts = Field(default_factory=Timeouts)
    """Deadlines of one try."""
    default: bool = False
    """Takes the wire's routes that name no model, and, without `models`, every name. Else the first provider of the wire does."""
    stream_usage: fields.StreamUsage = "ask"
    """`ask`: OpenAI chat streams are asked for usage, and the extra chunk is taken out again where the caller had not asked."""
    price_as: fields.PriceTable | None = None
    """The built-in price list to follow. Unset: the one of `base_url`'s host, if there is one."""
    shared: bool = False
    """Lists of stored objects (files, batches …) may be read by every agent of the provider, whoever made the objects."""


class Target(Section):
    """One place where a model can be had."""

    provider: fields.Name
    """The provider's name."""
    model: fields.Label | None = None
    """The model's name there. Unset: the name that the caller used."""


class Model(Section):
    """A name, or a pattern of names, that agents may use."""

    provider: fields.Name | None = None
    """The one provider that answers; or else `targets`."""
    model: fields.Label | None = None
    """The model's name at `provider`. Unset: the name that the caller used."""
    strategy: fields.Strategy | None = None
    """How `targets` are used. `ordered`: one after the other until one answers."""
    targets: list[Target] | None = None
    """Where it can be had. The next is tried when one cannot be reached, is overloaded (429) or fails (5xx) before it answers."""


class Api(Section):
    """An HTTP API behind `/api/<name>/`."""

    base_url: fields.BaseUrl
    """Where it is; the path behind `/api/<name>` is appended."""
    credential: AnyCredential | None = None
    """What is presented there. A reference alone goes as `Authorization: Bearer`."""
    body_limit: fields.Size = written("10MiB")
    """The largest request body."""
    effects: dict[fields.EffectKey, fields.EffectWord] = {}
    """`METHOD /path` to effect, where it is not what the method says. The first entry that matches counts."""


class Agent(Section):
    """An agent of the file. Agents can also be made by `durward agent add`; a name in both places is an error."""

    tenant: fields.Name | None = None
    """The tenant whose data the agent works on."""
    team: fields.Name | None = None
    """The team that answers for it."""
    app: fields.Name | None = None
    """The application that it belongs to."""
    priority: fields.Priority = "interactive"
    """Whose calls give way when the gate has too much to do: those of `batch` do before all others."""
    keys: list[fields.Digest] = []
    """`sha256:<hex>` of each of its keys. The keys themselves never stand in the file."""


class Selector(Section):
    """What a rule is about: every field that is given must match, by any of its patterns. `*` matches anything, `/` too."""

    agents: fields.Names | None = None
    """Names of agents."""
    teams: fields.Names | None = None
    """Their teams."""
    tenants: fields.Names | None = None
    """Their tenants."""
    apps: fields.Names | None = None
    """Their applications."""
    resources: fields.Resources | None = None
    """`model/<name>`, `api/<name>/<METHOD>/<path>`, `provider/<name>/<METHOD>/<path>`."""
    effects: fields.Effects | None = None
    """`read`, `write`, `destructive`."""
    actions: fields.Actions | None = None
    """`generate`, `embed`, `count`, `list`, `request` (later also `call`, `send`)."""


class Rule(Section):
    """One rule, with `allow` or `deny`. Deny wins over allow; what no rule allows is denied."""

    name: fields.Label
    """Stands in records and refusals."""
    allow: Selector | None = None
    """What it allows. `{}` is everything."""
    deny: Selector | None = None
    """What it denies. `{}` is everything."""


class Price(Section):
    """USD per million tokens. What is not said here stays as the built-in list has it."""

    input: fields.Usd | None = None
    """Input that was not cached."""
    output: fields.Usd | None = None
    """Output."""
    cached_input: fields.Usd | None = None
    """Input read from a cache."""
    cache_write: fields.Usd | None = None
    """Input written to a cache."""
    reasoning: fields.Usd | None = None
    """Reasoning; unset, what output costs."""


class Records(Section):
    """What is kept of calls."""

    payloads: fields.Payloads = "none"
    """Prompts and answers: `none` is all that this version can do."""


class Admin(Section):
    """Where the office listens: today for the metrics page. Everything there needs the token of `data_dir/admin-token`."""

    address: fields.Listen = "127.0.0.1:7301"
    """An address and a port, as in `listen`."""
    metrics: fields.MetricsPage = "token"
    """`open`: the metrics page needs no token. Only where `address` is this machine's own loopback."""
    names: list[fields.HostName] = []
    """Host names by which it is called, beside `localhost` and addresses. Under any other it answers nobody."""


def _admin(value: Any) -> Any:
    if value == OFF:
        return Admin.model_construct(address="", metrics="token", names=[])
    return Admin.model_validate(value if isinstance(value, dict) else {"address": value})


AnyAdmin = Annotated[Admin, BeforeValidator(_admin), WithJsonSchema(fields.ADMIN)]


class Drain(Section):
    """How a gate that is told to stop does it."""

    delay: fields.Pause = written("5s")
    """How long it goes on accepting calls while `/readyz` says 503, so that whoever sends callers here learns of it. Ctrl-C skips it."""
    timeout: fields.Duration = written("300s")
    """How long calls under way, streams too, may then take to end. What is left is cut and settled."""


class Tls(Section):
    """What TLS on the listener is spoken with: version 1.2 or 1.3."""

    cert: fields.Path
    """Its certificate and those between it and its authority (PEM), its own first. A changed file holds for new connections."""
    key: fields.KeyPath
    """The private key of the certificate (PEM, without a passphrase)."""
    client_ca: fields.Path | None = None
    """Authorities (PEM) for callers: who shows no certificate of theirs is not let in."""


class Listener(Section):
    """Where agents connect, and how. An address alone is short for `{address: …}`."""

    address: fields.Listen = "127.0.0.1:7300"
    """An address and a port, an IPv6 address in brackets."""
    tls: Tls | None = None
    """TLS. Without it HTTP is spoken plainly."""
    trusted_proxies: list[fields.Network] = []
    """Proxies whose word on the caller's address is taken: a PROXY protocol header (version 2), `X-Forwarded-For`, `Forwarded`."""


class OutboundProxy(Section):
    """The HTTP proxy through which upstreams are reached (CONNECT). A URL alone is short for `{url: …}`."""

    url: fields.ProxyUrl
    """Where it is: `http://host:port`, or `https://host:port` where the proxy itself speaks TLS."""
    credential: fields.Login | None = None
    """A reference to `user:password`, presented to the proxy alone (Basic)."""
    exempt: list[fields.Direct] = Field(default=[], alias="except")
    """What is reached directly: a host, `.suffix`, an address, a network. Networks are compared with addresses in URLs only."""
    loopback: bool = False
    """Whether upstreams on this machine (localhost, 127.0.0.0/8, ::1) are reached through it too."""


class Overload(Section):
    """What the gate takes on at most, all `workers` together: what is beyond is refused (503). Unset, it follows from the machine."""

    connections: fields.Count | None = None
    """Callers that are connected. Unset: 10000 a worker, or what half of the file descriptors of the process allow."""
    calls: fields.Count | None = None
    """Calls in progress. Unset: one for each 64 KiB of `memory`, from 64 to 10000 a worker."""
    memory: fields.Size | None = None
    """Memory of the gate (Linux), at 85 % of which it begins to save, and at 98 % refuses all calls.

    Unset: the limit of its control group less 128 MiB for its other processes, at least half; or else the memory of the machine."""


class Idempotency(Section):
    """What is kept of calls with an `Idempotency-Key`: their answers, encrypted, so that who repeats a call gets its answer again."""

    retain: fields.Duration = written("24h")
    """How long, from the call's beginning."""
    max_bytes: fields.Size = written("256MiB")
    """Of all answers. The oldest goes first; a call whose answer has gone may be made again."""
    max_answer: fields.Size = written("1MiB")
    """The body of one answer. Of a call with a larger one only that it is complete is kept."""


class Log(Section):
    """What our processes write on standard error."""

    format: fields.LogFormat = "text"
    """`json`: one object a line, with `time`, `level`, `process`, `message`."""
    level: fields.LogLevel = "info"
    """The least grave that is told."""
    calls: bool = False
    """Whether each call is told of when it has ended, in one line of level `info`, by the office: it costs the call nothing."""


class File(Section):
    """The whole file. Everything has a default; an empty file starts a gate that denies every call."""

    version: fields.Version = 1
    """The version of the file's language."""
    listen: Annotated[Listener, BeforeValidator(places.listener), fields.Short("address")] = written("127.0.0.1:7300")
    """Where agents connect: an address and a port, or a mapping."""
    admin: AnyAdmin | None = None
    """Where the office listens, or `off`. Unset, it is 127.0.0.1:7301 if that is free."""
    data_dir: fields.Path = ".durward"
    """Where journal, index and state live. A relative path starts at the folder of this file."""
    workers: fields.Workers = 1
    """How many gate processes share the listener. One serves some thousand calls a second; more than the machine has cores help nobody."""
    mode: fields.Mode = "enforce"
    """`observe` records what policy would deny, and lets it through."""
    durability: fields.Durability = "process"
    """What records outlive: `process`, the end of the gate; `disk`, that of the machine too: calls wait until theirs are on the disk."""
    providers: dict[fields.Name, Provider] = {}
    """Who answers model calls."""
    models: dict[fields.Label, Model] | None = None
    """What agents may name, each within its wire: exact names, then the longest pattern, then `<provider>/<model>`.

    Without `models`, any name goes to the wire's default provider."""
    apis: dict[fields.Name, Api] = {}
    """HTTP APIs."""
    agents: dict[fields.Name, Agent] = {}
    """Who may call."""
    policies: list[Rule] = []
    """Rules: deny wins over allow, and nothing that matches is a denial."""
    prices: dict[fields.PricePattern, Price] = {}
    """The operator's own prices, by resource pattern. The most specific pattern that matches counts; it holds for every service tier."""
    records: Records = Field(default_factory=Records)
    """What is kept of calls."""
    drain: Drain = Field(default_factory=Drain)
    """How a gate that is told to stop does it."""
    overload: Overload = Field(default_factory=Overload)
    """What the gate takes on at most."""
    idempotency: Idempotency = Field(default_factory=Idempotency)
    """What is kept of calls with an `Idempotency-Key`."""
    log: Log = Field(default_factory=Log)
    """What our processes write on standard error."""
    ca_file: fields.Path | None = None
    """Certificates (PEM) to trust for upstreams beside the system's own."""
    outbound_proxy: Annotated[OutboundProxy, BeforeValidator(places.outbound_proxy), fields.Short("proxy")] | None = (
        None
    )
    """The HTTP proxy through which upstreams are reached. Variables such as HTTPS_PROXY mean nothing here."""

    @model_validator(mode="before")
    @classmethod
    def keep_empty_models(cls, value: Any) -> Any:
        # `models:` with nothing under it must not open every name: it says that there is none.
        if isinstance(value, dict) and "models" in value and value["models"] is None:
            return {**value, "models": {}}
        return value
