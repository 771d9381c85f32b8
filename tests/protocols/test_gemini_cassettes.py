"""Recorded traffic of the Gemini API: usage is the provider's, bytes pass unchanged, as events and as an array, however cut."""

import json
from pathlib import Path
from random import Random
from typing import Any

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.gemini import GEMINI_COUNT, GEMINI_EMBED, GEMINI_GENERATE
from durward.protocols.wire import ModelRequest
from tests.protocols.irregular import respell, respell_events
from tests.protocols.replay import SIZES, Exchanged, chunked, exchanges, follow, random_chunks, told
from tests.protocols.reported import chunks_of, gemini_tokens


def request_of(row: Exchanged, seed: int = 1) -> ModelRequest:
    model, _, verb = row.path.partition("?")[0].rpartition("/")[2].rpartition(":")
    protocol = GEMINI_EMBED if "mbed" in verb else GEMINI_GENERATE
    return protocol.read(respell(row.request, Random(seed), lines=True), model, verb == "streamGenerateContent")


def modalities(usage: dict[str, Any]) -> dict[str, int]:
    def of(*names: str) -> dict[str, int]:
        details = [detail for name in names for detail in usage.get(name) or []]
        return {detail["modality"].lower(): detail["tokenCount"] for detail in details}

    cached = of("cacheTokensDetails")
    prompt = of("promptTokensDetails", "promptTokenDetails")
    fresh = {f"{name}_input": count - cached.get(name, 0) for name, count in prompt.items()}
    stale = {f"{name}_cached_input": count for name, count in cached.items()}
    return {word: n for word, n in {**fresh, **stale}.items() if not word.startswith(("text", "document"))}


def assert_counts(usage: Usage | None, reported: dict[str, Any], searched: bool) -> None:
    assert usage is not None
    assert usage.tokens == gemini_tokens(reported)
    if "totalTokenCount" in reported:
        assert sum(getattr(usage.tokens, kind) for kind in Tokens.__struct_fields__) == reported["totalTokenCount"]
    assert usage.split == modalities(reported)
    assert usage.service_tier == reported.get("serviceTier", "")
    # The recorded searches are all by models that charge a prompt.
    assert usage.fees == ({"web_search": 1} if searched else {})


def searched(chunk: dict[str, Any]) -> bool:
    return any((each.get("groundingMetadata") or {}).get("webSearchQueries") for each in chunk.get("candidates", []))


def test_requests_go_up_as_they_came(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "gemini-*"):
        request = request_of(row)
        same = json.loads(GEMINI_GENERATE.write(request, request.model, True))
        assert {**row.request, "x_not_documented": same["x_not_documented"]} == same, row.source
        config = row.request.get("generationConfig") or {}
        assert request.max_output == config.get("maxOutputTokens"), row.source


def test_a_batch_of_embeddings_follows_the_models_upstream_name(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "gemini-embed"):
        sent = json.loads(GEMINI_EMBED.write(request_of(row), "text-elsewhere", False))
        assert [each["model"] for each in sent["requests"]] == ["models/text-elsewhere"] * len(row.request["requests"])


def test_the_bound_on_input_holds(cassettes: Path | None) -> None:
    """A byte of text is at most a token."""
    bounded = 0
    for row in exchanges(cassettes, "gemini-generate"):
        request = GEMINI_GENERATE.read(json.dumps(row.request, separators=(",", ":")).encode(), "m", False)
        if request.bounded:
            assert row.body["usageMetadata"]["promptTokenCount"] <= request.text_bytes, row.source
            bounded += 1
    assert bounded > 20


def test_plain_answers_tell_the_providers_numbers(cassettes: Path | None) -> None:
    for seed, row in enumerate(exchanges(cassettes, "gemini-generate")):
        body = respell(row.body, Random(seed), lines=True)
        answer = GEMINI_GENERATE.answer(body)
        assert_counts(answer.usage, row.body["usageMetadata"], searched(row.body))
        assert answer.model == row.body["modelVersion"]
        assert answer.usage is not None
        verbatim = bytes(answer.usage.verbatim or b"")
        assert verbatim in body
        assert json.loads(verbatim) == row.body["usageMetadata"]
        parts = [part for each in row.body["candidates"] for part in (each.get("content") or {}).get("parts", [])]
        assert answer.text_bytes >= sum(len(part.get("text", "").encode()) for part in parts)


def test_embeddings_tell_usage_where_the_provider_does(cassettes: Path | None) -> None:
    told_by = set()
    for row in exchanges(cassettes, "gemini-embed"):
        if row.status != 200:
            continue
        usage = GEMINI_EMBED.answer(respell(row.body, Random(3))).usage
        told_by.add(usage is not None)
        if usage is None:
            assert "usageMetadata" not in row.body
        else:
            assert_counts(usage, row.body["usageMetadata"], False)
    assert told_by == {True, False}


def test_counted_tokens_are_not_used(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "gemini-count"):
        assert GEMINI_COUNT.answer(respell(row.body, Random(2))).usage is None


def array_of(stream: str, random: Random) -> bytes:
    """The same answer without `alt=sse`: one array, its elements between commas and line ends."""
    return b"[" + b"\n,\r\n".join(respell(chunk, random, lines=True) for chunk in chunks_of(stream)) + b"\n]"


def test_streams_tell_the_providers_numbers_and_pass_unchanged(cassettes: Path | None) -> None:
    for seed, row in enumerate(exchanges(cassettes, "gemini-stream-sse")):
        final = [chunk for chunk in chunks_of(row.text) if "usageMetadata" in chunk][-1]
        text = "".join(
            part.get("text", "")
            for chunk in chunks_of(row.text)
            for each in chunk["candidates"]
            for part in each["content"].get("parts", [])
        )
        for stream in (respell_events(row.text, Random(seed)), array_of(row.text, Random(seed))):
            tellings = []
            reader = GEMINI_GENERATE.stream(request_of(row), False)
            for chunks in [*(chunked(stream, size) for size in SIZES), *(random_chunks(stream, n) for n in range(5))]:
                reader = GEMINI_GENERATE.stream(request_of(row), False)
                followed = follow(reader, chunks)
                assert followed.all == stream, row.source
                assert b"finishReason" not in followed.released
                assert followed.held
                tellings.append(told(reader))
            assert all(telling == tellings[0] for telling in tellings), row.source
            assert (reader.model, reader.ended, reader.finished, reader.error) == (
                final["modelVersion"],
                False,
                True,
                "",
            )
            assert reader.text_bytes >= len(text.encode())
            assert_counts(reader.usage, final["usageMetadata"], searched(final))


def test_a_cut_stream_keeps_what_was_told(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "gemini-stream-sse"):
        if len(chunks_of(row.text)) < 2:
            continue
        stream = row.text.encode()
        cut = stream[: stream.rindex(b"data:")]
        reader = GEMINI_GENERATE.stream(request_of(row), False)
        assert follow(reader, chunked(cut, 100)).all == cut
        assert (reader.ended, reader.finished) == (False, False)
        assert reader.usage is not None
        assert reader.usage.tokens.input > 0
