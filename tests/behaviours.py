"""The behaviours that Durward promises, by stage, protocol and streaming, each with the test that holds it.

`test_behaviours.py` enforces it both ways: each behaviour names tests that exist, each playbook is named by a behaviour, and no cell of
the matrix is empty without a reason.
"""

from typing import NamedTuple

STAGES = ("identify", "resolve", "authorize", "once", "route", "credential", "send", "answer", "meter", "record")
PROTOCOLS = (
    *("openai_chat", "openai_responses", "openai_embeddings", "anthropic", "anthropic_count"),
    *("gemini", "gemini_embed", "gemini_count", "provider", "http"),
)
MODES = ("plain", "streamed")
MODELS = PROTOCOLS[:8]
OPAQUE = PROTOCOLS[8:]
NO_STREAM = {
    "openai_embeddings": "embeddings are answered whole",
    "anthropic_count": "a count is answered whole",
    "gemini_embed": "embeddings are answered whole",
    "gemini_count": "a count is answered whole",
}
"""Protocols that have no streamed form, and why."""
NOT_THERE = {
    (
        "route",
        "provider",
    ): "a route that names no model has one target: the default of its wire, or the provider in its address",
    ("route", "http"): "an API has one base URL",
    ("meter", "provider"): "what is not inference has no tokens and no price yet",
    ("meter", "http"): "an API has no price yet",
}
"""Stage and protocol where nothing is promised, and why."""


class Behaviour(NamedTuple):
    """One promise, where it holds, and the tests that hold it: `file::function` below tests/."""

    stage: str
    promise: str
    tests: tuple[str, ...]
    protocols: tuple[str, ...] = PROTOCOLS
    modes: tuple[str, ...] = MODES


def at(file: str, *functions: str) -> tuple[str, ...]:
    return tuple(f"playbooks/test_{file}.py::test_{function}" for function in functions)


def by_itself(*functions: str) -> tuple[str, ...]:
    return tuple(f"test_gateway.py::test_{function}" for function in functions)


BEHAVIOURS = (
    Behaviour(
        "identify",
        "a stranger gets nowhere and leaves no record",
        (
            *at("every_mode", "a_stranger_gets_nowhere_and_leaves_no_record"),
            *at("model_calls", "a_stranger_leaves_no_record"),
        ),
    ),
    Behaviour(
        "identify",
        "the key may come in every place where an SDK puts it, and keys that differ are refused",
        at(
            "credentials",
            "every_carrier_of_the_key_is_taken_out",
            "geminis_key_parameter_is_taken_out_of_the_query",
            "elsewhere_a_key_parameter_is_the_apis_own",
            "keys_that_differ_are_refused_in_the_wire_that_is_spoken",
            "two_keys_in_a_gemini_query_are_refused_in_geminis_wire",
            "durward_key_wins_and_the_other_carriers_are_dropped",
        ),
    ),
    Behaviour(
        "identify",
        "what is known of a head is never believed for another key or configuration",
        by_itself(
            "a_rotated_key_is_unknown_on_the_connection_it_was_known_on",
            "a_memo_of_another_snapshot_is_not_believed",
            "two_calls_on_one_head_are_two_calls",
        ),
    ),
    Behaviour(
        "resolve",
        "every wire and mode names its resource, by alias, name or provider",
        at(
            "wires",
            "an_alias_goes_up_under_the_name_it_stands_for",
            "a_provider_can_be_named_in_the_address",
            "accept_decides_nothing",
            "a_response_whose_model_a_stored_prompt_chooses",
            "a_name_that_is_no_name_is_refused_before_it_is_kept",
        ),
        MODELS,
    ),
    Behaviour(
        "resolve",
        "a model that is not there, or speaks another wire, is answered with what to ask instead",
        at(
            "model_calls",
            "a_model_of_another_wire_names_the_path_that_speaks_it",
            "an_unknown_model_is_answered_with_the_nearest_this_agent_may_use",
        ),
        MODELS,
    ),
    Behaviour(
        "resolve",
        "provider routes and APIs are resources by method and decoded path",
        (
            *at(
                "objects",
                "provider_routes_need_a_rule_of_their_own",
                "routes_without_a_model_go_to_the_default_provider_of_their_wire",
                "an_unknown_provider_in_the_address",
            ),
            *at(
                "apis",
                "any_method_goes_through_with_the_credential",
                "the_effect_follows_from_the_method_unless_the_operator_says_otherwise",
                "patterns_match_the_decoded_path_and_the_path_is_sent_as_it_came",
                "a_path_with_two_readings_is_refused",
                "an_unknown_api_is_not_found",
                "other_addresses_are_not_found_and_leave_no_record",
                "health_needs_no_key_and_readiness_follows_journal_and_stop",
            ),
        ),
        OPAQUE,
    ),
    Behaviour(
        "resolve",
        "a listing shows what the agent may use, in the shape of the wire that asks",
        at(
            "listings",
            "exact_names_of_the_wire_that_asks",
            "the_three_shapes",
            "wildcards_show_what_the_provider_lists_and_they_cover",
            "without_a_list_of_models_the_default_provider_tells",
            "the_providers_list_is_kept_five_minutes",
            "a_stale_list_serves_while_the_provider_fails",
            "a_provider_that_never_told_shows_nothing",
            "callers_that_wait_ask_once",
            "a_caller_that_leaves_spoils_it_for_nobody",
            "a_listing_waits_no_longer_than_its_bound",
            "a_listing_is_cut_to_what_the_agent_may_use",
            "each_agent_sees_its_own",
            "any_of_three_uses_is_enough_and_listing_needs_no_rule",
            "a_rule_for_requests_shows_no_model",
            "one_name",
            "one_name_that_is_not_shown_is_not_there",
            "a_name_with_slashes_is_one_name",
            "a_providers_own_address_lists_its_own_names",
            "the_gates_own_credential_asks_and_never_the_callers",
            "head_of_a_listing",
        ),
        modes=("plain",),
    ),
    Behaviour(
        "authorize",
        "what no rule allows reaches no upstream; deny wins; observe only records",
        (
            *at(
                "every_mode",
                "what_no_rule_allows_reaches_no_upstream_and_is_recorded",
                "a_deny_rule_wins_over_every_allow_rule",
                "observe_lets_it_pass_and_records_what_it_would_have_denied",
            ),
            *at("model_calls", "a_denied_call_reaches_no_upstream", "observe_records_the_denial_and_lets_it_pass"),
            *at("apis", "a_denied_call_is_a_problem_that_names_the_rule"),
        ),
    ),
    Behaviour(
        "authorize",
        "every further model that a body offers is judged",
        at(
            "further_models",
            "a_denied_model_cannot_be_reached_behind_an_allowed_one",
            "a_model_that_no_rule_allows_cannot_either",
            "a_model_that_is_not_configured_cannot_either",
            "an_advisor_is_asked_for_too",
            "under_a_providers_own_address_the_names_are_its_own",
            "observe_records_the_denial_of_a_further_model",
            "a_plain_call_right_before_changes_nothing",
            "names_without_end_are_refused",
        ),
        ("openai_chat", "anthropic"),
    ),
    Behaviour(
        "authorize",
        "a stored object is its maker's, and to everybody else it does not exist",
        (
            *at(
                "objects",
                "what_an_agent_creates_is_its_own",
                "the_owner_is_written_before_the_answer_is_shown",
                "an_answer_that_says_nothing_of_objects_owns_nothing",
                "the_upstream_is_asked_for_bytes_that_can_be_read",
                "lists_would_join_the_objects_of_all_agents",
                "a_shared_provider_has_no_owners",
                "ids_in_a_body_are_checked_as_those_in_an_address",
                "of_a_repeated_member_both_ids_are_checked",
                "of_a_repeated_member_of_a_model_call_the_one_that_is_read_is_the_one_that_is_sent",
                "no_declared_type_hides_an_id",
                "a_compressed_body_hides_no_id_either_and_goes_on_as_it_was_read",
                "what_a_provider_makes_of_an_object_belongs_to_its_owner",
                "a_stream_shows_an_id_no_sooner_than_its_owner_is_known",
                "a_plain_response_belongs_to_its_caller_and_one_that_is_not_stored_to_nobody",
                "the_same_id_at_another_provider_is_another_object",
                "an_agent_of_the_same_name_in_another_tenant_is_a_stranger",
            ),
            *at("ends", "an_object_that_cannot_be_claimed_is_not_shown"),
        ),
        ("openai_chat", "openai_responses", "anthropic", "gemini", "provider"),
    ),
    Behaviour(
        "route",
        "where the first target cannot be reached the next one answers",
        at("every_mode", "the_next_target_answers_where_the_first_cannot_be_reached"),
        MODELS,
    ),
    Behaviour(
        "credential",
        "the credential goes up, the agent's key does not, and neither goes elsewhere",
        (
            *at(
                "every_mode",
                "the_credential_goes_up_and_the_agents_key_does_not",
                "a_credential_that_is_missing_stops_the_call",
            ),
            *at(
                "credentials",
                "the_credential_goes_up_in_place_of_the_agents_key",
                "a_missing_credential_is_told_and_nothing_is_sent",
                "credential_caller_passes_on_the_callers_own_login",
                "credential_caller_never_passes_on_the_agents_key",
                "the_callers_login_goes_to_the_target_that_wants_it_alone",
                "a_caller_cannot_put_a_value_of_its_own_beside_the_credential",
            ),
        ),
    ),
    Behaviour(
        "send",
        "a model call goes up as it was read",
        (
            *at("wires", "what_goes_up_says_what_the_caller_said", "a_compressed_request_goes_on_as_it_was_read"),
            *at("model_calls", "what_passes_on_and_what_does_not"),
        ),
        MODELS,
    ),
    Behaviour(
        "send",
        "other bodies pass as they come, within their limit",
        at(
            "apis",
            "bodies_stream_both_ways_as_they_come",
            "a_known_length_is_told_upstream_and_an_unknown_one_is_chunked",
            "the_body_limit_is_the_apis_own",
            "a_chunked_body_is_cut_where_it_passes_the_limit",
            "content_codings_are_the_affair_of_caller_and_api",
            "cookies_pass_both_ways_here_and_nowhere_else",
        ),
        OPAQUE,
    ),
    Behaviour(
        "send",
        "what is said to the gate stays there, and a trace goes on",
        at("credentials", "durward_user_and_every_other_word_to_the_gate_stay_here", "a_trace_goes_on_with_our_span"),
    ),
    Behaviour(
        "send",
        "no answer is told as what it is; a caller that hangs up cancels the upstream",
        (
            *at("every_mode", "no_answer_is_told_as_what_it_is", "what_a_stopping_gate_does_not_wait_for_is_told_so"),
            *at("every_mode", "a_caller_that_hangs_up_cancels_the_upstream_and_is_recorded"),
            *at("model_calls", "a_caller_that_hangs_up_cancels_the_upstream_and_is_settled"),
            *at("apis", "an_api_that_cannot_be_reached"),
        ),
    ),
    Behaviour(
        "answer",
        "bytes pass unchanged, however they are cut into reads",
        at(
            "wires",
            "bytes_pass_unchanged_and_the_call_is_settled_before_its_end",
            "an_upstreams_own_error_passes_unchanged_and_costs_nothing",
            "however_a_stream_is_cut_into_reads_the_caller_and_the_record_get_the_same",
            "a_plain_answer_to_a_streamed_request_is_read_all_the_same",
            "a_streamed_answer_that_nobody_asked_for_is_followed_all_the_same",
        ),
        MODELS,
    ),
    Behaviour(
        "answer",
        "opaque bytes pass unchanged, and no byte of ours stands in them",
        (
            *at("apis", "whatever_the_api_answers_passes_unchanged"),
            *at(
                "ends",
                "no_byte_of_ours_stands_in_a_cut_body",
                "a_model_answer_too_large_to_be_read_is_cut_without_a_word_too",
                "head_tells_the_length_that_the_upstream_tells",
                "head_on_a_provider_route_tells_it_too",
                "an_answer_without_a_body_is_settled_before_it_ends",
            ),
        ),
        OPAQUE,
    ),
    Behaviour(
        "answer",
        "a refusal has the shape of the caller's wire",
        at("refusals", "a_refusal_is_told_in_the_callers_wire", "no_golden_file_is_left_over"),
        modes=("plain",),
    ),
    Behaviour(
        "answer",
        "an error inside a stream has the shape of that stream, and no terminal event follows",
        (
            *at("refusals", "an_error_inside_a_stream_is_told_in_the_callers_wire"),
            *at(
                "ends",
                "how_the_upstream_ends_behind_the_terminal_event_is_no_news_to_the_caller",
                "an_error_inside_a_gemini_array_is_an_element_that_leaves_the_array_open",
                "an_error_inside_a_gemini_event_stream_is_an_event",
                "a_journal_that_fills_up_keeps_the_end_of_a_gemini_answer_back",
                "half_an_event_does_not_swallow_the_error_behind_it",
                "half_an_element_does_not_break_the_array_before_the_error",
            ),
            *at(
                "model_calls",
                "a_cut_stream_ends_with_the_wires_own_error_and_no_terminal_event",
                "an_error_inside_a_stream_is_a_failed_call_that_passes_unchanged",
                "silence_gets_an_empty_line_between_events_and_only_there",
            ),
        ),
        MODELS,
        ("streamed",),
    ),
    Behaviour(
        "meter",
        "tokens are the provider's own, and the price is known or unknown, never guessed",
        (
            *at("wires", "the_operators_price_holds_in_every_wire", "an_unknown_price_is_unknown_and_not_zero"),
            *at(
                "model_calls",
                "prices_of_the_operator_hold_and_a_worst_case_is_reserved",
                "an_answer_without_usage_is_estimated",
            ),
        ),
        MODELS,
    ),
    Behaviour(
        "meter",
        "a chat stream is asked for usage, and a caller that had not asked does not see it",
        at("model_calls", "a_caller_that_asked_for_usage_gets_it", "usage_as_is_asks_for_nothing"),
        ("openai_chat",),
        ("streamed",),
    ),
    Behaviour(
        "meter",
        "a call that offers several models is priced by the one that answered",
        at(
            "further_models",
            "the_price_is_that_of_the_model_that_answered",
            "a_stream_is_priced_by_the_model_that_answered_too",
        ),
        ("openai_chat", "anthropic"),
    ),
    Behaviour(
        "record",
        "each call has one record, opened before it goes up and closed before its end",
        (
            *at(
                "every_mode",
                "the_record_is_opened_before_the_call_goes_up_and_closed_before_its_end",
                "without_a_journal_nothing_goes_up",
            ),
            *at(
                "model_calls",
                "a_plain_call_is_settled_before_it_is_answered",
                "a_stream_is_settled_before_its_terminal_event",
                "a_full_journal_refuses_before_anything_is_sent",
                "a_journal_that_fills_up_keeps_the_terminal_event_back",
                "a_bug_is_a_500_and_a_record_and_is_seen",
            ),
            *by_itself("whatever_happens_each_call_has_one_record_and_one_answer"),
        ),
    ),
)
