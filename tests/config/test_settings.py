import msgspec
import pytest

from durward.config.demo import demo_settings
from durward.config.settings import read_settings, settings_json


def test_settings_cross_a_process_boundary_unchanged() -> None:
    settings = demo_settings(1, 2, "ab" * 32, "127.0.0.1:0", "/d")
    content = settings_json(settings)
    assert b"\n" not in content
    assert read_settings(content) == settings


@pytest.mark.parametrize("content", [b"", b"{}", b'{"listen": 5, "data_dir": "/d"}', b"[]"])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_settings(content)
