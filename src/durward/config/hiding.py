"""Finds the secrets that somebody wrote into the file, so that no mistake on the same line shows them."""

from durward.config.masking import PUBLIC, SECRET_NAME
from durward.config.mistakes import Source, Span, Wrong
from durward.config.nodes import Node
from durward.config.references import template


def hide_secrets(source: Source, root: Node) -> None:
    """Hide every value under a key that speaks of secrets, unless it is a reference, a digest or a header's name."""
    waiting = [(root, False)]
    while waiting:
        node, secret = waiting.pop()
        if node.kind == "scalar" and secret and not _public(node.text):
            source.hide(node.span)
            for line in range(node.span.line + 1, node.last_line + 1):
                source.hide(Span(line, 0, None))
        waiting += [(item, secret) for item in node.items]
        waiting += [
            (value, key != "header" and (secret or SECRET_NAME.fullmatch(key) is not None))
            for key, _, value in node.pairs()
        ]


def _public(text: str) -> bool:
    if PUBLIC.fullmatch(text):
        return True
    try:
        template(text)
    except Wrong:
        return False
    return True
