"""The shape of the file: what is absent, what is empty, and that all has a default and a meaning."""

import pytest
from pydantic import ValidationError

from durward.config.explain import sections
from durward.config.schema import Credential, File, Reference, Section, members


def test_everything_has_a_default() -> None:
    assert File.model_validate({}) == File.model_validate(None)
    file = File.model_validate({})
    assert (file.listen.address, file.data_dir, file.mode, file.models) == (
        "127.0.0.1:7300",
        ".durward",
        "enforce",
        None,
    )


def test_a_key_with_nothing_behind_it_is_not_written() -> None:
    empty = dict.fromkeys(members(File))
    assert File.model_validate(empty) == File.model_validate({"models": {}})


def test_an_unknown_key_is_one_even_with_nothing_behind_it() -> None:
    with pytest.raises(ValidationError):
        File.model_validate({"nope": None})


def test_empty_models_are_none_and_not_any() -> None:
    assert File.model_validate({"models": None}).models == {}
    assert File.model_validate({}).models is None


@pytest.mark.parametrize(
    "written,read",
    [
        ("env:X", Reference.model_construct(template="${env:X}")),
        ("caller", Reference.model_construct(template="caller")),
        ({"header": "X-K", "value": "${env:X}"}, Credential(header="X-K", value="${env:X}")),
    ],
)
def test_forms_of_a_credential(written: object, read: object) -> None:
    file = File.model_validate({"apis": {"a": {"base_url": "https://h", "credential": written}}})
    assert file.apis["a"].credential == read


@pytest.mark.parametrize("section", [section for _, section in sections()], ids=lambda section: section.__name__)
def test_every_member_says_what_it_means(section: type[Section]) -> None:
    assert section.__doc__
    assert all(field.description for field in section.model_fields.values())
