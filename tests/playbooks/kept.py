"""An `AnswerStore` in memory: what `answers.db` promises, without a file, a thread or a seal."""

from durward.calls.errors import CallerError
from durward.calls.once import KeptAnswer, Once


class Kept:
    """Rows by scope: the call that began it, its state ("progress", "done", "not_kept", "unknown"), its answer."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], tuple[Once, str, KeptAnswer | None]] = {}
        self.asked = 0

    async def begin(self, once: Once) -> KeptAnswer | None:
        self.asked += 1
        scope = (once.tenant, once.agent, once.address, once.key)
        found = self.rows.get(scope)
        if found is None:
            self.rows[scope] = (once, "progress", None)
            return None
        before, state, answer = found
        if before.digest != once.digest:
            raise CallerError("Another request.", reason="idempotency_mismatch")
        if state == "done":
            return answer
        raise CallerError(
            "No answer.", reason={"progress": "idempotency_in_progress"}.get(state, f"idempotency_{state}")
        )

    async def keep(self, once: Once, answer: KeptAnswer | None) -> None:
        self._end(once, "not_kept" if answer is None else "done", answer)

    def leave(self, once: Once, unknown: bool) -> None:
        self._end(once, "unknown" if unknown else "", None)

    def _end(self, once: Once, state: str, answer: KeptAnswer | None) -> None:
        for scope, (before, now, _) in list(self.rows.items()):
            if before.call == once.call and now == "progress":
                del self.rows[scope]
                if state:
                    self.rows[scope] = (before, state, answer)
