"""What an agent is shown of the models; what listings look like is in `playbooks/test_listings.py`."""

from durward.calls.principal import Principal
from durward.calls.resource import Action, Resource
from durward.config.settings import Rule, Selector
from durward.listings import LISTED, shows
from durward.snapshot import Snapshot
from tests.playbooks.world import Shelf, Still, settings


def test_a_model_is_shown_to_whom_may_use_it_in_any_way() -> None:
    rules = (
        Rule("counts", "allow", Selector(resources=("model/counted",), actions=("count",))),
        Rule("asks", "allow", Selector(resources=("model/asked",), actions=("request",))),
    )
    snapshot = Snapshot(settings(policies=rules), {"CRM_TOKEN": "x"}, Shelf(), Still())
    may = shows(snapshot, Principal("carol"))
    generate: Action = "generate"
    assert [may(Resource(f"model/{name}", generate, "read")) for name in ("counted", "asked", "other")] == [
        True,
        False,
        False,
    ]
    assert set(LISTED) == {"generate", "embed", "count"}
