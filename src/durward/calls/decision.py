"""What policy says of a call, and why."""

from typing import Literal

import msgspec


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Allow or deny, with the rule that decided (None: nothing matched, so deny).

    `enforced` is False for a denial that `mode: observe` only records.
    """

    verdict: Literal["allow", "deny"]
    rule: str | None
    message: str = ""
    enforced: bool = True

    @property
    def allows(self) -> bool:
        return self.verdict == "allow" or not self.enforced
