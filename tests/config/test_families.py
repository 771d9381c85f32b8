import msgspec

from durward.config.families import PRICE_TABLES
from durward.metering.families import HOSTS
from durward.metering.table import TABLE


def test_the_names_are_those_of_the_table() -> None:
    families = msgspec.json.decode(TABLE.read_bytes())["families"]
    assert sorted(families) == list(PRICE_TABLES)
    assert set(HOSTS.values()) <= set(PRICE_TABLES)
