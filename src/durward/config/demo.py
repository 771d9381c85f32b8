"""The configuration of the demo: a provider and an API that a child process plays, one agent, one rule each way, prices of its own."""

from durward.config.settings import Agent, Api, Drain, EffectOverride, PriceOverride, Provider, Rule, Selector, Settings

AGENT = "demo"
PRICES = PriceOverride("model/*", input="1.00", output="4.00", cached_input="0.10", cache_write="1.25")
"""Round numbers, so that a reader can check a cost in the head."""


def demo_settings(port: int, api_port: int, key_digest: str, listen: str, data_dir: str) -> Settings:
    """The settings. `port` and `api_port` are where the demo provider and API listen on loopback; the digest is hex SHA-256."""
    may = Selector(agents=(AGENT,))
    may_not = Selector(agents=(AGENT,), resources=("model/forbidden-*", "api/crm/DELETE/*"))
    return Settings(
        listen,
        data_dir,
        providers=(Provider("demo", "demo", f"http://127.0.0.1:{port}"),),
        apis=(Api("crm", f"http://127.0.0.1:{api_port}", effects=(EffectOverride("POST", "/search", "read"),)),),
        agents=(Agent(AGENT, tenant="acme", team="care", app="helpdesk", keys=(key_digest,)),),
        policies=(
            Rule("the demo agent may do everything", "allow", may),
            Rule("no forbidden models, no deletes", "deny", may_not),
        ),
        prices=(PRICES,),
        drain=Drain(10.0, 0.0),
    )
