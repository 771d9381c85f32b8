"""The metrics that there are: name, kind, labels, meaning. The page serves these and no others, and the reference is made of them.

Names follow Prometheus (base units, units and `_total` as suffixes), and OpenTelemetry's conventions for generative AI where these
have one (`gen_ai.client.operation.duration` is there `gen_ai_client_operation_duration_seconds`).
"""

from pathlib import Path
from typing import Literal, NamedTuple

REFERENCE = Path("docs") / "reference" / "metrics.md"
Kind = Literal["counter", "gauge", "histogram"]


class Family(NamedTuple):
    """One metric. A counter's name is told without its `_total`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    @property
    def shown(self) -> str:
        """As it is queried."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
WHO = ("agent", "resource", "provider")

CALLS = Family("durward_calls", "counter", ("action", "agent", "resource", "outcome", "reason"), "Calls that ended.")
TOKENS = Family(
    "durward_tokens",
    "counter",
    (*WHO, "token_type"),
    "Tokens; a token is in exactly one of input, cached_input, cache_write, output, reasoning.",
)
COST = Family("durward_cost_usd", "counter", WHO, "What calls cost, in US dollars.")
UNPRICED = Family(
    "durward_unpriced_calls",
    "counter",
    WHO,
    "Calls whose price is not, or not wholly, known: cost is more than it says.",
)
UNKNOWN = Family(
    "durward_unsettled_cost_usd",
    "counter",
    WHO,
    "What was set aside for calls whose gate died: nobody knows what they cost.",
)
DURATION = Family(
    "durward_call_duration_seconds",
    "histogram",
    ("action", "outcome"),
    "From the head of a call to its last byte, refusals too.",
)
GATE = Family(
    "durward_gate_duration_seconds",
    "histogram",
    ("action",),
    "What the gate itself took of an answered call, waiting for caller and upstream left out.",
)
UPSTREAM = Family(
    "durward_upstream_duration_seconds",
    "histogram",
    ("provider",),
    "What of an answered call was not the gate's: upstream and network on both sides.",
)
FIRST_BYTE = Family(
    "durward_first_byte_duration_seconds",
    "histogram",
    ("provider",),
    "From the head of a call to the head of its answer.",
)
ATTEMPTS = Family(
    "durward_attempts",
    "counter",
    ("provider", "result"),
    "Attempts at targets; the result is the class of the answer's status (2xx, 5xx …), or the reason why none came.",
)
GEN_AI_DURATION = Family(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    (*GEN_AI, "error_type"),
    "Model calls that were sent to a provider, from head to last byte.",
)
GEN_AI_TOKENS = Family(
    "gen_ai_client_token_usage",
    "histogram",
    (*GEN_AI, "gen_ai_token_type"),
    "Tokens a model call: input with what was cached, output with reasoning.",
)
FOLDED = Family(
    "durward_folded_calls",
    "counter",
    (),
    "Calls counted under `other`, because there were too many sets of labels (2,000 in all, 200 of one agent).",
)
LAG_BYTES = Family(
    "durward_index_lag_bytes", "gauge", (), "Bytes of the journal that the index, and so this page, lacks."
)
LAG_SECONDS = Family(
    "durward_index_lag_seconds", "gauge", (), "How long ago the index last held all of the journal; 0 while it does."
)
FREE = Family("durward_data_dir_free_bytes", "gauge", (), "Room on the file system of `data_dir`.")
UP = Family("durward_up", "gauge", ("gate",), "Whether a gate answered this scrape. Gates are numbered from 0.")
CONNECTIONS = Family("durward_connections", "gauge", ("gate",), "Connections of callers.")
IN_PROGRESS = Family("durward_calls_in_progress", "gauge", ("gate",), "Calls under way, streams too.")
BODY_BYTES = Family("durward_body_bytes", "gauge", ("gate",), "Bytes of request bodies that are held.")
JOURNAL = Family(
    "durward_journal_available", "gauge", ("gate",), "Whether the journal takes lines; 0 refuses new calls."
)
REFUSED = Family(
    "durward_refused_requests",
    "counter",
    ("gate", "reason"),
    "Requests refused before anybody was identified; no record.",
)
LOOP = Family(
    "durward_loop_lag_seconds", "histogram", ("gate",), "How late the gate's event loop was, four samples a second."
)
POOL = Family(
    "durward_upstream_connections",
    "gauge",
    ("gate", "upstream", "state"),
    "Connections to an upstream: active, idle, connecting.",
)
WAITING = Family(
    "durward_upstream_waiting_calls", "gauge", ("gate", "upstream"), "Calls that wait for a connection to an upstream."
)
EXCHANGES = Family(
    "durward_upstream_exchanges",
    "counter",
    ("gate", "event"),
    "Connections to upstreams that were opened, reused, retried because they had closed, or refused by a bound.",
)
BREAKER = Family(
    "durward_upstream_breaker",
    "gauge",
    ("gate", "upstream", "state"),
    "1 for the state that an upstream's breaker is in.",
)
EJECTIONS = Family("durward_upstream_ejections", "counter", ("gate", "upstream"), "How often an upstream was ejected.")
TURNED_AWAY = Family(
    "durward_turned_away_calls",
    "counter",
    ("gate", "reason"),
    "Calls that a gate with too much to do refused, by class or bound.",
)
MEMORY_SHARE = Family(
    "durward_memory_ratio", "gauge", ("gate",), "What part of the memory that it may have a gate has; see `overload`."
)
STARTS = Family("durward_process_starts", "counter", ("process",), "How often gates and office were started.")
MEMORY = Family(
    "durward_process_memory_bytes", "gauge", ("process", "pid"), "Resident memory of our processes (Linux)."
)
CPU = Family("durward_process_cpu_seconds", "counter", ("process", "pid"), "Processor time of our processes (Linux).")
RELOADS = Family("durward_config_reloads", "counter", (), "Changed configurations that were taken over.")
CONFIG_OK = Family(
    "durward_config_current", "gauge", (), "Whether the file as it is now is in force; 0: it was refused, see the log."
)

FAMILIES: tuple[Family, ...] = tuple(each for each in globals().copy().values() if isinstance(each, Family))


def page() -> str:
    """The reference page."""
    rows = [
        f"| `{each.shown}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.meaning} |"
        for each in FAMILIES
    ]
    return "\n".join([HEAD, *rows, ""])


def write(root: Path) -> None:
    """Write the reference below a checkout."""
    (root / REFERENCE).write_text(page(), "utf-8")


HEAD = """# Metrics

What `/metrics` on the admin listener serves; [how to scrape it](../metrics.md). Generated by `scripts/reference`.

| metric | kind | labels | meaning |
|---|---|---|---|"""
