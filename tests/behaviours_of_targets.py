"""The behaviours that Durward promises where a call has several targets, or its target fails. The form is that of `behaviours.py`."""

from tests.behaviours import MODELS, Behaviour


def tried(*functions: str) -> tuple[str, ...]:
    return tuple(f"test_attempts.py::test_{function}" for function in functions)


OF_TARGETS = (
    Behaviour(
        "route",
        "targets are tried in order until one answers, and none twice where it may have acted",
        tried(
            "the_next_target_is_tried_before_the_first_byte",
            "what_may_have_been_acted_on_is_not_tried_again",
            "the_last_targets_failure_passes_unchanged",
        ),
        MODELS,
    ),
    Behaviour(
        "route",
        "a target that keeps failing comes last until a probe is answered, and no model is without one for it",
        tried(
            "a_target_that_keeps_failing_is_left_out_until_a_probe_is_answered",
            "a_sole_target_that_keeps_failing_is_tried_ten_times_a_second_and_the_rest_fails_fast",
            "a_request_that_brings_the_upstream_down_again_and_again_shuts_out_nobody",
            "what_is_known_of_an_upstream_outlives_a_reload",
        ),
        MODELS,
    ),
    Behaviour(
        "route",
        "a target that asks to wait comes later for as long as it says, and its own refusal passes unchanged",
        tried(
            "a_target_that_asked_to_wait_is_tried_later_for_so_long",
            "how_long_a_target_waits",
            "a_sole_target_is_asked_though_it_waits_and_its_refusal_passes_unchanged",
            "callers_own_credentials_have_limits_of_their_own",
        ),
        MODELS,
    ),
    Behaviour(
        "route",
        "further attempts have a budget, beyond which a call ends with the failure that it had",
        tried(
            "a_retry_storm_is_bounded",
            "beyond_the_budget_a_call_ends_with_the_failure_that_it_had_and_its_record_says_so",
        ),
        MODELS,
    ),
)
