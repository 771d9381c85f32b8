"""Who acts: an agent in its tenant, team and app. The user behind it comes with signed tokens."""

import msgspec


class Principal(msgspec.Struct, frozen=True, gc=False):
    """An identified agent. Equal principals are decided equally, so that decisions can be kept per principal."""

    agent: str
    tenant: str = ""
    team: str = ""
    app: str = ""
