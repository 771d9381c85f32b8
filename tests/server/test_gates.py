"""Several gates of one Durward: what one learns all know, and one configuration is in force in all of them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from durward.calls.errors import CallerError, GateError
from durward.server.children import Child, Program
from durward.server.control import ask
from durward.server.gates import Gates
from durward.server.pair import Message
from tests.server.running import Running, Upstream, lives, until, write_config

OLD, NEW = 40, 41


class StandIn:
    """A child that answers as it is told to, and notes what it was asked."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.fds = program.fds
        self.pid = 4000 + int(program.name)
        self.heard: list[Message] = []
        self.answers: list[Message | Exception] = []
        self.killed = False
        self.on_told: Callable[[Any], None] | None = None
        self.mentioned: list[Message] = []

    def mention(self, message: Message) -> None:
        self.mentioned.append(message)

    async def ask(self, message: Message, seconds: float) -> Message:
        self.heard.append(message)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def give(self, fd: int, message: Message, seconds: float) -> Message:
        return await self.ask({**message, "fd": fd}, seconds)

    def replace(self, old: int, new: int) -> None:
        self.fds = tuple(new if fd == old else fd for fd in self.fds)

    def kill(self) -> None:
        self.killed = True


def three() -> tuple[Gates, list[StandIn]]:
    made: list[StandIn] = []

    def make(program: Program) -> Child:
        made.append(StandIn(program))
        return cast(Child, made[-1])

    return Gates([Program(str(number), "gate", (OLD, 5)) for number in range(3)], make), made


async def test_the_first_does_a_command_and_the_others_learn_of_it() -> None:
    gates, (first, second, third) = three()
    first.answers = [{"known": ["a key"], "id": 1}]
    assert await gates.command({"do": "agent.add"}, 1) == {"id": 1}
    assert first.heard == [{"do": "agent.add"}]
    assert second.heard == third.heard == [{"do": "agent.know", "keys": ["a key"]}]


async def test_what_nobody_need_know_is_not_told() -> None:
    gates, (first, second, _) = three()
    first.answers = [{"agents": []}]
    assert await gates.command({"do": "agent.list"}, 1) == {"agents": []}
    assert second.heard == []


async def test_one_that_ends_meanwhile_learns_at_its_start_and_one_that_cannot_learn_is_an_error() -> None:
    gates, (first, second, third) = three()
    first.answers = [{"known": []}, {"known": []}]
    second.answers = [GateError("It ended.", reason="stopping")]
    assert await gates.command({"do": "agent.add"}, 1) == {}
    third.answers = [GateError("No.", reason="state_unavailable")]
    with pytest.raises(GateError, match="No"):
        await gates.command({"do": "agent.add"}, 1)


async def test_what_each_says_stands_in_their_order() -> None:
    gates, (first, second, third) = three()
    first.answers, second.answers, third.answers = [{"n": 1}], [TimeoutError()], [GateError("It ended.")]
    told = await gates.ask_each({"do": "metrics"}, 1)
    assert told == [{"n": 1}, {"error": "it does not answer"}, {"error": "It ended."}]


async def test_settings_that_the_first_refuses_change_nothing() -> None:
    gates, made = three()
    error = {"reason": "agent_exists", "message": "There is one.", "remedy": ""}
    made[0].answers = [{"error": error}]
    with pytest.raises(CallerError, match="There is one"):
        await gates.take_over(OLD, NEW, 1)
    assert [gate.fds for gate in made] == [(OLD, 5)] * 3
    assert made[1].heard == []


@pytest.mark.parametrize("failure", [TimeoutError(), OSError("no"), GateError("It ended.", reason="stopping")])
async def test_one_that_cannot_follow_is_started_again_with_the_new_settings(failure: Exception, caplog: Any) -> None:
    gates, made = three()
    made[2].answers = [failure]
    await gates.take_over(OLD, NEW, 1)
    assert [gate.fds for gate in made] == [(NEW, 5)] * 3
    assert [gate.killed for gate in made] == [False, False, True]
    assert made[1].heard == [{"do": "reload", "fd": NEW}]
    assert "did not take over the configuration" in caplog.text


async def test_what_one_tells_the_others_hear() -> None:
    _, made = three()
    assert made[1].on_told is not None
    made[1].on_told({"anything": 1})
    assert [gate.mentioned for gate in made] == [
        [{"do": "hear", "what": {"anything": 1}}],
        [],
        [{"do": "hear", "what": {"anything": 1}}],
    ]


class Down(Upstream):
    """A provider that is there and answers 503."""

    STATUS = b"503 Service Unavailable"


def test_what_one_gate_learns_of_an_upstream_the_other_knows(tmp_path: Path) -> None:
    down, spare = Down(), Upstream()
    models = "models: {m: {strategy: ordered, targets: [{provider: local}, {provider: spare}]}}\n"
    file = write_config(tmp_path, down.port, f"workers: 2\n{models}")
    other = f"spare: {{protocol: openai, base_url: http://127.0.0.1:{spare.port}/v1}}"
    file.write_text(file.read_text().replace("providers: {", f"providers: {{{other}, "))
    running = Running(tmp_path, [])

    def ejected() -> int:
        gates = (ask(running.data_dir, {"do": "health"}) or {})["gates"]
        return sum(each["state"] == "open" for gate in gates for each in gate.get("upstreams", ()))

    try:
        running.wait_ready()
        while not ejected():
            assert running.chat() == 200, "the second one answers"
        # No call is needed for the other gate to know. Alone, two gates would need five failures each.
        until(lambda: ejected() == 2, "the word of the ejection")
        tried = down.answers
        assert 5 <= tried < 10
        assert [running.chat() for _ in range(20)] == [200] * 20
        assert down.answers == tried
        # Who begins afresh is told.
        first, second = running.status()["gates"]
        running.known |= {first, second}
        os.kill(first, signal.SIGKILL)
        assert running.child("gate", first, second)
        until(lambda: ejected() == 2, "the word for the one that begins")
        assert [running.chat() for _ in range(10)] == [200] * 10
        assert down.answers == tried
    finally:
        running.close()
        down.close()
        spare.close()


def test_two_gates_serve_one_address_and_stand_in_for_each_other(tmp_path: Path) -> None:
    upstream = Upstream()
    file = write_config(tmp_path, upstream.port, "workers: 2\n")
    running = Running(tmp_path, [])
    try:
        running.wait_ready()
        first, second = running.status()["gates"]
        running.known |= {first, second}
        # A key made while both run is known to both.
        added = running.command("agent", "add", "late")
        key = next(word for word in added.stdout.split() if word.startswith("dw_"))
        assert [running.chat(key) for _ in range(20)] == [200] * 20
        # So is a configuration; and a change of their number needs a restart.
        file.write_text(
            file.read_text().replace("policies: [", "policies: [{name: no m, deny: {resources: [model/m]}}, ")
        )
        until(lambda: "is taken over" in running.log.read_text(), "the reload")
        assert [running.chat(key) for _ in range(20)] == [403] * 20
        file.write_text(file.read_text().replace("workers: 2", "workers: 3"))
        until(lambda: "needs restart: workers: 2 → 3" in running.log.read_text(), "the refusal")
        # One that dies is started again, with what was learnt, while the other serves.
        os.kill(first, signal.SIGKILL)
        assert [running.chat(key) for _ in range(20)] == [403] * 20
        third = running.child("gate", first)
        assert third not in (first, second)
        assert [running.chat(key) for _ in range(20)] == [403] * 20
        listed = running.command("calls", "--json", "--limit", "1000").stdout.splitlines()
        assert len(listed) == 80
        assert "Whole" in running.command("audit", "verify").stdout
    finally:
        running.close()
        upstream.close()
    assert not [pid for pid in running.known if lives(pid)]
