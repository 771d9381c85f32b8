"""The reference is generated, fresh, and complete."""

import json
from pathlib import Path

import pytest

from durward.config import reasons
from durward.config.explain import sections
from durward.config.later import LATER
from durward.config.reference import FOLDER, PAGE, SCHEMA, page, schema, write
from durward.config.schema import members

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name,text", [(PAGE, page()), (SCHEMA, schema()), (reasons.PAGE, reasons.page())])
def test_the_files_are_fresh(name: str, text: str) -> None:
    assert (ROOT / FOLDER / name).read_text("utf-8") == text, "run scripts/reference"


def test_all_files_are_written(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {PAGE, SCHEMA, reasons.PAGE}


def test_every_key_is_documented() -> None:
    text = page()
    for where, section in sections():
        assert where == "the top" or f"`{where}`" in text
        assert all(f"| `{name}` |" in text for name in members(section))
    assert all(f"| `{key}` |" in text for key in LATER)
    assert "see below |  |  |" not in text


def test_editors_get_no_more_and_no_less_than_the_keys() -> None:
    read = json.loads(schema())
    assert "x-form" not in schema()
    assert read["additionalProperties"] is False
    top = next(section for where, section in sections() if where == "the top")
    assert set(read["properties"]) == set(top.model_fields)
    for name, section in (("listen", "Listener"), ("outbound_proxy", "OutboundProxy")):
        assert read["properties"][name]["anyOf"][:2] == [{"type": "string"}, {"$ref": f"#/$defs/{section}"}]
        assert read["$defs"][section]["additionalProperties"] is False
    assert "except" in read["$defs"]["OutboundProxy"]["properties"]
    assert all(definition["additionalProperties"] is False for definition in read["$defs"].values())
