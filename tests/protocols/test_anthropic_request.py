"""Reading requests of the Anthropic wire."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols.anthropic import ANTHROPIC_MESSAGES
from durward.protocols.anthropic_request import HIDDEN_PROMPT_BYTES, asks_hour_cache, read_request
from durward.protocols.wire import ModelRequest

PLAIN: dict[str, Any] = {"model": "claude-x", "max_tokens": 64, "messages": [{"role": "user", "content": "héllo"}]}


def reading(**members: Any) -> ModelRequest:
    return read_request(json.dumps({**PLAIN, **members}, ensure_ascii=False).encode())


def refusal(body: bytes) -> CallerError:
    with pytest.raises(CallerError) as caught:
        read_request(body)
    return caught.value


def test_a_plain_request() -> None:
    request = reading()
    assert (request.model, request.stream, request.max_output) == ("claude-x", False, 64)
    assert request.text_bytes == len('[{"role": "user", "content": "héllo"}]'.encode())
    assert (request.bounded, request.objects, request.claimed_user, request.session, request.tags) == (
        True,
        (),
        "",
        "",
        {},
    )


def test_stream_is_what_the_body_says() -> None:
    assert reading(stream=True).stream
    assert not reading(stream=False).stream
    assert not reading(stream=None).stream


def test_system_tools_and_schemas_count_as_text() -> None:
    plain = reading().text_bytes
    system = [{"type": "text", "text": "Be brief."}]
    tools = [{"name": "look", "input_schema": {"type": "object"}}, {"type": "custom", "name": "b", "input_schema": {}}]
    assert reading(system=system).text_bytes == plain + len(json.dumps(system))
    assert reading(system="Be brief.").text_bytes == plain + len('"Be brief."')
    assert reading(tools=tools).text_bytes == plain + len(json.dumps(tools)) + HIDDEN_PROMPT_BYTES
    assert reading(tools=tools, system=system).bounded
    schema = {"format": {"type": "json_schema", "schema": {}}}
    assert reading(output_config=schema).text_bytes == plain + len(json.dumps(schema)) + HIDDEN_PROMPT_BYTES


TEXT_ONLY = [
    [{"type": "text", "text": "hi"}],
    [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "ab"}],
    [{"type": "tool_use", "id": "t", "name": "n", "input": {"file_id": "no", "source": {"type": "image"}}}],
    [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}],
    [
        {
            "type": "search_result",
            "source": "https://x.example",
            "title": "t",
            "content": [{"type": "text", "text": "x"}],
        }
    ],
]


@pytest.mark.parametrize("content", TEXT_ONLY)
def test_text_is_bounded(content: Any) -> None:
    request = reading(messages=[{"role": "a role to come", "content": content}])
    assert request.bounded
    assert request.objects == ()


MORE_THAN_TEXT = [
    ([{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}], ()),
    ([{"type": "document", "source": {"type": "file", "file_id": "file_1"}}], (("file", "file_1"),)),
    ([{"type": "container_upload", "file_id": "file_2"}], (("file", "file_2"),)),
    (
        [{"type": "tool_result", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_3"}}]}],
        (("file", "file_3"),),
    ),
    ([{"type": "something_new", "text": "x"}], ()),
    ([{"type": "web_search_tool_result", "content": {"type": "web_search_tool_result_error"}}], ()),
    # Forms that are no form of ours: whatever they name is checked.
    ({"type": "document", "source": {"type": "file", "file_id": "file_4"}}, (("file", "file_4"),)),
    ([["nested", {"file_id": "file_55"}]], (("file", "file_55"),)),
    ([{"type": 3, "file_id": "file_66"}], (("file", "file_66"),)),
]


@pytest.mark.parametrize("content,objects", MORE_THAN_TEXT)
def test_more_than_text_has_no_bound_and_names_its_objects(content: Any, objects: Any) -> None:
    request = reading(messages=[{"role": "user", "content": content}])
    assert not request.bounded
    assert request.objects == objects


def test_an_escaped_name_is_the_same_name() -> None:
    body = rb'{"model":"m","messages":[{"content":[{"type":"document","source":{"\u0066ile_id":"file_1"}}]}]}'
    assert read_request(body).objects == (("file", "file_1"),)


def test_binary_is_no_text() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000}}
    assert reading(messages=[{"role": "user", "content": [image]}]).text_bytes < 200


@pytest.mark.parametrize(
    "members,objects",
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, ()),
        ({"tools": [{"type": "code_execution_20260120", "name": "code"}]}, ()),
        ({"tools": [{"type": "computer_20250124", "name": "computer"}]}, ()),
        ({"mcp_servers": [{"type": "url", "url": "https://x.example"}]}, ()),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, ()),
        ({"container": "container_1"}, (("container", "container_1"),)),
        ({"container": {"id": "container_1"}}, (("container", "container_1"),)),
        (
            {
                "container": {
                    "skills": [{"type": "custom", "skill_id": "skill_1"}, {"type": "anthropic", "skill_id": "pdf"}]
                }
            },
            (("skill", "skill_1"),),
        ),
    ],
)
def test_what_runs_at_the_provider_has_no_bound(members: Any, objects: Any) -> None:
    request = reading(**members)
    assert not request.bounded
    assert request.objects == objects


def test_a_tool_may_bring_a_model_of_its_own() -> None:
    tools = [
        {"type": "advisor_20260301", "name": "advisor", "model": "claude-y"},
        {"name": "model", "input_schema": {}},
    ]
    assert reading(tools=tools).further_models == ("claude-y",)


@pytest.mark.parametrize(
    "members",
    [
        {"mcp_servers": []},
        {"container": None},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
        {"context_management": None},
        {"tools": []},
    ],
)
def test_what_is_empty_bounds_nothing(members: Any) -> None:
    assert reading(**members).bounded


def test_claude_codes_announcement_gives_session_and_user() -> None:
    announced = json.dumps({"device_id": "d" * 64, "account_uuid": "u-1", "session_id": "5e55-1"})
    request = reading(metadata={"user_id": announced})
    assert (request.claimed_user, request.session) == ("u-1", "5e55-1")
    without = json.dumps({"device_id": "dev", "account_uuid": "", "session_id": "5e55-1"})
    assert reading(metadata={"user_id": without}).claimed_user == "dev"


def test_its_older_announcement_too() -> None:
    session = "0193b2c4-5f6a-7b8c-9d0e-1f2a3b4c5d6e"
    request = reading(metadata={"user_id": f"user_ab12_account_{session[::-1]}_session_{session}"})
    assert (request.claimed_user, request.session) == (session[::-1], session)


@pytest.mark.parametrize("claimed", ["user-7", "12", '"quoted"', '{"other": 1}', "[1]"])
def test_any_other_user_id_is_a_claimed_user(claimed: str) -> None:
    request = reading(metadata={"user_id": claimed})
    assert (request.claimed_user, request.session) == (claimed, "")


def test_claims_are_cut() -> None:
    assert len(reading(metadata={"user_id": "x" * 500}).claimed_user) == 128


def test_other_strings_of_metadata_are_tags() -> None:
    many = {f"tag{n}": "v" for n in range(20)}
    assert reading(metadata={"team": "blue", "count": 3, "long": "x" * 65, "": "x"}).tags == {"team": "blue"}
    assert len(reading(metadata=many).tags) == 10


@pytest.mark.parametrize("seconds,asked", [("1h", True), ("5m", False)])
def test_the_hour_cache_is_found_anywhere(seconds: str, asked: bool) -> None:
    system = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": seconds}}]
    assert asks_hour_cache(reading(system=system)) is asked


@pytest.mark.parametrize(
    "body,reason,param",
    [
        (b"", "malformed_json", None),
        (b"[]", "malformed_json", None),
        (b'{"model": "m"', "malformed_json", None),
        (b'{"model": "\xff"}', "malformed_json", None),
        (b'{"model": "\\ud800"}', "malformed_json", None),
        (b"{}", "bad_request", "model"),
        (b'{"model": ""}', "bad_request", "model"),
        (b'{"model": 3}', "bad_request", "model"),
        (b'{"model": "m", "stream": "yes"}', "bad_request", "stream"),
        (b'{"model": "m", "max_tokens": "5"}', "bad_request", "max_tokens"),
        (b'{"model": "m", "max_tokens": -5}', "bad_request", "max_tokens"),
        (b'{"model": "m", "Model": "n"}', "ambiguous_member", "Model"),
        (b'{"model": "m", "MAX_TOKENS": 5}', "ambiguous_member", "MAX_TOKENS"),
        (b'{"model": "m", "messages": [{"content": "\\ud800"}]}', "malformed_json", None),
        (b'{"model": "m", "messages": %b%b}' % (b"[" * 5000, b"]" * 5000), "malformed_json", None),
        (
            b'{"model": "m", "messages": [{"content": %b"x"%b}]}' % (b'[{"content":' * 80, b"}]" * 80),
            "malformed_json",
            None,
        ),
    ],
)
def test_what_is_refused(body: bytes, reason: str, param: str | None) -> None:
    error = refusal(body)
    assert (error.reason, error.param) == (reason, param)


def test_the_last_of_two_members_is_read_and_sent() -> None:
    request = read_request(b'{"model": "first", "max_tokens": 1, "model": "last"}')
    assert request.model == "last"
    assert ANTHROPIC_MESSAGES.write(request, "last", False) == b'{"model":"last","max_tokens":1}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "source", "content", "file_id", "text", "input", "data"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)
members = st.dictionaries(
    st.sampled_from(["system", "messages", "tools", "metadata", "container", "mcp_servers", "context_management", "x"]),
    json_values,
    max_size=5,
)


@given(members, st.integers(0, 2**31))
def test_any_body_is_read_and_sent_alike_or_refused(given_members: dict[str, Any], max_tokens: int) -> None:
    body = {"model": "m", "max_tokens": max_tokens, **given_members}
    try:
        request = read_request(json.dumps(body).encode())
    except CallerError:
        return
    assert json.loads(ANTHROPIC_MESSAGES.write(request, "m", False)) == body
    assert json.loads(ANTHROPIC_MESSAGES.write(request, "n", True)) == {**body, "model": "n"}
    assert 0 <= request.text_bytes <= len(json.dumps(body)) + 2 * HIDDEN_PROMPT_BYTES


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(CallerError):
        read_request(body)
