"""Values that a JSON schema accepts (JSON Schema 2020-12, and the dialect of Gemini's tools), made from the words of a prompt."""

import re
from typing import Any

from durward.upstreams.demo.dice import Dice

DEPTH = 12
"""How deep a schema is followed; recursive ones end there."""
ITEMS = 16
OPTIONAL = 1
"""How many optional members an object gets that requires none."""

Schema = dict[str, Any]

FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "0193b2c4-5f6a-7b8c-9d0e-1f2a3b4c5d6e",
}
HARMLESS = {
    "command": "echo hello from the demo model",
    "cmd": "echo hello from the demo model",
    "script": "echo hello from the demo model",
    "code": "print('hello from the demo model')",
    "url": "https://example.com/",
    "uri": "https://example.com/",
    "email": "someone@example.com",
    "city": "Berlin",
    "location": "Berlin",
    "place": "Berlin",
    "country": "Germany",
    "currency": "EUR",
    "language": "en",
    "timezone": "UTC",
    "unit": "celsius",
    "date": "2026-11-21",
    "time": "12:00",
    "pattern": "*",
}
"""Member names to values that do no harm whoever acts on them."""
_word = re.compile(r"[A-Za-z][a-z]+|[A-Z]+|\d+")
_path = re.compile(r"(?:[\w.-]*/)+[\w.-]+|\b[\w-]+\.[a-z]{1,4}\b")
_place = re.compile(r"\b(?i:in|at|for|to|of)\s+((?:[A-Z]\w+)(?:[ -][A-Z]\w+)*)")
_identifier = re.compile(r"\b[A-Za-z]*[-_#]?\d[\w-]*\b")
_number = re.compile(r"-?\d+(?:\.\d+)?")


class Sampler:
    """Fills in one schema. `text` is the prompt whose words are used where they fit."""

    def __init__(self, root: Schema, text: str, dice: Dice) -> None:
        self._root = root
        self._text = text
        self._dice = dice

    def value(self) -> Any:
        return self._of(self._root, "", 0)

    def _of(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, dict):
            return self._text[:40]
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._mentioned(schema["enum"])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(schema, name)

    def _resolved(self, schema: Schema) -> Schema:
        """The schema behind references, the first of alternatives, all of conjunctions."""
        for _ in range(DEPTH):
            if "$ref" in schema:
                schema = {**self._pointed(str(schema["$ref"])), **{k: v for k, v in schema.items() if k != "$ref"}}
            elif any(schema.get(word) for word in ("anyOf", "oneOf")):
                choices = schema.get("anyOf") or schema["oneOf"]
                rest = {word: value for word, value in schema.items() if word not in ("anyOf", "oneOf")}
                schema = _joined(rest, next((each for each in choices if each.get("type") != "null"), choices[0]))
            elif schema.get("allOf"):
                rest = {word: value for word, value in schema.items() if word != "allOf"}
                for each in schema["allOf"]:
                    rest = _joined(rest, self._resolved(each))
                schema = rest
            else:
                break
        return schema

    def _pointed(self, pointer: str) -> Schema:
        place: Any = self._root
        for step in pointer.lstrip("#").strip("/").split("/"):
            place = (
                place.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(place, dict) and step else place
            )
        return place if isinstance(place, dict) else {}

    def _object(self, schema: Schema, depth: int) -> Any:
        properties = schema.get("properties") or {}
        required = [name for name in schema.get("required") or [] if isinstance(name, str)]
        wanted = required or list(properties)[:OPTIONAL]
        if depth >= DEPTH:
            return {}
        return {name: self._of(properties.get(name, {"type": "string"}), name, depth + 1) for name in wanted}

    def _array(self, schema: Schema, name: str, depth: int) -> Any:
        fixed = schema.get("prefixItems") or []
        values = [self._of(each, name, depth + 1) for each in fixed]
        fewest = int(schema.get("minItems") or 0)
        most = int(schema["maxItems"]) if schema.get("maxItems") is not None else ITEMS
        wanted = 0 if depth >= DEPTH else min(max(fewest, 0 if fixed else 1), most, ITEMS)
        while len(values) < wanted:
            value = self._of(schema.get("items", {"type": "string"}), name, depth + 1)
            values.append(value)
        # A command line as a list of words.
        if name in HARMLESS and values and values[0] == HARMLESS[name] and most > 1 and fewest <= 1:
            return HARMLESS[name].split(" ", 1)[: max(2, wanted)]
        return values[:most]

    def _number(self, schema: Schema, kind: str) -> Any:
        step = schema.get("multipleOf") or (1 if kind == "integer" else None)
        low, high = _bounds(schema, 1 if kind == "integer" else 0.001)
        for text in [*_number.findall(self._text), "1", str(low), str(high)]:
            number = float(text)
            if low <= number <= high and (step is None or number % step == 0):
                return int(number) if kind == "integer" or number.is_integer() else number
        if step is None:
            return low
        lowest = -(-low // step) * step
        return int(lowest) if kind == "integer" else lowest

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        candidates = [self._fitting(name), "example", "1", "a", "A1", "2026-11-21", "#00ff00", "+491700000000"]
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            return next((each for each in candidates if _matches(pattern, each)), candidates[0])
        most = schema.get("maxLength")
        return candidates[0].ljust(int(schema.get("minLength") or 0), ".")[: None if most is None else int(most)]

    def _fitting(self, name: str) -> str:
        """What a member of this name may well hold, taken from the prompt where it says it."""
        words = [word.lower() for word in _word.findall(name)]
        if {"city", "location", "place", "country"} & set(words) and (found := _place.search(self._text)):
            return found[1]
        if {"dir", "directory", "folder"} & set(words):
            return "."
        if {"path", "file", "filename", "filepath"} & set(words):
            return found[0] if (found := _path.search(self._text)) else "README.md"
        if {"id", "identifier", "number", "key"} & set(words):
            return found[0] if (found := _identifier.search(self._text)) else "1"
        known = next((HARMLESS[word] for word in words if word in HARMLESS), None)
        return known or " ".join(self._text.split())[:60].strip() or "example"

    def _mentioned(self, choices: list[Any]) -> Any:
        """The choice that the prompt names, else any that is not null."""
        text = self._text.lower()
        named = [each for each in choices if isinstance(each, str) and each and each.lower() in text]
        return named[0] if named else self._dice.pick([each for each in choices if each is not None] or choices)


def _kind(schema: Schema) -> str:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = next((kind for kind in kinds if kind != "null"), "null")
    if isinstance(kinds, str):
        return kinds.lower()  # Gemini's tools spell types in capitals
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _joined(one: Schema, other: Schema) -> Schema:
    joined = {**one, **other}
    if "properties" in one and "properties" in other:
        joined["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        joined["required"] = [*one["required"], *other["required"]]
    return joined


def _bounds(schema: Schema, beyond: float) -> tuple[float, float]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema.get("exclusiveMinimum") is not None:
        low = max(low, schema["exclusiveMinimum"] + beyond) if low is not None else schema["exclusiveMinimum"] + beyond
    if schema.get("exclusiveMaximum") is not None:
        high = (
            min(high, schema["exclusiveMaximum"] - beyond) if high is not None else schema["exclusiveMaximum"] - beyond
        )
    if low is None:
        low = min(1, high) if high is not None else 1
    return low, high if high is not None else max(low, 10**9)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True
