"""Keys, credentials and prompts are sent through every kind of call and refusal, in every spelling, and found nowhere but upstream."""

import asyncio
import base64
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.caller import (
    API,
    API_STREAM,
    CHAT,
    GEMINI,
    GEMINI_STREAM,
    MESSAGES,
    MESSAGES_STREAM,
    ROUTE,
    STREAM,
    Answer,
    Ask,
    Caller,
    trace_of,
)
from tests.faults.canaries import CREDENTIAL, KEY, PLANTED, PROMPT, SPELLINGS, STRANGER, Find, files_below, finds
from tests.faults.ledger import open_calls, read_ledger
from tests.faults.place import started, until, write_config
from tests.faults.provider import Provider, providing
from tests.server.running import Running

MODELS = Ask("models", "/v1/models", None, method="GET")
ENCODED = base64.b64encode(PROMPT.encode()).decode()
MESSAGE = [{"role": "user", "content": f"{PROMPT} {ENCODED} {quote(PROMPT)}"}]
PARTS = [{"role": "user", "parts": [{"text": PROMPT}, {"text": ENCODED}]}]
HEADERS = f"X-Note: {PROMPT}\r\nX-Encoded: {ENCODED}\r\nDurward-Session: {PLANTED}\r\nCookie: a={quote(PROMPT)}\r\n"
QUERY = f"note={quote(PROMPT)}&encoded={quote(ENCODED)}"


def holding(ask: Ask) -> Ask:
    """The same request with the prompt in its body and its query."""
    path = f"{ask.path}{'&' if '?' in ask.path else '?'}{QUERY}"
    if not isinstance(ask.body, dict):
        return ask._replace(path=path)
    place = {"contents": PARTS} if "contents" in ask.body else {"messages": MESSAGE}
    return ask._replace(path=path, body=ask.body | place)


KINDS = tuple(map(holding, (CHAT, STREAM, MESSAGES, MESSAGES_STREAM, GEMINI, GEMINI_STREAM, API, API_STREAM, ROUTE)))
BROKEN = b'{"model": "m", "messages": [' + PROMPT.encode()
REFUSED = (
    KINDS[0]._replace(body={"model": "forbidden", "messages": MESSAGE}),
    KINDS[2]._replace(body={"model": "forbidden", "max_tokens": 5, "messages": MESSAGE}),
    KINDS[4]._replace(path="/v1beta/models/forbidden:generateContent"),
    *(ask._replace(body=BROKEN) for ask in KINDS[:6]),
    KINDS[0]._replace(body={"model": "m", "messages": MESSAGE, "Model": PROMPT}),
    KINDS[0]._replace(body={"model": {"name": PROMPT}, "messages": MESSAGE}),
    Ask("no api", f"/api/unknown/x?{QUERY}", {"note": PROMPT}),
    Ask("another's file", f"/v1/files/file-123456789?{QUERY}", None, method="GET"),
    Ask("not spoken", "/v1/chat/completions", {"note": PROMPT}, method="CONNECT"),
)
CARRIERS = ("Authorization: Bearer {}", "x-api-key: {}", "api-key: {}", "x-goog-api-key: {}", "Durward-Key: {}")
RAW = (
    "GET /nowhere/{prompt}?key={key} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {key}\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost: gate\r\nDurward-Key : {key}\r\nX-Note: {prompt}\r\n\r\n",
    "GET /v1/models HTTP/9.9\r\nHost: gate\r\nDurward-Key: {key}\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nDurward-Key: {key}\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost: gate\r\nDurward-Key: {key}\r\nAuthorization: Bearer {stranger}\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost: gate\r\nAuthorization: Basic {basic}\r\n\r\n",
    "GET /v1beta/models?key={key}&key={stranger} HTTP/1.1\r\nHost: gate\r\n\r\n",
    "{key} {prompt}\r\n\r\n",
)


class Sent:
    """Everything that was answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._number = 0
        self.answers: list[Answer] = []
        self.refusals: list[Answer] = []
        self.raw: list[bytes] = []

    async def call(self, ask: Ask, lines: str = "", manner: str = "", key: str = KEY) -> Answer:
        caller = Caller(self._port, key)
        self._number += 1
        lines = HEADERS + lines + (f"X-Manner: {manner}\r\n" if manner else "")
        try:
            answer = await caller.call(ask, trace_of(self._number), lines)
        finally:
            await caller.close()
        self.answers.append(answer)
        return answer

    async def refused(self, ask: Ask, lines: str = "", manner: str = "", key: str = KEY) -> None:
        answer = await self.call(ask, lines, manner, key)
        assert answer.status >= 400, ask
        self.refusals.append(answer)

    async def write(self, text: str) -> None:
        """Send bytes as they are."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(text.encode())
        writer.write_eof()
        self.raw.append(await reader.read())
        writer.close()
        await writer.wait_closed()


async def everything(sent: Sent) -> None:
    """Every kind of call and of refusal."""
    for ask in (*KINDS, MODELS):
        assert (await sent.call(ask)).status == 200, ask
    for ask in KINDS:
        assert (await sent.call(ask, manner="error")).status == 429
        await sent.call(ask, manner="cut-inside")
        await sent.refused(ask, manner="malformed")
    # An API may be silent for longer than a test lasts.
    await asyncio.gather(*(sent.refused(ask, manner="silent") for ask in KINDS if not ask.kind.startswith("api")))
    for ask in REFUSED:
        await sent.refused(ask)
    for carrier in CARRIERS:
        assert (await sent.call(KINDS[0], carrier.format(KEY) + "\r\n", key="")).status == 200
        await sent.refused(KINDS[0], carrier.format(STRANGER) + "\r\n", key="")
    gemini = KINDS[4]
    assert (await sent.call(gemini._replace(path=f"{gemini.path}&key={quote(KEY)}"), key="")).status == 200
    await sent.refused(gemini._replace(path=f"{gemini.path}&key={quote(STRANGER)}"), key="")
    basic = base64.b64encode(f"agent:{KEY}".encode()).decode()
    for raw in RAW:
        await sent.write(raw.format(key=KEY, stranger=STRANGER, prompt=quote(PROMPT), basic=basic))


async def told_by_commands(running: Running, sent: Sent) -> dict[str, bytes]:
    """What the commands print."""
    words = [["calls"], ["calls", "--json", "--limit", "0"], ["spend"], ["spend", "--by", "model"], ["audit", "verify"]]
    words += [["trace", PLANTED], ["agent", "list"], ["check", "--print"]]
    words += [
        ["trace", answer.call] for answer in (sent.answers[0], sent.refusals[0], sent.refusals[-1]) if answer.call
    ]
    told = {}
    for line in words:
        done = await asyncio.to_thread(running.command, *line)
        told[" ".join(line)] = (done.stdout + done.stderr).encode()
    return told


def found_upstream(provider: Provider) -> list[str]:
    """What is wrong with what the provider was sent."""
    wrong = []
    for arrival in provider.arrivals:
        if f": {CREDENTIAL}\r\n" not in (text := f"{arrival.head.decode()}\r\n") and f"Bearer {CREDENTIAL}" not in text:
            wrong.append(f"no credential in {arrival.head!r}")
        if any(spelling in arrival.head + arrival.body for key in (KEY, STRANGER) for spelling in SPELLINGS[key]):
            wrong.append(f"an agent's key in {arrival.head!r}")
    bodies = [arrival.body for arrival in provider.arrivals if arrival.body]
    return wrong + [
        f"no prompt in {body!r}" for body in bodies if PROMPT.encode() not in body and b'"id":1' not in body
    ]


@pytest.mark.timeout(90)
async def test_no_secret_is_found_anywhere_but_upstream(tmp_path: Path) -> None:
    async with providing() as provider:
        digest = sha256(KEY.encode()).hexdigest()
        write_config(tmp_path, provider.port, "1s", agents={"support": {"keys": [f"sha256:{digest}"]}})
        running = await started(tmp_path, FAULTS_CREDENTIAL=CREDENTIAL)
        try:
            sent = Sent(running.port)
            await everything(sent)
            await until(lambda: not open_calls(read_ledger(running.data_dir)), "the end of every call")
            told = await told_by_commands(running, sent)
            found = [find for name, text in told.items() for find in finds(name, text)]
            found += [find for name, content in files_below(running.data_dir).items() for find in finds(name, content)]
            found += [find for answer in sent.answers for find in finds(f"head of {answer.ask.kind}", answer.head)]
            found += [find for answer in sent.refusals for find in finds(f"refusal of {answer.ask.kind}", answer.body)]
            found += [
                find for raw in sent.raw for find in finds("answer to what is no request", raw) if find.secret != PROMPT
            ]
            found += in_processes(running)
        finally:
            await asyncio.to_thread(running.close)
        found += [find for name, content in files_below(running.data_dir).items() for find in finds(name, content)]
        found += finds("output", "".join(running.lines).encode()) + finds("log", running.log.read_bytes())
        assert found == []
        assert found_upstream(provider) == []
        assert "Traceback" not in running.log.read_text()
        # The search sees what is there: the session is in the journal and is read back, the agent is in the index too.
        kept = {Path(name).name: content for name, content in files_below(running.data_dir).items()}
        assert PLANTED.encode() in kept["1.jsonl"]
        assert b"support" in kept["index.db"]
        assert PLANTED.encode() in told["calls --json --limit 0"]


def in_processes(running: Running) -> list[Find]:
    """Arguments of all processes, and the environment of those that present no credential."""
    if not Path("/proc/self/environ").exists():
        return []
    pids = {"supervisor": running.pid, "gate": running.child("gate"), "office": running.child("office")}
    found = [find for name, pid in pids.items() for find in finds(f"{name}'s arguments", _of(pid, "cmdline"))]
    return found + finds("office's environment", _of(pids["office"], "environ"))


def _of(pid: int, what: str) -> bytes:
    return Path(f"/proc/{pid}/{what}").read_bytes()


@pytest.mark.parametrize("secret", [KEY, CREDENTIAL, PROMPT])
@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
def test_a_secret_is_found_in_every_spelling(secret: str, before: bytes) -> None:
    raw = secret.encode()
    for written in (
        before + raw + b"x",
        base64.b64encode(before + raw),
        base64.b64encode(before + raw + b"more"),
        base64.urlsafe_b64encode(before + raw + b"mo"),
        before + quote(secret).encode(),
        before + quote(secret, safe="").encode(),
        raw.hex().encode(),
    ):
        assert secret in {find.secret for find in finds("here", written)}, written
    assert finds("here", b"nothing of it") == []
