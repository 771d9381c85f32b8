"""The demo's HTTP API."""

import json
from typing import Any

import pytest

from durward.upstreams.demo.orders import KEPT, Orders


def ask(orders: Orders, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
    sent = b"" if body is None else json.dumps(body).encode()
    told = orders.answer(method, tuple(part for part in path.split("/") if part), query, sent)
    return told.status, told.body


def test_customers_and_their_orders() -> None:
    orders = Orders()
    assert ask(orders, "GET", "/customers/c-1")[1]["company"] == "Harbour Books"
    assert len(ask(orders, "GET", "/customers")[1]["customers"]) == 3
    assert [each["id"] for each in ask(orders, "GET", "/customers/c-1/orders")[1]["orders"]] == ["o-1001", "o-1004"]
    assert ask(orders, "HEAD", "/orders/o-1002")[0] == 200
    assert "customers" in ask(orders, "GET", "/")[1]


def test_an_order_is_created_and_deleted() -> None:
    orders = Orders()
    status, made = ask(orders, "POST", "/orders", {"item": "Bell", "customer": "c-2", "quantity": 3})
    assert (status, made["item"], made["quantity"]) == (201, "Bell", 3)
    assert ask(orders, "GET", f"/orders/{made['id']}") == (200, made)
    assert ask(orders, "DELETE", f"/orders/{made['id']}") == (204, None)
    assert ask(orders, "DELETE", f"/orders/{made['id']}")[0] == 404
    assert ask(Orders(), "GET", "/orders/o-1001")[0] == 200


def test_orders_are_kept_within_bounds() -> None:
    orders = Orders()
    for _ in range(KEPT + 10):
        ask(orders, "POST", "/orders", {"item": "x"})
    assert len(ask(orders, "GET", "/orders")[1]["orders"]) == KEPT


def test_search_reads() -> None:
    status, found = ask(Orders(), "POST", "/search", {"query": "bakery"})
    assert (status, [each["id"] for each in found["found"]]) == (200, ["c-2"])


def test_echo_tells_no_header() -> None:
    status, told = ask(Orders(), "PATCH", "/echo", {"a": 1}, "q=x&r=")
    assert (status, told) == (200, {"method": "PATCH", "query": {"q": "x"}, "bytes": 8, "body": '{"a": 1}'})


def test_methods_are_told() -> None:
    orders = Orders()
    told = orders.answer("PUT", ("orders", "o-1001"), "", b"")
    assert (told.status, told.allow) == (405, "OPTIONS, HEAD, GET, DELETE")
    assert orders.answer("OPTIONS", ("search",), "", b"").allow == "OPTIONS, POST"


@pytest.mark.parametrize(
    "method,path,body,status",
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/orders/o-1", None, 404),
        ("GET", "/customers/c-1/orders/o-1001", None, 404),
        ("POST", "/orders", None, 400),
        ("POST", "/orders", [], 400),
        ("POST", "/orders", {"item": 3}, 400),
        ("POST", "/search", {}, 400),
    ],
)
def test_what_is_refused(method: str, path: str, body: Any, status: int) -> None:
    told, problem = ask(Orders(), method, path, body)
    assert told == status
    assert problem["detail"]
