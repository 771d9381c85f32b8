"""How deny rules see a target."""

from durward.calls.resource import Target


def test_a_target_is_a_model_of_its_upstream() -> None:
    assert Target("openrouter", "openai/gpt-4o").resource == "model/openrouter/openai/gpt-4o"
