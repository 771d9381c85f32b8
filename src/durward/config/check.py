"""What holds between members of the file: names that exist, things said once, patterns that something can match.

It reads nodes, not the validated schema, so that it finds every mistake even where parts of the file are wrong.
"""

from collections.abc import Iterable, Iterator

from durward.config import grammar, places
from durward.config.mistakes import Mistake, Span, Wrong, nearest, quoted, suggest
from durward.config.nodes import Node
from durward.config.resources import KINDS

MOST_ANSWER = 16 * 2**20
DEFAULT_ANSWER = 2**20
NOTHING = Node("mapping", Span(0, 0, 1))


def check(root: Node) -> Iterator[Mistake]:
    """Every mistake between members."""
    for part in (emptied, admin, idempotency, providers, models, policies, agents, prices):
        yield from part(root)


def section(root: Node, name: str) -> Node:
    """A mapping or list at the top of the file, empty where there is none."""
    return root.get(name) or NOTHING


def key_span(node: Node, key: str) -> Span:
    """Where a key stands."""
    return node.entries[key][0].span


def unknown(kind: str, node: Node, name: str, known: Iterable[str], none: str) -> Mistake:
    """A name that nothing in the file has."""
    choices = list(known)
    return Mistake(node.span, f"there is no {kind} {quoted(name)}", suggest(name, choices) if choices else none)


def emptied(root: Node) -> Iterator[Mistake]:
    """Keys that must not be taken for absent where nothing stands behind them: what they promise would be missing unnoticed."""
    for path in (("listen", "tls"), ("listen", "tls", "client_ca"), ("outbound_proxy",)):
        node, outer = root.get(*path), root.get(*path[:-1])
        if node is not None and outer is not None and node.empty:
            yield Mistake(
                key_span(outer, path[-1]),
                f"nothing stands behind `{path[-1]}`",
                "Write what it is to be, or leave it out.",
            )


def admin(root: Node) -> Iterator[Mistake]:
    """An address of its own; open to nobody but this machine."""
    node = root.get("admin") or NOTHING
    place = node if node.kind != "mapping" else node.get("address")
    address = place.string() if place is not None else None
    listener = root.get("listen", "address") or root.get("listen")
    if place is not None and address and listener is not None and address == listener.string() and _has_port(address):
        yield Mistake(place.span, "agents connect at this address", "Give `admin` another port.")
    metrics = node.get("metrics") if node.kind == "mapping" else None
    if metrics is not None and metrics.string() == "open" and address and not places.is_loopback(address):
        yield Mistake(
            metrics.span,
            "metrics may be open on a loopback address only",
            "Leave `metrics` out and give the scraper the token, or listen on 127.0.0.1.",
        )


def _has_port(address: str) -> bool:
    return address.rpartition(":")[2].strip("0") != ""


def idempotency(root: Node) -> Iterator[Mistake]:
    """One answer fits among all, and into memory."""
    node = root.get("idempotency", "max_answer")
    one, most = _size(node), _size(root.get("idempotency", "max_bytes"))
    if node is not None and one is not None and one > MOST_ANSWER:
        yield Mistake(
            node.span, "one kept answer may have 16MiB at most", "Calls with larger ones stay known as complete."
        )
    elif most is not None and most < 2 * (one or DEFAULT_ANSWER):
        span = key_span(root.get("idempotency") or NOTHING, "max_bytes")
        yield Mistake(span, "`max_bytes` has no room for two answers", "Raise it, or lower `max_answer`.")


def _size(node: Node | None) -> int | None:
    """A size, None where there is none, or none that can be read."""
    text = node.string() if node is not None else None
    try:
        return grammar.size(text) if text is not None else None
    except Wrong:
        return None


def providers(root: Node) -> Iterator[Mistake]:
    """One default a wire; no credential for the demo."""
    defaults: dict[str, str] = {}
    for name, _, node in section(root, "providers").pairs():
        protocol = (node.get("protocol") or NOTHING).string()
        if protocol == "demo" and node.get("credential") is not None:
            yield Mistake(key_span(node, "credential"), "a demo provider takes no credential", "Leave it out.")
        default = node.get("default")
        if protocol is None or default is None or default.value() is not True:
            continue
        if protocol in defaults:
            message = f"the {protocol} wire has two defaults: {quoted(defaults[protocol])} and {quoted(name)}"
            yield Mistake(key_span(node, "default"), message, "Keep one.")
        defaults.setdefault(protocol, name)


def models(root: Node) -> Iterator[Mistake]:
    """Each model has a provider or targets, and they exist."""
    known = list(section(root, "providers").entries)
    for _, key, node in section(root, "models").pairs():
        if node.kind != "mapping" and not node.empty:
            continue
        yield from _model_form(key, node)
        targets = node.get("targets") or NOTHING
        for named in (node.get("provider"), *(target.get("provider") for target in targets.items)):
            name = named.string() if named is not None else None
            if named is not None and name is not None and name not in known:
                yield unknown("provider", named, name, known, "The file has no `providers`.")


def _model_form(key: Node, node: Node) -> Iterator[Mistake]:
    has = {member for member in ("provider", "targets", "model", "strategy") if node.get(member) is not None}
    if {"provider", "targets"} <= has:
        yield Mistake(
            key_span(node, "targets"), "a model has a `provider` or `targets`, not both", "Make the provider a target."
        )
    elif not {"provider", "targets"} & has:
        yield Mistake(
            key.span,
            "this model has no `provider` and no `targets`",
            "Write {provider: <name>}, or targets: [{provider: <name>}, …].",
        )
    if "model" in has and "provider" not in has:
        yield Mistake(key_span(node, "model"), "`model` belongs to a `provider`", "Write it inside each target.")
    if "strategy" in has and "targets" not in has:
        yield Mistake(key_span(node, "strategy"), "a `strategy` needs `targets`", "Leave it out, or write targets.")
    targets = node.get("targets")
    if targets is not None and (targets.empty or (targets.kind == "list" and not targets.items)):
        yield Mistake(key_span(node, "targets"), "`targets` is empty", "Write at least one {provider: <name>}.")


def policies(root: Node) -> Iterator[Mistake]:
    """Each rule says allow or deny, has a name of its own, and names what exists."""
    named: dict[str, int] = {}
    for rule in section(root, "policies").items:
        name = rule.get("name")
        text = name.string() if name is not None else None
        if name is not None and text in named:
            yield Mistake(
                name.span,
                f"two rules are called {quoted(text or '')}",
                f"The first stands on line {named[text or '']}.",
            )
        elif name is not None and text is not None:
            named[text] = name.span.line + 1
        yield from _verbs(rule)
        for verb in ("allow", "deny"):
            for pattern, node in (rule.get(verb, "resources") or NOTHING).strings():
                yield from _upstream(root, pattern, node)


def _verbs(rule: Node) -> Iterator[Mistake]:
    verbs = [verb for verb in ("allow", "deny") if verb in rule.entries]
    if rule.kind == "mapping" and rule.entries.keys() <= {"name"}:
        yield Mistake(rule.span, "this rule neither allows nor denies", "Write `allow: {…}` or `deny: {…}` in it.")
    if len(verbs) == 2:
        yield Mistake(key_span(rule, verbs[1]), "a rule allows or denies, not both", "Make two rules of it.")
    for verb in verbs:
        if rule.entries[verb][1].empty:
            # Taken for `{}` it would be about everything: one wrong indent, and all doors are open.
            yield Mistake(
                key_span(rule, verb),
                f"nothing stands behind `{verb}`",
                f"Write what it is about, or `{verb}: {{}}` for everything.",
            )


def _upstream(root: Node, pattern: str, node: Node) -> Iterator[Mistake]:
    """An API or provider that a pattern spells out must exist: it could never match otherwise."""
    kind, _, rest = pattern.partition("/")
    name = rest.partition("/")[0]
    if kind not in KINDS or kind == "model" or "*" in name or not name:
        return
    known = section(root, "apis" if kind == "api" else "providers").entries
    if name not in known:
        meant = nearest(name, known)
        hint = f"Did you mean {quoted(pattern.replace(name, meant, 1))}?" if meant else ""
        if not meant:
            hint = (
                f"There are: {', '.join(known)}."
                if known
                else f"The file has no `{'apis' if kind == 'api' else 'providers'}`."
            )
        label = "API" if kind == "api" else "provider"
        yield Mistake(node.span, f"{quoted(pattern)} can never match: there is no {label} {quoted(name)}", hint)


def agents(root: Node) -> Iterator[Mistake]:
    """A key belongs to one agent."""
    owners: dict[str, str] = {}
    for name, _, agent in section(root, "agents").pairs():
        for digest, node in (agent.get("keys") or NOTHING).strings():
            owner = owners.setdefault(digest.lower(), name)
            if owner != name:
                yield Mistake(
                    node.span,
                    f"this key belongs to the agent {quoted(owner)} already",
                    "Give each agent keys of its own.",
                )


def prices(root: Node) -> Iterator[Mistake]:
    """An override says something."""
    for pattern, key, node in section(root, "prices").pairs():
        if node.empty or (node.kind == "mapping" and not any(not value.empty for _, _, value in node.pairs())):
            yield Mistake(
                key.span,
                f"no price is stated for {quoted(pattern)}",
                "Write at least one, such as {input: 0.1, output: 0.3}.",
            )
