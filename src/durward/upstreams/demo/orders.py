"""A small HTTP API to be governed: customers and their orders, as JSON. What is created is kept as long as the process lives."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

KEPT = 200
"""How many orders there can be at most; the oldest that was created goes first."""

Record = dict[str, Any]
CUSTOMERS: list[Record] = [
    {"id": "c-1", "company": "Harbour Books", "city": "Hamburg", "since": "2021-03-01"},
    {"id": "c-2", "company": "Mill Lane Bakery", "city": "York", "since": "2022-08-15"},
    {"id": "c-3", "company": "Tall Pine Outdoors", "city": "Oslo", "since": "2024-01-09"},
]
ORDERS: list[Record] = [
    {"id": "o-1001", "customer": "c-1", "item": "Reading lamp", "quantity": 12, "total": "418.80", "status": "shipped"},
    {"id": "o-1002", "customer": "c-2", "item": "Rye flour, 25 kg", "quantity": 4, "total": "96.00", "status": "open"},
    {"id": "o-1003", "customer": "c-3", "item": "Tent", "quantity": 2, "total": "598.00", "status": "open"},
    {"id": "o-1004", "customer": "c-1", "item": "Shelf", "quantity": 3, "total": "267.00", "status": "paid"},
]


class Told(NamedTuple):
    """An answer: status, body to be written as JSON (None: empty), and the methods that `Allow` names."""

    status: int
    body: Any = None
    allow: str = ""


class Orders:
    """The records of one process."""

    def __init__(self) -> None:
        self._orders = {order["id"]: dict(order) for order in ORDERS}
        self._last = 1004

    def answer(self, method: str, path: tuple[str, ...], query: str, body: bytes) -> Told:
        """Answer one request. `path` is what stands behind the API's own prefix."""
        method = "GET" if method == "HEAD" else method
        if path == ("echo",):
            return Told(200, _echo(method, query, body))
        routes = self._routes(path)
        if not routes:
            return Told(404, _problem(404, f"There is nothing at /{'/'.join(path)[:100]}."))
        allow = ", ".join(["OPTIONS", *(["HEAD"] if "GET" in routes else []), *routes])
        if method == "OPTIONS":
            return Told(204, None, allow)
        if method not in routes:
            return Told(405, _problem(405, f"{method[:20]} is not possible here."), allow)
        return routes[method](body)

    def _routes(self, path: tuple[str, ...]) -> dict[str, Callable[[bytes], Told]]:
        match path:
            case ():
                return {
                    "GET": lambda _: Told(
                        200, {"customers": "/customers", "orders": "/orders", "search": "/search", "echo": "/echo"}
                    )
                }
            case ("customers",):
                return {"GET": lambda _: Told(200, {"customers": CUSTOMERS})}
            case ("customers", name):
                return {"GET": lambda _: _one(next((each for each in CUSTOMERS if each["id"] == name), None), name)}
            case ("customers", name, "orders"):
                return {
                    "GET": lambda _: Told(
                        200, {"orders": [each for each in self._orders.values() if each["customer"] == name]}
                    )
                }
            case ("orders",):
                return {"GET": lambda _: Told(200, {"orders": list(self._orders.values())}), "POST": self._create}
            case ("orders", name):
                return {"GET": lambda _: _one(self._orders.get(name), name), "DELETE": lambda _: self._delete(name)}
            case ("search",):
                return {"POST": self._search}
        return {}

    def _create(self, body: bytes) -> Told:
        given = _read(body)
        if given is None or not isinstance(given.get("item"), str):
            return Told(400, _problem(400, "Send a JSON object with `item`, and optionally `customer` and `quantity`."))
        self._last += 1
        order = {
            "id": f"o-{self._last}",
            "customer": str(given.get("customer", "c-1"))[:100],
            "item": given["item"][:200],
            "quantity": given["quantity"] if isinstance(given.get("quantity"), int) else 1,
            "total": "0.00",
            "status": "open",
        }
        if len(self._orders) >= KEPT:
            del self._orders[next(iter(self._orders))]
        self._orders[order["id"]] = order
        return Told(201, order)

    def _delete(self, name: str) -> Told:
        return _one(None, name) if self._orders.pop(name, None) is None else Told(204)

    def _search(self, body: bytes) -> Told:
        given = _read(body)
        if given is None or not isinstance(given.get("query"), str):
            return Told(400, _problem(400, "Send a JSON object with `query`."))
        wanted = given["query"].lower()
        found = [each for each in [*CUSTOMERS, *self._orders.values()] if wanted in json.dumps(each).lower()]
        return Told(200, {"query": given["query"], "found": found})


def _one(record: Record | None, name: str) -> Told:
    return Told(404, _problem(404, f"There is no {name[:100]!r}.")) if record is None else Told(200, record)


def _problem(status: int, detail: str) -> Record:
    return {"status": status, "detail": detail}


def _read(body: bytes) -> Record | None:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _echo(method: str, query: str, body: bytes) -> Record:
    """What came, but for its headers: a credential may stand there."""
    return {
        "method": method,
        "query": dict(parse_qsl(query)),
        "bytes": len(body),
        "body": body[:65536].decode("utf-8", "replace"),
    }
