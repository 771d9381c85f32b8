"""What `durward up --demo` shows: calls through the gate as an agent makes them, and what was recorded of them.

A process of its own, `python -m durward.cli.demo_show FD`, that talks to the gate over plain HTTP with the demo agent's key and reads
the records like any other command. FD holds the key, which therefore stands in no argument and no environment.
"""

import http.client
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from durward.calls.errors import DurwardError, GateError
from durward.cli import shown
from durward.cli.listing import fresh_index
from durward.cli.trace import show_story
from durward.server.launch import content

SECONDS = 30.0
INDENT = 4
WIDEST = 100


class Told(NamedTuple):
    """What `up` tells the show."""

    key: str
    address: str
    data_dir: str
    durward: str
    """How the command is called here."""
    once: bool


class Reply(NamedTuple):
    """An answer of the gate, or one event of it."""

    status: int
    call: str
    content: Any


class Agent:
    """The demo agent: calls the gate with its key, in one session."""

    def __init__(self, told: Told, session: str) -> None:
        self._address = told.address
        self._fields = {"Durward-Key": told.key, "Durward-Session": session, "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """One call and its whole answer."""
        connection, answer = self._ask(method, path, body)
        try:
            return Reply(answer.status, answer.headers["Durward-Call"], json.loads(answer.read()))
        finally:
            connection.close()

    def stream(self, path: str, body: Any) -> Iterator[Reply]:
        """One streamed call: a reply for each event, as it comes."""
        connection, answer = self._ask("POST", path, body)
        try:
            while line := answer.readline():
                if line.startswith(b"data: {"):
                    yield Reply(answer.status, answer.headers["Durward-Call"], json.loads(line[6:]))
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: Any) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._address, timeout=SECONDS)
        connection.request(method, path, None if body is None else json.dumps(body), self._fields)
        return connection, connection.getresponse()


class Stage:
    """The terminal: indented paragraphs, and text that appears as it comes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDEST)

    def scene(self, title: str, asked: str) -> None:
        """A headline, and the request below it."""
        self._console.print()
        self._console.print(Text(f"  {title}", "bold"))
        self.paragraph(asked, "dim")

    def paragraph(self, text: str, style: str = "") -> None:
        """Text, wrapped."""
        for line in Text(text, style).wrap(self._console, self._width - INDENT):
            line.rstrip()
            self._console.print(Text(" " * INDENT) + line)

    def verdict(self, told: Told, call: str) -> None:
        """What the record says of a call."""
        with fresh_index(Path(told.data_dir)) as index:
            record = index.call(call)
        if record is None:
            raise GateError(f"The call {call} was not recorded.")
        parts = [f"{record.status} {record.outcome}"]
        if record.tokens is not None:
            parts += [f"{shown.read_and_written(record.tokens)} tokens", shown.cost(record).plain]
        self.paragraph(" · ".join([*parts, shown.duration(record.duration_ms)]), "green")

    def live(self, pieces: Iterable[str]) -> None:
        """Pieces of one text, each word shown when it is complete, wrapped like a paragraph."""
        room = self._width - INDENT
        column, growing = 0, ""
        self._write(" " * INDENT)
        for piece in itertools.chain(pieces, [" "]):
            *words, growing = (growing + piece).split(" ")
            for word in words:
                if column and column + 1 + len(word) > room:
                    self._write("\n" + " " * INDENT)
                    column = 0
                self._write(f"{' ' if column else ''}{word}")
                column += len(word) + bool(column)
        self._write("\n")

    def story(self, told: Told, session: str) -> None:
        """What `durward trace` says of the session."""
        self._console.print()
        self._console.print(Text("  What was recorded", "bold"))
        self.paragraph(f"$ {told.durward} trace {session}", "dim")
        self._console.print()
        show_story(Path(told.data_dir), session, self._console)

    def offer(self, told: Told) -> None:
        """A line to try, with the real key and port."""
        body = json.dumps(chat("gpt-4o-mini", "Hello!"), separators=(",", ":"))
        self._console.print()
        self._console.print(Text("  Your turn: any SDK works, with base URL and key changed", "bold"))
        self._console.print()
        for line in (
            f"curl http://{told.address}/v1/chat/completions \\",
            f"  -H 'Authorization: Bearer {told.key}' \\",
            "  -H 'Content-Type: application/json' \\",
            f"  -d '{body}'",
        ):
            # Never wrapped by us: it must survive being copied.
            self._console.print(Text(line, "cyan"), soft_wrap=True)
        self._console.print()
        ends = "It ends here, because of --once" if told.once else "It keeps serving until Ctrl-C"
        self.paragraph(f"{ends}. See also: {told.durward} calls, spend, tail, audit verify.", "dim")

    def _write(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)


def main() -> int:
    """Play the whole show; the exit code."""
    read = json.loads(content(int(sys.argv[1])))
    told = Told(**read)
    try:
        play(told, Stage(Console(highlight=False)))
    except (OSError, http.client.HTTPException, DurwardError) as error:
        print(f"The demo could not be shown to its end: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def play(told: Told, stage: Stage) -> None:
    """Four calls and what is known of them afterwards."""
    session = f"demo-{token_hex(3)}"
    agent = Agent(told, session)
    allowed(agent, stage, told)
    denied(agent, stage)
    streamed(agent, stage, told)
    requested(agent, stage, told)
    stage.story(told, session)
    stage.offer(told)


def allowed(agent: Agent, stage: Stage, told: Told) -> None:
    """A model call in OpenAI's wire, with its price."""
    asked = "Where is order o-1002?"
    stage.scene("A model call: allowed, priced", f"POST /v1/chat/completions · gpt-4o-mini · {asked}")
    reply = agent.call("POST", "/v1/chat/completions", chat("gpt-4o-mini", asked))
    stage.paragraph(reply.content["choices"][0]["message"]["content"])
    stage.verdict(told, reply.call)


def denied(agent: Agent, stage: Stage) -> None:
    """A call that the one deny rule forbids, with reason and remedy as the agent gets them."""
    stage.scene("A call that policy denies", "POST /v1/chat/completions · forbidden-model")
    reply = agent.call("POST", "/v1/chat/completions", chat("forbidden-model", "Hello!"))
    stage.paragraph(f"{reply.status} {reply.content['error']['code']}", "red")
    stage.paragraph(reply.content["error"]["message"])


def streamed(agent: Agent, stage: Stage, told: Told) -> None:
    """A stream in Anthropic's wire."""
    asked = "What does a durward do?"
    stage.scene("A stream, in another wire", f"POST /v1/messages · claude-haiku-4-5 · {asked}")
    events = agent.stream("/v1/messages", chat("claude-haiku-4-5", asked) | {"max_tokens": 300, "stream": True})
    calls: list[str] = []

    def pieces() -> Iterator[str]:
        for event in events:
            calls.append(event.call)
            if event.content.get("type") == "content_block_delta":
                yield event.content["delta"].get("text", "")

    stage.live(pieces())
    stage.verdict(told, calls[0])


def requested(agent: Agent, stage: Stage, told: Told) -> None:
    """An HTTP API behind the same door."""
    stage.scene("An HTTP API, behind the same door", "GET /api/crm/customers/c-1")
    reply = agent.call("GET", "/api/crm/customers/c-1")
    stage.paragraph(json.dumps(reply.content))
    stage.verdict(told, reply.call)


def chat(model: str, text: str) -> dict[str, Any]:
    """A request with one message of the user."""
    return {"model": model, "messages": [{"role": "user", "content": text}]}


if __name__ == "__main__":
    sys.exit(main())
