"""Every metric is documented, and named as Prometheus wants it."""

import re
from pathlib import Path

from durward.office import families
from durward.office.families import FAMILIES

ROOT = Path(__file__).parent.parent.parent
UNITS = ("_seconds", "_bytes", "_usd", "_token_usage")


def test_the_reference_is_what_is_generated() -> None:
    assert (ROOT / families.REFERENCE).read_text("utf-8") == families.page(), "run scripts/reference"


def test_names_are_ours_or_those_of_the_conventions() -> None:
    assert len({each.name for each in FAMILIES}) == len(FAMILIES) > 30
    for each in FAMILIES:
        assert re.fullmatch(r"(durward|gen_ai_client)_[a-z_]+", each.name)
        assert not each.name.endswith("_total")
        assert each.kind != "histogram" or each.name.endswith(UNITS)
        assert each.meaning.endswith(".")
