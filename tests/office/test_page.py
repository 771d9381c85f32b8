"""The page of a real Durward: its numbers are those of the records, and nobody sees it who may not."""

import contextlib
import http.client
import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from durward.office import token
from durward.office.families import FAMILIES
from tests.server.running import SECONDS, Running, Upstream, until, write_config

CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":40}}\n\ndata: [DONE]\n\n'


class Moody(Upstream):
    """Answers by what the request's body asks for: a stream, one that breaks off, a failure."""

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            asked = b""
            while not asked.endswith(b"}"):
                asked += connection.recv(65536)
            if b'"fails"' in asked:
                connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            elif b'"stream"' in asked:
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                events = CHUNK if b'"breaks"' in asked else CHUNK + USAGE
                end = b"" if b'"breaks"' in asked else b"0\r\n\r\n"
                connection.sendall(head + b"%x\r\n%b\r\n%b" % (len(events), events, end))
            else:
                length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(self.BODY)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + self.BODY)


class Asked(NamedTuple):
    status: int
    fields: http.client.HTTPMessage
    text: str


class Place(NamedTuple):
    running: Running
    admin: str

    def page(self, path: str = "/metrics", key: str | None = None, **fields: str) -> Asked:
        """One answer of the admin listener, with the token unless another key is given."""
        told = token.read(self.running.data_dir) if key is None else key
        host, _, port = self.admin.rpartition(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=SECONDS)) as connection:
            named = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request("GET", path, headers={**({"Authorization": f"Bearer {told}"} if told else {}), **named})
            answer = connection.getresponse()
            return Asked(answer.status, answer.headers, answer.read().decode())

    def call(self, model: str, **members: object) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **members}
        with contextlib.suppress(http.client.HTTPException, OSError):
            self.running.ask("POST", "/v1/chat/completions", body)

    def values(self) -> Counter[tuple[str, ...]]:
        """Samples by name and values of labels, in the order in which these are documented."""
        found: Counter[tuple[str, ...]] = Counter()
        labels = {each.name: each.labels for each in FAMILIES}
        for family in text_string_to_metric_families(self.page().text):
            for sample in family.samples:
                found[sample.name, *(sample.labels[label] for label in labels[family.name])] = sample.value  # type: ignore[assignment]
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("office")
    upstream = Moody()
    write_config(
        folder,
        upstream.port,
        "admin: {address: 127.0.0.1:0, names: [durward.internal]}\nlog: {format: json, calls: true}\n"
        "prices: {'model/*': {input: 1, output: 2}}\n",
    ).write_text(
        (folder / "durward.yaml")
        .read_text()
        .replace("policies: [", "policies: [{name: no, deny: {resources: [model/forbidden]}}, ")
    )
    running = Running(folder, [])
    try:
        running.wait_ready()
        yield Place(running, running.status()["admin"])
    finally:
        running.close()
        upstream.close()


def test_the_numbers_are_those_of_the_records(place: Place) -> None:
    for _ in range(2):
        place.call("m")
    place.call("s", stream=True, stream_options={"include_usage": True})
    place.call("forbidden")
    place.call("fails")
    place.call("breaks", stream=True)
    place.running.ask("POST", "/v1/chat/completions", {"model": "m"}, key="dw_" + "x" * 43)
    listed = place.running.command("calls", "--json").stdout.splitlines()
    records = [json.loads(line) for line in listed]
    assert {record["outcome"] for record in records} == {"ok", "refused", "failed", "cut"}
    until(lambda: found_calls(place) == len(records), "all calls")
    values = place.values()
    wanted: Counter[tuple[str, ...]] = Counter()
    for record in records:
        who = (record["agent"], record["resource"], record["provider"] or "")
        key = ("durward_calls_total", record["action"], *who[:2], record["outcome"], record["reason"] or "")
        wanted[key] += 1
        wanted["durward_call_duration_seconds_count", record["action"], record["outcome"]] += 1
        for kind, count in (record["tokens"] or {}).items():
            wanted["durward_tokens_total", *who, kind] += count
        for attempt in record["attempts"]:
            wanted["durward_attempts_total", attempt["provider"], f"{attempt['status'] // 100}xx"] += 1
    shown = {key: value for key, value in values.items() if value and key[0] in {key[0] for key in wanted}}
    assert shown == +wanted
    cost = sum(value for key, value in values.items() if key[0] == "durward_cost_usd_total")
    assert cost == pytest.approx(sum(record["cost_nano"] or 0 for record in records) / 1e9)
    answered = [record for record in records if record["first_byte_ms"] is not None]
    assert values["durward_gate_duration_seconds_count", "generate"] == len(answered) == 5
    assert values["durward_refused_requests_total", "0", "key_unknown"] == 1
    assert sum(value for key, value in values.items() if key[0] == "durward_upstream_breaker") == 1
    assert [key for key in values if key[0] == "durward_turned_away_calls_total"]
    assert values["durward_up", "0"] == values["durward_journal_available", "0"] == 1


def test_each_call_is_one_line_of_the_log_and_no_secret_in_it(place: Place) -> None:
    records = [json.loads(line) for line in place.running.command("calls", "--json").stdout.splitlines()]

    def told() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in place.running.log.read_text().splitlines()]
        return [line["call"] for line in lines if line["process"] == "calls"]

    until(lambda: len(told()) == len(records), "a line for each call")
    ends = {(call["id"], call["outcome"], call.get("reason")) for call in told()}
    assert ends == {(record["id"], record["outcome"], record["reason"]) for record in records}
    text = place.running.log.read_text()
    assert "Hello!" not in text
    assert "dw_" not in text


def found_calls(place: Place) -> float:
    return sum(value for key, value in place.values().items() if key[0] == "durward_calls_total")


def test_the_gates_own_time_is_a_part_of_the_calls(place: Place) -> None:
    place.call("m")
    whole, gate, upstream = (
        sum(value for key, value in place.values().items() if key[0] == f"durward_{name}_duration_seconds_sum")
        for name in ("call", "gate", "upstream")
    )
    assert 0 < gate < upstream < whole + 1e-9


def test_nobody_without_the_token_and_no_page_of_a_browser_gets_in(place: Place) -> None:
    assert [place.page(path, key="").status for path in ("/metrics", "/", "/other")] == [401, 401, 401]
    assert place.page(key="wrong").text == ""
    assert place.page(key="").fields["WWW-Authenticate"] == "Bearer"
    assert place.page("/other").status == 404
    assert place.page(Host="evil.example").status == 421
    assert place.page(Host="evil.example:7301").status == 421
    assert place.page(Origin="https://evil.example").status == 421
    assert place.page(Host="durward.internal:7301").status == 200
    assert place.page(Host="LOCALHOST").status == 200
    assert place.page(Host="[::1]:7301").status == 200


def test_open_metrics_where_it_is_asked_for(place: Place) -> None:
    asked = place.page(Accept="application/openmetrics-text; version=1.0.0")
    assert asked.fields["Content-Type"].startswith("application/openmetrics-text")
    families = open_metrics(asked.text)  # type: ignore[no-untyped-call]
    assert {family.name for family in families} <= {each.name for each in FAMILIES}
    assert place.page().fields["Content-Type"].startswith("text/plain")


def test_no_key_prompt_or_token_is_shown(place: Place) -> None:
    page = place.page().text
    assert "Hello!" not in page
    assert "dw_" not in page
    assert (token.read(place.running.data_dir) or "?") not in page + "".join(place.running.lines)


def test_a_gate_that_does_not_answer_is_told_of_and_the_rest_is_there(place: Place) -> None:
    (gate,) = place.running.status()["gates"]
    os.kill(gate, signal.SIGSTOP)
    try:
        values = place.values()
    finally:
        os.kill(gate, signal.SIGCONT)
    assert values["durward_up", "0"] == 0
    assert not [key for key in values if key[0] == "durward_connections"]
    assert [key for key in values if key[0] == "durward_calls_total"]


def test_an_office_that_is_started_again_serves_the_same_address(place: Place) -> None:
    office = place.running.child("office")
    os.kill(office, signal.SIGKILL)
    assert place.page().status == 200
    assert place.running.child("office", office) != office


def test_open_on_loopback_and_off(tmp_path: Path) -> None:
    upstream = Upstream()
    write_config(tmp_path, upstream.port, "admin: {address: 127.0.0.1:0, metrics: open}\n")
    running = Running(tmp_path, [])
    try:
        open_place = Place(running.wait_ready(), running.status()["admin"])
        assert open_place.page(key="").status == 200
        assert open_place.page("/other", key="").status == 401
        assert open_place.page(key="", Host="evil.example").status == 421
    finally:
        running.close()
        upstream.close()
