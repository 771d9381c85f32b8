"""Reading requests of the Gemini wire."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols.gemini_request import read_request, write_request
from durward.protocols.wire import ModelRequest

PLAIN: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "héllo"}]}]}


def reading(**members: Any) -> ModelRequest:
    return read_request(json.dumps({**PLAIN, **members}, ensure_ascii=False).encode(), "gemini-x", False)


def refusal(body: bytes, model: str = "gemini-x") -> CallerError:
    with pytest.raises(CallerError) as caught:
        read_request(body, model, False)
    return caught.value


def test_model_and_stream_come_from_the_address() -> None:
    request = read_request(json.dumps(PLAIN).encode(), "gemini-x", True)
    assert (request.model, request.stream) == ("gemini-x", True)
    assert read_request(b"{}", "m", None).stream is False


def test_a_plain_request() -> None:
    request = reading()
    assert request.text_bytes == len(json.dumps(PLAIN["contents"], ensure_ascii=False).encode())
    assert (request.max_output, request.bounded, request.objects) == (None, True, ())


@pytest.mark.parametrize(
    "config,system", [("generationConfig", "systemInstruction"), ("generation_config", "system_instruction")]
)
def test_both_spellings_are_read(config: str, system: str) -> None:
    instruction = {"parts": [{"text": "Be brief."}]}
    request = reading(**{config: {"maxOutputTokens": 50}, system: instruction})
    assert request.max_output == 50
    assert request.text_bytes == reading().text_bytes + len(json.dumps(instruction)) + len('{"maxOutputTokens": 50}')


@pytest.mark.parametrize(
    "config,bound",
    [
        ({}, None),
        ({"candidateCount": 3}, None),
        ({"maxOutputTokens": 50}, 50),
        ({"max_output_tokens": 50}, 50),
        ({"maxOutputTokens": "50"}, 50),
        ({"maxOutputTokens": 50, "candidateCount": 3}, 150),
        ({"maxOutputTokens": 50, "candidate_count": 3}, 150),
        ({"maxOutputTokens": 50, "candidateCount": None}, 50),
        ({"maxOutputTokens": None}, None),
        (None, None),
    ],
)
def test_the_bound_is_for_all_candidates(config: Any, bound: int | None) -> None:
    assert reading(generationConfig=config).max_output == bound


@pytest.mark.parametrize(
    "part,objects",
    [
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, ()),
        ({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}, ()),
        ({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc1"}}, (("file", "abc1"),)),
        ({"file_data": {"file_uri": "files/abc1"}}, (("file", "abc1"),)),
        ({"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}}, ()),
        ({"fileData": {"fileUri": "gs://bucket/thing"}}, ()),
        ({"functionResponse": {"name": "f", "parts": [{"fileData": {"fileUri": "files/abc2"}}]}}, (("file", "abc2"),)),
        ({"functionResponse": {"name": "f", "parts": [{"inlineData": {"data": "AA"}}]}}, ()),
        # Forms that are no form of ours: whatever they name is checked.
        (["odd", {"fileUri": "files/abc333"}], (("file", "abc333"),)),
        ({"fileData": [{"fileUri": "files/abc444"}]}, (("file", "abc444"),)),
    ],
)
def test_more_than_text_has_no_bound_and_names_its_objects(part: Any, objects: Any) -> None:
    request = reading(contents=[{"parts": [{"text": "see"}, part]}])
    assert not request.bounded
    assert request.objects == objects


@pytest.mark.parametrize(
    "part",
    [
        {"functionCall": {"name": "f", "args": {"fileData": {"fileUri": "files/not-one"}}}},
        {"functionResponse": {"name": "f", "response": {"inlineData": "text"}}},
        {"text": "x", "thought": True, "thoughtSignature": "AAAA"},
    ],
)
def test_text_is_bounded(part: Any) -> None:
    request = reading(contents=[{"parts": [part]}])
    assert (request.bounded, request.objects) == (True, ())


def test_contents_may_be_one() -> None:
    assert reading(contents={"parts": [{"text": "x"}]}).bounded
    assert reading(contents={"parts": [{"fileData": {"fileUri": "files/abc1"}}]}).objects == (("file", "abc1"),)


def test_binary_is_no_text() -> None:
    request = reading(contents=[{"parts": [{"inlineData": {"mimeType": "image/png", "data": "A" * 4000}}]}])
    assert request.text_bytes < 100


@pytest.mark.parametrize(
    "tool,bounded,objects",
    [
        ({"functionDeclarations": [{"name": "f"}]}, True, ()),
        ({"function_declarations": [{"name": "f"}]}, True, ()),
        ({"googleSearch": {}}, False, ()),
        ({"google_search": {}}, False, ()),
        ({"codeExecution": {}, "functionDeclarations": []}, False, ()),
        ({"urlContext": {}}, False, ()),
        ({"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/s-1"]}}, False, (("vector_store", "s-1"),)),
        ({"file_search": {"file_search_store_names": ["fileSearchStores/s-2"]}}, False, (("vector_store", "s-2"),)),
    ],
)
def test_tools_that_run_at_the_provider_have_no_bound(tool: Any, bounded: bool, objects: Any) -> None:
    request = reading(tools=[tool])
    assert (request.bounded, request.objects) == (bounded, objects)


@pytest.mark.parametrize("name", ["cachedContent", "cached_content"])
def test_cached_content_is_an_object(name: str) -> None:
    request = reading(**{name: "cachedContents/c-1"})
    assert (request.bounded, request.objects) == (False, (("cached_content", "c-1"),))


def test_a_model_in_the_body_is_the_one_of_the_address() -> None:
    assert reading(model="models/gemini-x").model == "gemini-x"
    assert reading(model="gemini-x").model == "gemini-x"
    error = refusal(json.dumps({**PLAIN, "model": "models/gemini-y"}).encode())
    assert (error.reason, error.param) == ("bad_request", "model")
    tuned = b'{"requests": [{"model": "tunedModels/mine"}]}'
    assert read_request(tuned, "tunedModels/mine", None).model == "tunedModels/mine"
    assert refusal(tuned, "gemini-x").param == "model"


def test_a_batch_is_one_reading() -> None:
    body = (
        b'{"requests": [{"model": "models/e", "model": "models/e", "content": {"parts": [{"text": "a"}]}},'
        b' {"content": {"parts": [{"inlineData": {"data": "AAAA"}}]}, "taskType": "X"}]}'
    )
    request = read_request(body, "e", None)
    assert not request.bounded
    sent = write_request(request, "e")
    assert sent.count(b'"model"') == 1
    other = json.loads(write_request(request, "f"))
    assert [each.get("model") for each in other["requests"]] == ["models/f", None]
    assert other["requests"][1]["taskType"] == "X"


def test_counting_a_whole_request_reads_it() -> None:
    inner = {"model": "models/gemini-x", **PLAIN, "tools": [{"googleSearch": {}}]}
    request = read_request(json.dumps({"generateContentRequest": inner}).encode(), "gemini-x", None)
    assert not request.bounded
    assert request.text_bytes > 0
    sent = json.loads(write_request(request, "gemini-y"))
    assert sent == {"generateContentRequest": {**inner, "model": "models/gemini-y"}}
    wrong = json.dumps({"generateContentRequest": {**inner, "model": "models/gemini-z"}}).encode()
    assert refusal(wrong).param == "model"


@pytest.mark.parametrize(
    "body,reason,param",
    [
        (b"", "malformed_json", None),
        (b"3", "malformed_json", None),
        (b'{"contents": [{"parts": [{"text": "\xff"}]}]}', "malformed_json", None),
        (b'{"Contents": []}', "ambiguous_member", "Contents"),
        (b'{"generationconfig": {}}', "ambiguous_member", "generationconfig"),
        (b'{"generationConfig": {}, "generation_config": {}}', "ambiguous_member", "generation_config"),
        (b'{"systemInstruction": {}, "system_instruction": {}}', "ambiguous_member", "system_instruction"),
        (
            b'{"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 2}}',
            "ambiguous_member",
            "generationConfig",
        ),
        (b'{"generationConfig": {"maxOutputTokens": -1}}', "bad_request", "generationConfig"),
        (b'{"generationConfig": {"maxOutputTokens": "many"}}', "bad_request", "generationConfig"),
        (b'{"generationConfig": []}', "bad_request", "generationConfig"),
        (b'{"requests": {}}', "bad_request", "requests"),
        (b'{"requests": [{"Model": "models/gemini-x"}]}', "ambiguous_member", "Model"),
        (
            b'{"requests": [{"generateContentRequest": 3}], "generateContentRequest": 3}',
            "bad_request",
            "generateContentRequest",
        ),
        (b'{"cachedContent": 3}', "bad_request", "cachedContent"),
        (
            b'{"contents": [{"parts": %b[]%b}]}' % (b'[{"functionResponse": {"parts": ' * 70, b"}}]" * 70),
            "malformed_json",
            None,
        ),
    ],
)
def test_what_is_refused(body: bytes, reason: str, param: str | None) -> None:
    error = refusal(body)
    assert (error.reason, error.param) == (reason, param)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["parts", "text", "inlineData", "fileData", "fileUri", "functionResponse", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
NAMES = [
    "contents",
    "content",
    "systemInstruction",
    "system_instruction",
    "generationConfig",
    "tools",
    "requests",
    "cachedContent",
]


@given(st.dictionaries(st.sampled_from([*NAMES, "generateContentRequest", "x"]), json_values, max_size=5))
def test_any_body_is_read_and_sent_alike_or_refused(body: dict[str, Any]) -> None:
    try:
        request = read_request(json.dumps(body).encode(), "m", False)
    except CallerError:
        return
    assert json.loads(write_request(request, "m")) == body
    assert json.loads(write_request(request, "n")) == body
    assert request.text_bytes <= 2 * len(json.dumps(body))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(CallerError):
        read_request(body, "m", False)
