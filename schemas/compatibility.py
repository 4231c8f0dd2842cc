"""Whether a schema may follow another: full, transitive compatibility, in both directions.

In: JSON Schemas of events, as released and as they are now. Out: every change that a reader of the
one or the other version would stumble over: the event, the field, the rule.

Readers ignore fields that they don't know, and events of types that they don't know. So an optional
field may be added, and an event; nothing else. What looks harmless in one direction isn't in the
other: a longer text is what older readers refuse, a shorter one is what older writers still write.
Titles and descriptions are for people and may change.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

Schema = Mapping[str, Any]

OPEN_VALUES: Final = frozenset({("dead_letter", "reason")})
"""(event, field) whose lists of values may grow: readers take them for text."""

_SAID: Final = frozenset({"title", "description", "examples", "$schema", "$defs", "discriminator"})
_UPPER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_LOWER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_LOOKED_INTO: Final = frozenset(
    {"properties", "required", "items", "additionalProperties", "anyOf", "oneOf", "$ref", "enum"}
)
_MISSING: Final = object()


class Change(NamedTuple):
    """A change that is refused.

    Attributes:
        field: dotted, `[]` for what stands in a list; "" for the event itself.
    """

    event: str
    field: str
    rule: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.event}: {self.field or 'the event'}: {self.rule}"


class _Pair(NamedTuple):
    """Both sides of a comparison, whole: `$ref` leads into them."""

    event: str
    old: Schema
    new: Schema


def refused_changes(
    old: Mapping[str, Schema],
    new: Mapping[str, Schema],
    open_values: Iterable[tuple[str, str]] = OPEN_VALUES,
) -> list[Change]:
    """Every change from one set of schemas, by event, to another that is not compatible."""
    changes = [Change(event, "", "event removed") for event in sorted(old.keys() - new.keys())]
    for event in sorted(old.keys() & new.keys()):
        pair = _Pair(event, old[event], new[event])
        changes += _compared(pair, old[event], new[event], "", frozenset())
    is_open = set(open_values)
    return [
        change
        for change in dict.fromkeys(changes)
        if not (change.rule.startswith("value added") and (change.event, change.field) in is_open)
    ]


def _compared(
    pair: _Pair, old: Schema, new: Schema, field: str, inside: frozenset[tuple[str, str]]
) -> Iterator[Change]:
    references = (old.get("$ref", ""), new.get("$ref", ""))
    if all(references):
        if references in inside:
            return  # they contain themselves
        inside |= {references}
    olds, news = _alternatives(pair.old, old), _alternatives(pair.new, new)
    for kind in olds.keys() - news.keys():
        yield Change(pair.event, field, f"type narrowed: {kind} is gone")
    for kind in news.keys() - olds.keys():
        # An event of a new type, where several may stand, is passed over by who doesn't know it.
        if not kind.startswith("event "):
            yield Change(pair.event, field, f"type widened: {kind} is new")
    for kind in olds.keys() & news.keys():
        yield from _one(pair, olds[kind], news[kind], field, inside)
    if (old.get("default", _MISSING)) != new.get("default", _MISSING):
        yield Change(pair.event, field, "default changed")


def _one(
    pair: _Pair, old: Schema, new: Schema, field: str, inside: frozenset[tuple[str, str]]
) -> Iterator[Change]:
    """Two schemas of one type."""
    yield from _values(pair.event, old, new, field)
    yield from _constraints(pair.event, old, new, field)
    yield from _fields(pair, old, new, field, inside)
    if "items" in old and "items" in new:
        yield from _compared(pair, old["items"], new["items"], f"{field}[]", inside)
    elif "items" in old or "items" in new:
        yield Change(pair.event, field, "items changed")
    yield from _others(pair, old, new, field, inside)


def _alternatives(whole: Schema, schema: Schema) -> dict[str, Schema]:
    """What it may be, by kind; references followed."""
    schema = _resolved(whole, schema)
    found: dict[str, Schema] = {}
    nested = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for each in nested or [schema]:
        resolved = _resolved(whole, each)
        if nested and ("anyOf" in resolved or "oneOf" in resolved):
            found |= _alternatives(whole, resolved)
            continue
        kind = _kind(resolved)
        while kind in found:  # several of one type: by their order
            kind += "'"
        found[kind] = resolved
    return found


def _resolved(whole: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = {**whole["$defs"][name], **{k: v for k, v in schema.items() if k != "$ref"}}
    return schema


def _kind(schema: Schema) -> str:
    event_type = schema.get("properties", {}).get("type", {}).get("const")
    return f"event {event_type}" if event_type else str(schema.get("type", "anything"))


def _values(event: str, old: Schema, new: Schema, field: str) -> Iterator[Change]:
    before, after = _listed(old), _listed(new)
    if before is None and after is None:
        return
    if before is None or after is None:
        rule = "values listed now" if before is None else "values listed no more"
        yield Change(event, field, rule)
        return
    for value in before:
        if value not in after:
            yield Change(event, field, f"value removed: {value!r}")
    for value in after:
        if value not in before:
            yield Change(event, field, f"value added: {value!r}")


def _listed(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return None if found is None else list(found)


def _constraints(event: str, old: Schema, new: Schema, field: str) -> Iterator[Change]:
    passed_over = _SAID | _LOOKED_INTO | {"const", "default", "type"}
    for keyword in sorted((old.keys() | new.keys()) - passed_over):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        rule = "changed"
        if before is None:
            rule = "tightened"
        elif after is None:
            rule = "loosened"
        elif keyword in _UPPER:
            rule = "tightened" if after < before else "loosened"
        elif keyword in _LOWER:
            rule = "tightened" if after > before else "loosened"
        yield Change(event, field, f"constraint {rule}: {keyword} {before} -> {after}")


def _fields(
    pair: _Pair, old: Schema, new: Schema, field: str, inside: frozenset[tuple[str, str]]
) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name in before.keys() - after.keys():
        yield Change(pair.event, _inner(field, name), "field removed")
    for name in sorted(needs - needed):
        rule = "optional made required" if name in before else "required field added"
        yield Change(pair.event, _inner(field, name), rule)
    for name in sorted((needed - needs) & after.keys()):
        yield Change(pair.event, _inner(field, name), "required made optional")
    for name in before.keys() & after.keys():
        yield from _compared(pair, before[name], after[name], _inner(field, name), inside)


def _inner(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _others(
    pair: _Pair, old: Schema, new: Schema, field: str, inside: frozenset[tuple[str, str]]
) -> Iterator[Change]:
    """What is said of fields that have no schema of their own."""
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _compared(pair, before, after, f"{field}{{}}", inside)
    elif before != after:
        rule = "closed to other fields" if after is False else "other fields changed"
        yield Change(pair.event, field, rule)
