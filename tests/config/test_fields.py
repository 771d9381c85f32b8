from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from durward.config import fields


@pytest.mark.parametrize(
    "kind,good,bad",
    [
        (fields.Name, "a", "a b"),
        (fields.Duration, "2s", 2),
        (fields.Size, "1MiB", 1),
        (fields.Usd, 1, "1"),
        (fields.Digest, "sha256:" + "a" * 64, "a" * 64),
        (fields.Listen, "h:1", "h"),
        (fields.BaseUrl, "https://h", "h"),
        (fields.HeaderName, "X-Key", "Host"),
        (fields.Template, "a ${env:X}", "a"),
        (fields.ResourcePattern, "model/*", "x"),
        (fields.PricePattern, "model/*", "api/*"),
        (fields.NamePattern, "a*", "a b"),
        (fields.EffectKey, "POST /x", "POST"),
        (fields.Version, 1, 2),
        (fields.Mode, "observe", "watch"),
        (fields.Protocol, "demo", "grpc"),
        (fields.PriceTable, "openai", "opnai"),
        (fields.Strategy, "ordered", "weighted"),
        (fields.Payloads, "none", "full"),
        (fields.AnyEffect, "*", "r*"),
        (fields.AnyAction, "generate", "chat"),
        (fields.Names, ["a"], []),
    ],
)
def test_every_type_takes_the_one_and_refuses_the_other(kind: Any, good: object, bad: object) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    adapter.validate_python(good, strict=True)
    with pytest.raises(ValidationError):
        adapter.validate_python(bad, strict=True)
