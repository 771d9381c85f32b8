"""What responses are made of, whole or streamed, as far as the gate reads it.

Apart from what reads them: compiled modules define no Structs.
"""

import msgspec

from durward.protocols.openai_usage_shapes import NOTHING, Count

RUNNING = frozenset({"queued", "in_progress"})


class Action(msgspec.Struct, gc=False):
    """What a tool of the provider did."""

    type: str | None = None


class Item(msgspec.Struct, gc=False):
    """One item of the output."""

    type: str = ""
    id: str | None = None
    name: str | None = None
    container_id: str | None = None
    action: msgspec.Raw = NOTHING


class Searches(msgspec.Struct, gc=False):
    """How often a model searched."""

    num_requests: Count = None


class ToolUsage(msgspec.Struct, gc=False):
    """Uses of the provider's own tools."""

    web_search: Searches | None = None


class Told(msgspec.Struct, gc=False):
    """A response object, or what is known of one while it streams."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    store: bool | None = None
    output: list[Item] | None = None
    usage: msgspec.Raw = NOTHING
    service_tier: str | None = None
    tool_usage: ToolUsage | None = None

    @property
    def settled(self) -> bool:
        """False while the response goes on in the background."""
        return self.status not in RUNNING


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str = ""
    delta: str | None = None
    item: Item | None = None
    response: Told | None = None
