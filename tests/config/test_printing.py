"""What is printed, read again, means the same."""

import string
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from durward.calls.once import Idempotency
from durward.calls.origin import Timeouts
from durward.config.compile import compile_file
from durward.config.printing import print_settings
from durward.config.settings import (
    Agent,
    Api,
    Credential,
    Drain,
    EffectOverride,
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
from tests.config.test_compile import WHOLE, written
from tests.upstreams.authority import Authority

letters = string.ascii_letters + string.digits
names = st.one_of(
    st.sampled_from(
        ["no", "on", "yes", "null", "true", "1", "1e5", "0x1f", "0o7", "1.5", "12.30", "2026-01-01", "0b1", "1_000"]
    ),
    st.text(letters + "._-", min_size=1, max_size=12).filter(lambda name: name[0] in letters),
)
labels = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and text == text.strip())
optional = st.one_of(st.just(""), names)
credentials = st.one_of(
    st.none(),
    st.just(Credential(caller=True)),
    st.builds(
        Credential,
        header=st.sampled_from(["Authorization", "x-api-key"]),
        template=st.sampled_from(["${env:X}", "Bearer ${env:X_1}", "a: '\"#${file:/x y}"]),
    ),
)
durations = st.integers(1, 86_400_000).map(lambda milliseconds: milliseconds / 1000)
counts = st.one_of(st.just(0), st.integers(1, 10**6))
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
rates = st.one_of(st.none(), st.decimals(0, 10**6, places=6).map(lambda rate: format(rate, "f")))
timeouts = st.builds(Timeouts, durations, durations, durations)
urls = st.sampled_from(["https://h/v1", "http://127.0.0.1:1", "http://[::1]:8/x"])


proxies = st.builds(
    OutboundProxy,
    st.sampled_from(["http://proxy.corp:3128", "https://[::1]:8080"]),
    st.sampled_from(["", "${env:X}", "${file:/x y}"]),
    st.lists(st.sampled_from([".corp", "crm.corp", "10.0.0.0/8"]), max_size=2, unique=True).map(tuple),
    st.booleans(),
)


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=3, unique=True).map(tuple)


@st.composite
def _providers(draw: st.DrawFn) -> tuple[Provider, ...]:
    return tuple(
        Provider(
            name,
            draw(st.sampled_from(["openai", "anthropic", "gemini"])),
            draw(urls),
            draw(credentials),
            draw(timeouts),
            shared=draw(st.booleans()),
            stream_usage=draw(st.sampled_from(["ask", "as_is"])),
        )
        for name in draw(several(names))
    )


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    providers = draw(_providers())
    target = st.builds(
        ModelTarget, st.sampled_from([provider.name for provider in providers] or ["x"]), st.one_of(st.none(), labels)
    )
    modelled = draw(st.booleans()) and bool(providers)
    models = tuple(Model(name, tuple(draw(st.lists(target, min_size=1, max_size=3)))) for name in draw(several(labels)))
    effects = [EffectOverride(method, path, "write") for method in ("*", "POST") for path in ("/a", "/b *", "*")]
    lists = st.one_of(st.none(), st.lists(names, min_size=1, max_size=3).map(tuple))
    selector = st.builds(
        Selector,
        lists,
        lists,
        lists,
        lists,
        st.sampled_from([None, ("*",), ("model/a b: c", "tool/x#y")]),
        st.sampled_from([None, ("read", "*")]),
        st.sampled_from([None, ("generate",)]),
    )
    keys = st.lists(hexes, max_size=2).map(tuple)
    return Settings(
        draw(st.sampled_from(["127.0.0.1:0", "[::1]:7300"])),
        draw(st.sampled_from(["/d", "/d e/'f", "/é"])),
        draw(st.sampled_from(["enforce", "observe"])),
        providers,
        models if modelled else None,
        tuple(
            Api(name, draw(urls), draw(credentials), draw(st.integers(1, 2**40)), tuple(effects))
            for name in draw(several(names))
        ),
        tuple(
            Agent(
                name,
                draw(optional),
                draw(optional),
                draw(optional),
                draw(keys),
                draw(st.sampled_from(["interactive", "batch"])),
            )
            for name in draw(several(names))
        ),
        tuple(Rule(name, draw(st.sampled_from(["allow", "deny"])), draw(selector)) for name in draw(several(labels))),
        tuple(
            PriceOverride(f"model/{name}", draw(rates) or "0", draw(rates), draw(rates), draw(rates), draw(rates))
            for name in draw(several(names))
        ),
        idempotency=Idempotency(draw(durations), draw(st.integers(2**25, 2**40)), draw(st.integers(1, 2**24))),
        overload=Overload(draw(counts), draw(counts), draw(counts)),
        drain=Drain(draw(durations), draw(st.one_of(st.just(0.0), durations))),
        trusted_proxies=draw(several(st.sampled_from(["10.0.0.0/8", "fd00::/8", "::1/128"]))),
        outbound_proxy=draw(st.one_of(st.none(), proxies)),
        durability=draw(st.sampled_from(["process", "disk"])),
    )


def reread(text: str) -> Settings:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "durward.yaml"
        path.write_text(text, "utf-8")
        return compile_file(path)


@given(settings())
def test_any_settings_read_back_as_they_were(whole: Settings) -> None:
    keys = [key for agent in whole.agents for key in agent.keys]
    if len(keys) == len(set(keys)):
        assert replace(reread(print_settings(whole)), digest="") == whole


def test_a_printed_file_prints_alike(tmp_path: Path) -> None:
    printed = print_settings(compile_file(written(tmp_path, WHOLE)))
    assert print_settings(reread(printed)) == printed


def test_a_listener_with_tls_prints_alike(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.pair("gate.test")
    tls = f"{{cert: {cert.name}, key: {key.name}, client_ca: ca.pem}}"
    read = compile_file(written(tmp_path, f"listen: {{address: '127.0.0.1:1', tls: {tls}}}\n"))
    assert read.tls == Tls(str(cert), str(key), authority.ca_file)
    assert replace(reread(print_settings(read)), digest=read.digest) == read


def test_defaults_stand_in_it_and_secrets_do_not(tmp_path: Path) -> None:
    printed = print_settings(compile_file(written(tmp_path, WHOLE)))
    for line in (
        "mode: observe",
        "timeouts: {connect: 2s, first_byte: 5m, between_chunks: 2m}",
        "records: {payloads: none}",
        "${env:CRM}",
    ):
        assert line in printed
