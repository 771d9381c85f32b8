"""What is decoded of Anthropic's requests: the members that matter here, all others passed over."""

import msgspec

from durward.protocols.anthropic_blocks import Content


class Message(msgspec.Struct, gc=False):
    """A message of a request."""

    content: Content = None


class Tool(msgspec.Struct, gc=False):
    """A tool that the request offers."""

    type: str | None = None
    model: str | None = None
    """The model that a tool asks at the provider (the advisor)."""


class Edit(msgspec.Struct, gc=False):
    """One way in which the provider may change the context."""

    type: str | None = None


class Skill(msgspec.Struct, gc=False):
    """A skill that a container is given."""

    skill_id: str = ""
    type: str = ""


class Container(msgspec.Struct, gc=False):
    """Where the provider is to run code: an old place, skills for it, or both."""

    id: str | None = None
    skills: list[Skill] | None = None


class Edits(msgspec.Struct, gc=False):
    """What the provider may do to the context."""

    edits: list[Edit] | None = None


class Announced(msgspec.Struct, gc=False):
    """What Claude Code puts into `metadata.user_id`, as JSON in a string."""

    session_id: str | None = None
    account_uuid: str | None = None
    device_id: str | None = None
