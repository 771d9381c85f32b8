"""The behaviours that Durward promises of calls with an `Idempotency-Key`. The form is that of `behaviours.py`."""

from tests.behaviours import Behaviour, at

OF_ONCE = (
    Behaviour(
        "once",
        "the same call under one Idempotency-Key is carried once, and answered again byte for byte",
        at(
            "idempotency",
            "the_same_call_gets_the_same_answer_and_nothing_goes_up",
            "of_any_duplicates_one_takes_effect_and_all_answers_are_alike",
            "a_call_in_progress_is_not_carried_twice",
            "the_end_of_an_answer_waits_until_it_is_kept",
            "the_end_of_a_stream_does_not_wait_for_the_upstreams_connection",
            "a_multipart_body_is_the_same_under_another_boundary",
        ),
    ),
    Behaviour(
        "once",
        "a replay has no wider rights than the call: policy is asked before, and each agent has keys of its own",
        at("idempotency", "policy_is_asked_before_any_replay", "another_agent_has_other_keys"),
    ),
    Behaviour(
        "once",
        "a key that is none, or stands for another request, is refused",
        at("idempotency", "another_request_under_the_same_key_is_refused", "a_key_that_is_none_is_refused"),
    ),
    Behaviour(
        "once",
        "only whole answers of the call's own are kept; a write whose end nobody saw is never repeated in silence",
        at(
            "idempotency",
            "which_answers_are_kept",
            "what_tells_of_our_credential_is_not_kept",
            "a_call_that_reached_nobody_may_be_made_again",
            "a_write_whose_end_nobody_saw_is_never_repeated_in_silence",
            "a_model_call_that_was_cut_may_be_made_again",
            "a_caller_that_hangs_up_leaves_a_read_free_and_a_write_unknown",
            "of_an_answer_that_is_too_large_only_its_end_is_kept",
            "an_answer_that_cannot_be_kept_is_given_all_the_same",
        ),
    ),
    Behaviour(
        "once",
        "calls without the key, and those that only read, do not touch the store",
        at(
            "idempotency",
            "a_call_without_the_key_never_touches_the_store",
            "the_key_means_nothing_where_a_call_only_reads",
            "a_store_that_cannot_be_used_refuses_these_calls_alone",
        ),
    ),
)
