"""What must be true of a world once it has ended: the journal against what callers and upstreams saw."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from durward.records import layout
from durward.records.verify import verify
from tests.simulation import bounds
from tests.simulation.disk import NOTHING
from tests.simulation.loop import EPOCH
from tests.simulation.traffic import KEY, MARK, cost_of, reply_of, tokens_of
from tests.simulation.truth import Arrival, Call, Truth

if TYPE_CHECKING:
    from tests.simulation.answers import Reading
    from tests.simulation.life import Life
    from tests.simulation.world import World

SLACK = 0.001

Line = dict[str, Any]
_decoded = msgspec.json.Decoder().decode


class Book:
    """All lines of all writers, by call."""

    def __init__(self, world: World) -> None:
        self.intents: dict[str, list[Line]] = defaultdict(list)
        self.ends: dict[str, list[Line]] = defaultdict(list)
        self.refused: dict[str, list[Line]] = defaultdict(list)
        self.by_trace: dict[str, list[str]] = defaultdict(list)
        kinds = {"intent": self.intents, "settle": self.ends, "unknown": self.ends, "refused": self.refused}
        for writer in layout.writers(world.folder / layout.JOURNAL):
            for number in layout.segments(writer):
                for text in layout.segment(writer, number).read_bytes().split(b"\n")[:-1]:
                    line = self._read(world, text)
                    if line["type"] in kinds:
                        kinds[line["type"]][line["id"]].append(line)
                        if "trace" in line:
                            self.by_trace[line["trace"]].append(line["id"])

    @staticmethod
    def _read(world: World, text: bytes) -> Line:
        try:
            line: Line = _decoded(text)
        except msgspec.DecodeError:
            world.truth.violate("chain", f"this is no line: {text!r}")
            return {"type": ""}
        return line

    def opening(self, name: str) -> Line:
        """The opening half of a call."""
        return (self.intents.get(name) or self.refused[name])[0]

    def ending(self, call: Call) -> Line:
        """The closing half of a call that may have none: empty then."""
        names = self.by_trace.get(call.trace)
        return (self.closing(names[0]) if names else None) or {}

    def closing(self, name: str) -> Line | None:
        """The closing half, None where there is none."""
        lines = self.ends.get(name) or self.refused.get(name)
        return lines[0] if lines else None


def check(world: World) -> None:
    """Hold everything against everything; what is wrong goes into `truth.violations`."""
    truth = world.truth
    book = Book(world)
    for problem in verify(world.folder, []).problems:
        truth.violate("chain", f"{problem.place}: {problem.what}")
    _check_left(world)
    _check_records(world, book)
    for call in truth.calls.values():
        _check_recorded(world, book, call)
        bounds.check(world, call, book.ending(call))
        _check_calm(world, call)
        if call.reading is not None and not call.soiled:
            _check_answer(truth, book, call, call.reading)
    for fault in world.loop.faults:
        truth.violate("bug", repr(fault))


def _check_left(world: World) -> None:
    """Nothing is left: no task, no timer, no connection."""
    truth = world.truth
    for task in world.left_tasks():
        truth.violate("left over", f"a task: {task.get_coro()}")
    for timer in world.left_timers():
        truth.violate("left over", f"a timer: {timer}")
    for pipe in world.loop.pipes:
        for end in (pipe.near, pipe.far):
            if end.life is not None and end.ended_at is None:
                truth.violate("left over", f"a connection: {end.protocol}")


# One record a call.


def _check_records(world: World, book: Book) -> None:
    truth = world.truth
    for name, lines in book.intents.items():
        ends = book.ends.get(name, [])
        if len(lines) != 1 or name in book.refused:
            truth.violate("one record", f"{name}: {len(lines)} intents, {len(book.refused.get(name, []))} refusals")
        if len(ends) != 1:
            truth.violate("one record", f"{name}: {len(ends)} ends: {ends}")
    for name in book.ends:
        if name not in book.intents:
            truth.violate("one record", f"{name}: an end without an intent")
    for name, lines in book.refused.items():
        if len(lines) != 1:
            truth.violate("one record", f"{name}: {len(lines)} refusals")
    _check_ends(world, book)


def _check_ends(world: World, book: Book) -> None:
    truth = world.truth
    for trace, names in book.by_trace.items():
        if len(names) != 1:
            truth.violate("one record", f"{truth.calls.get(trace)}: {names}")
    lives = {life.writer: life for life in world.lives}
    for name, ends in book.ends.items():
        if ends[0]["type"] == "unknown":
            _check_unknown(world, book, lives.get(str(ends[0].get("of", ends[0]["writer"]))), name)


def _check_unknown(world: World, book: Book, life: Life | None, name: str) -> None:
    """Nobody knows how a call ended: only where its gate died, or its disk took nothing."""
    truth = world.truth
    call = truth.calls.get(book.opening(name)["trace"])
    if not (life is None or life.dead or world.disk.troubled):
        truth.violate("one record", f"{call} is unknown, and {life.name} neither died nor had trouble with its disk")
    if book.ends[name][0].get("cost_nano") != book.intents[name][0].get("reserved_nano"):
        truth.violate("truth", f"{call} is unknown at another amount than was reserved")


def _check_recorded(world: World, book: Book, call: Call) -> None:
    """A call that reached the gate whole has a record, unless something befell gate or caller."""
    truth = world.truth
    names = book.by_trace.get(call.trace, [])
    for arrival in call.arrivals:
        if not any(name in book.intents for name in names):
            truth.violate("intent first", f"{call} was at {arrival.letter}'s upstream and has no intent")
    reading = call.reading
    if not names:
        if world.disk.troubled:
            return  # where no line can be written, a refusal still reaches its caller
        wanted = call.kind.own in (0, 403) and call.whole_at is not None and reading is not None and reading.complete
        if wanted and reading is not None and reading.status not in (401, 503):
            truth.violate("one record", f"{call} was answered {reading.status} and has no record")
        return
    name = names[0]
    if name in book.refused and book.refused[name][0].get("decision") == "deny" and call.arrivals:
        truth.violate("denied", f"{call} was denied and is at an upstream")
    if call.kind.own == 403 and call.arrivals:
        truth.violate("denied", f"{call} is denied by every configuration and is at an upstream")
    _check_snapshot(world, book, call, name)
    if not call.soiled:
        _check_numbers(truth, book, call, name)


# One snapshot a call.


def _check_snapshot(world: World, book: Book, call: Call, name: str) -> None:
    """Everything about a call tells of the same configuration, and of one that was in force when it began."""
    truth = world.truth
    opening, closing = book.opening(name), book.closing(name) or {}
    told = {"team": opening["team"][-1]}
    if opening.get("rule"):
        told["rule"] = opening["rule"][-1]
    if model := closing.get("upstream_model"):
        told["upstream_model"] = model[-1]
    for arrival in call.arrivals:
        at = f" at attempt {arrival.attempt}"
        told["origin" + at] = arrival.letter
        told["credential" + at] = arrival.credential
        if arrival.model:
            told["model" + at] = arrival.model
    if len(set(told.values())) > 1:
        truth.violate("one snapshot", f"{call}: {told}")
        return
    life = next((life for life in world.lives if life.writer == opening["writer"]), None)
    began = datetime.fromisoformat(opening["time"]).timestamp() - EPOCH
    allowed = life.letters_at(began, 2 * SLACK) if life is not None else set("ab")
    if not set(told.values()) <= allowed:
        truth.violate("one snapshot", f"{call}: {told}, while {allowed} was in force")


# What the record says.


def _answered_by(call: Call, reading: Reading | None) -> Arrival | None:
    """The attempt whose answer a caller has, None where it is the gate's own."""
    told = reading.field(b"x-request-id") if reading is not None else ""
    if not told.startswith("req-"):
        return None
    attempt = int(told.rpartition("-")[2])
    return call.arrivals[attempt] if attempt < len(call.arrivals) else None


def _check_numbers(truth: Truth, book: Book, call: Call, name: str) -> None:
    """Tokens and cost are the upstream's, where its answer came whole."""
    closing = book.closing(name)
    reading = call.reading
    if closing is None or closing["type"] == "unknown":
        return
    arrival = _answered_by(call, reading)
    if reading is not None and reading.complete and arrival is not None:
        wanted = "failed" if reading.status >= 400 else "ok"
        if MARK.encode() in reading.body:
            wanted = "failed"
        if closing["outcome"] != wanted or closing["status"] != reading.status:
            truth.violate(
                "truth",
                f"{call}: its caller has {reading.status} whole, its record says {closing['outcome']} {closing}",
            )
    own = reading is not None and reading.complete and arrival is None
    if own and reading is not None and reading.status != closing.get("status") and not _stopped(truth, reading):
        truth.violate("truth", f"{call}: its caller has our {reading.status}, its record says {closing}")
    if closing["outcome"] != "ok" or not call.kind.tokens or not call.arrivals:
        return
    last = call.arrivals[-1]
    tokens = closing.get("tokens") or {}
    told = (tokens.get("input", 0), tokens.get("output", 0))
    counted = tokens_of(call.number)
    if call.kind.shape == "embeddings":
        counted = (counted[0], 0)
    if told != counted or closing.get("estimated"):
        truth.violate("truth", f"{call}: {told} tokens, the upstream counted {counted}: {closing}")
    elif closing.get("cost_nano") != cost_of(last.letter, counted):
        truth.violate(
            "one snapshot",
            f"{call}: cost {closing.get('cost_nano')}, at {last.letter}'s prices {cost_of(last.letter, counted)}",
        )


def _stopped(truth: Truth, reading: Reading) -> bool:
    """Whether a call may have been settled when the gate gave it up: its end was on its way to the disk."""
    return truth.lasting and b"stopping" in reading.body


# What the caller has.


def _check_answer(truth: Truth, book: Book, call: Call, reading: Reading) -> None:
    """It is what the upstream sent, or an error of ours, or a part of the former that is seen to be one."""
    if call.kind.version == "1.0" and call.end is not None and call.end.life is not None and call.end.life.dead:
        return  # whoever dies ends its answers as if they were whole, where only the end of the connection tells
    arrival = _answered_by(call, reading)
    if arrival is None:
        _check_own(truth, call, reading)
        return
    plan = arrival.plan
    if reading.status != arrival.status:
        truth.violate("answer", f"{call} has {reading.status}, its upstream said {arrival.status}")
    if reading.status >= 400:
        return
    reply = reply_of(call.kind, call.number, plan.words, True)
    body, wanted = bytes(reading.body), reply.expected
    if plan.fault == "event" and call.kind.stream and MARK.encode() in body:
        body = body[: body.index(MARK.encode())]
        body = body[: body.rfind(b"data:")].removesuffix(b"event: error\n")
    elif not reading.complete:
        # Our own error event may stand behind what came of it.
        body = _without_our_event(body)
    elif _was_broken_off(call, arrival) and body != wanted and (call.kind.terminal or b"\0") not in body:
        truth.violate("answer", f"{call} has a whole answer, of one that its upstream broke off")
    if plan.pace > 10:
        body, wanted = body.replace(b"\n", b"").replace(b"\r", b""), wanted.replace(b"\n", b"").replace(b"\r", b"")
    if not wanted.startswith(body) or (reading.complete and not plan.fault and body != wanted):
        truth.violate("answer", f"{call} has {body!r}, its upstream sent {wanted!r}")


def _check_calm(world: World, call: Call) -> None:
    """Where nothing goes wrong, nothing may: the caller has the whole answer."""
    scenario, reading = world.scenario, call.reading
    quiet = scenario.last_write == NOTHING and not (scenario.refused or scenario.hangs or scenario.troubles)
    if not quiet or any(event.kind != "reload" for event in scenario.events):
        return
    easy = call.easy and not (call.soiled or call.kind.chunked) and call.key == KEY
    if not easy or call.kind.name in ("only", "gone") or call.plan(0).fault not in ("", "interim"):
        return
    arrival = _answered_by(call, reading)
    wanted = call.kind.own or (arrival.status if arrival is not None else 200)
    if reading is None or not reading.complete or reading.status != wanted or (arrival is None and not call.kind.own):
        told = f"{reading.status} {bytes(reading.body)!r}" if reading is not None else "nothing"
        world.truth.violate("answer", f"{call} has {told}, and nothing went wrong")


def _was_broken_off(call: Call, arrival: Arrival) -> bool:
    """Whether an answer ended in a way that shows it: one that only the end of the connection ends does not."""
    return arrival.plan.fault in ("stall", "cut", "reset") and not arrival.finished and call.kind.shape != "closed"


def _without_our_event(body: bytes) -> bytes:
    for sign in (b'"code":"upstream_', b'"reason":"upstream_', b"(call ", b'"code":"internal', b'"code":"journal_'):
        at = body.find(sign)
        if at >= 0:
            begin = body.rfind(b"data:", 0, at)
            return (
                body[: begin if begin >= 0 else body.rfind(b"{", 0, body.find(b'"error"'))]
                .removesuffix(b"event: error\n")
                .rstrip(b",\r\n")
            )
    return body


def _check_own(truth: Truth, call: Call, reading: Reading) -> None:
    """An answer of the gate itself: only where there is a reason."""
    if call.kind.own in (reading.status, 0) and reading.status < 400:
        if not call.kind.own:
            truth.violate("answer", f"{call} has {reading.status} of nobody")
        return
    if reading.status == 500:
        truth.violate("bug", f"{call} has a 500: {bytes(reading.body)!r}")
