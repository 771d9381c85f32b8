"""A data folder whose journal holds many finished calls, written by the gate's own writer."""

import datetime as dt
import random
import time
from pathlib import Path

import msgspec

from durward.calls.identifiers import uuid7
from durward.calls.record import Closing, Opening
from durward.calls.tokens import Attempt, Tokens
from durward.records.heads import load_signer
from durward.records.journal import FileJournal
from durward.server.clock import SystemClock

USAGE = msgspec.Raw(b'{"prompt_tokens":231,"completion_tokens":16,"total_tokens":247}')
BETWEEN = 0.05
"""Seconds between two calls: a million are half a day."""
CALLS_A_HEAD = 1_000


def make(data_dir: Path, calls: int) -> None:
    """Write the journal of so many calls, the last one just now, into an empty data folder."""
    journal = FileJournal(data_dir, "bench", SystemClock(), load_signer(data_dir))
    choose = random.Random(0)
    begin = time.time() - calls * BETWEEN
    for number in range(calls):
        opening, closing = call(begin + number * BETWEEN, choose)
        journal.intent(opening)
        journal.settle(closing)
        if number % CALLS_A_HEAD == 0:
            journal.tick()
    journal.close()


def call(at: float, choose: random.Random) -> tuple[Opening, Closing]:
    """One model call as the gate records it."""
    written = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    opening = Opening(
        id=uuid7(int(at * 1000), choose.randbytes(10)),
        time=written,
        agent=f"agent-{choose.randrange(20)}",
        resource="model/gpt-4o-mini",
        action="generate",
        effect="read",
        protocol="openai_chat",
        trace=choose.randbytes(16).hex(),
        method="POST",
        decision="allow",
        rule="bench",
        model="gpt-4o-mini",
        reserved_nano=190_000,
        client="OpenAI/Python 3.52.0",
    )
    closing = Closing(
        id=opening.id,
        outcome="ok",
        status=200,
        provider="bench",
        upstream_model="gpt-4o-mini",
        first_byte_ms=412.5,
        duration_ms=640.25,
        bytes_in=1145,
        bytes_out=876,
        tokens=Tokens(input=103, cached_input=128, output=16),
        cost_nano=34_650,
        attempts=[Attempt("bench", "gpt-4o-mini", 200, "", 640.0)],
        request_id=f"req_{choose.randbytes(16).hex()}",
        usage=USAGE,
    )
    return opening, closing
