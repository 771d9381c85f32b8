"""What policy says of a call, and why."""

from typing import Literal

Verdict = Literal["allow", "deny"]


class Decision:
    """Allow or deny, with the rule that decided (None: nothing matched, so deny). A value: never changed.

    `enforced` is False for a denial that `mode: observe` only records.
    """

    __slots__ = ("allows", "enforced", "message", "rule", "verdict")

    def __init__(self, verdict: Verdict, rule: str | None, message: str = "", *, enforced: bool = True) -> None:
        self.verdict: Verdict = verdict
        self.rule = rule
        self.message = message
        self.enforced = enforced
        self.allows = verdict == "allow" or not enforced
        """Whether the call may go on."""

    def _told(self) -> tuple[str, str | None, str, bool]:
        return self.verdict, self.rule, self.message, self.enforced

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def __repr__(self) -> str:
        return f"Decision{self._told()!r}"
