"""What the admin listener serves: today the metrics page. Nothing without the token, but where the operator has opened it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from durward.calls.errors import DurwardError
from durward.config.settings import Settings
from durward.office import token
from durward.office.scrape import Lags, Scrape, Told
from durward.office.tally import Tally
from durward.records.freshness import journal_ends, missing
from durward.records.queries import Index

METRICS = "/metrics"
KEEP_OUT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Guard:
    """Who may ask: under a name of ours only (DNS rebinding), from no other site, with the token."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._folder = Path(settings.data_dir)
        self._names = {"localhost", *settings.admin.names}
        self._open = {METRICS} if settings.admin.open_metrics else frozenset[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let pass."""
        if scope["type"] != "http":
            return
        refused = self._refused(Request(scope))
        await (self._app if refused is None else refused)(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        fields = request.headers
        origin = fields.get("origin")
        hosts = [*fields.getlist("host"), *([] if origin is None else [urlsplit(origin).netloc])]
        if not fields.getlist("host") or not all(map(self._is_ours, hosts)):
            return _told("Ask by an address, by localhost, or by a name that `admin: {names: […]}` lists.\n", 421)
        if request.scope["path"] in self._open or token.opens(self._folder, fields.get("authorization", "")):
            return None
        return _told("", 401, {"WWW-Authenticate": "Bearer"})

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host.lower())
        if name in self._names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _told(text: str, status: int, more: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, {**KEEP_OUT, **(more or {})})


class Page:
    """The metrics page. One scrape at a time: a second one waits."""

    def __init__(
        self, data_dir: Path, tally: Tally, ask: Callable[[], Awaitable[Told]], lag: Callable[[], float]
    ) -> None:
        """`ask` is what the supervisor says of gates and processes; `lag`, how many seconds ago the index held all."""
        self._data_dir = data_dir
        self._tally = tally
        self._ask = ask
        self._lag = lag
        self._free = asyncio.Lock()

    async def serve(self, request: Request) -> Response:
        """The page, in the form that the scraper asks for."""
        async with self._free:
            told = await self._ask()
            lags = await asyncio.to_thread(self._lags)
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
            registry = CollectorRegistry(auto_describe=False)
            registry.register(Scrape(self._tally, told, lags))
            content = await asyncio.to_thread(encode, registry)
        return Response(content, headers={**KEEP_OUT, "Content-Type": content_type})

    def _lags(self) -> Lags:
        try:
            index = Index(self._data_dir)
            try:
                lacking = missing(index, journal_ends(self._data_dir, index))
            finally:
                index.close()
        except (DurwardError, OSError):
            return Lags(None, self._lag(), _free_bytes(self._data_dir))
        return Lags(lacking, self._lag(), _free_bytes(self._data_dir))


def _free_bytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def site(settings: Settings, page: Page) -> Starlette:
    """The whole site."""
    return Starlette(
        routes=[Route(METRICS, page.serve, methods=["GET"])], middleware=[Middleware(Guard, settings=settings)]
    )
