"""A schema that isn't fully compatible with every released one is refused, by name and rule."""

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.compatibility import Change, refused_changes
from schemas.documents import json_schemas

UPGRADE = Path(__file__).parents[2] / "upgrade"
RELEASED = sorted(UPGRADE.glob("partidor-*.whl"))
NOW = dict(json_schemas())
Json = dict[str, Any]

BASE: Json = {
    "type": "object",
    "$defs": {
        "Row": {
            "type": "object",
            "properties": {"who": {"type": "string"}, "rows": {"$ref": "#/$defs/Rows"}},
            "required": ["who"],
        },
        "Rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
    },
    "properties": {
        "type": {"const": "thing", "type": "string"},
        "name": {"type": "string", "minLength": 1, "maxLength": 200, "description": "of it"},
        "count": {"type": "integer", "minimum": 0},
        "share": {"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "null"}]},
        "state": {"type": "string", "enum": ["on", "off"]},
        "note": {"type": "string", "default": ""},
        "rows": {"$ref": "#/$defs/Rows"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["type", "name", "count", "state", "rows"],
}


def _set(*path: str, to: Any) -> Callable[[Json], None]:
    def change(schema: Json) -> None:
        for name in path[:-1]:
            schema = schema[name]
        schema[path[-1]] = to

    return change


def _drop(*path: str) -> Callable[[Json], None]:
    def change(schema: Json) -> None:
        for name in path[:-1]:
            schema = schema[name]
        del schema[path[-1]]

    return change


def _require(*names: str) -> Callable[[Json], None]:
    return _set("required", to=[*BASE["required"], *names])


def _all(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    def change(schema: Json) -> None:
        for each in changes:
            each(schema)

    return change


P = "properties"
FORBIDDEN = {
    "an optional field removed": (_drop(P, "note"), "note", "field removed"),
    "a required field removed": (
        _all(_drop(P, "count"), _set("required", to=["type", "name", "state", "rows"])),
        "count",
        "field removed",
    ),
    "a field renamed": (
        _all(_set(P, "remark", to=BASE[P]["note"]), _drop(P, "note")),
        "note",
        "field removed",
    ),
    "an inner field removed": (_drop("$defs", "Row", P, "who"), "rows[].who", "field removed"),
    "another type": (_set(P, "count", "type", to="string"), "count", "type narrowed: integer"),
    "a wider type": (_set(P, "count", "type", to="number"), "count", "type widened: number"),
    "null allowed": (
        _set(P, "name", to={"anyOf": [BASE[P]["name"], {"type": "null"}]}),
        "name",
        "type widened: null",
    ),
    "null no more": (
        _set(P, "share", to={"type": "string", "pattern": "^a"}),
        "share",
        "type narrowed: null",
    ),
    "one more alternative": (
        _set(P, "share", "anyOf", to=[*BASE[P]["share"]["anyOf"], {"type": "integer"}]),
        "share",
        "type widened: integer",
    ),
    "an inner type": (
        _set("$defs", "Row", P, "who", "type", to="integer"),
        "rows[].who",
        "type narrowed: string",
    ),
    "what a list holds": (
        _set("$defs", "Rows", "items", to={"type": "string"}),
        "rows[]",
        "type narrowed: object",
    ),
    "an optional field required": (_require("note"), "note", "optional made required"),
    "a new field required": (
        _all(_set(P, "extra", to={"type": "string"}), _require("extra")),
        "extra",
        "required field added",
    ),
    "a required field optional": (
        _set("required", to=["type", "name", "state", "rows"]),
        "count",
        "required made optional",
    ),
    "an inner field required": (
        _set("$defs", "Row", "required", to=["who", "rows"]),
        "rows[].rows",
        "optional made required",
    ),
    "a value removed": (_set(P, "state", "enum", to=["on"]), "state", "value removed: 'off'"),
    "a value added": (
        _set(P, "state", "enum", to=["on", "off", "idle"]),
        "state",
        "value added: 'idle'",
    ),
    "values listed": (_set(P, "name", "enum", to=["x"]), "name", "values listed now"),
    "values listed no more": (_drop(P, "state", "enum"), "state", "values listed no more"),
    "another constant": (_set(P, "type", "const", to="other"), "", "type narrowed: event thing"),
    "shorter": (_set(P, "name", "maxLength", to=100), "name", "constraint tightened: maxLength"),
    "longer": (_set(P, "name", "maxLength", to=300), "name", "constraint loosened: maxLength"),
    "no longest": (_drop(P, "name", "maxLength"), "name", "constraint loosened: maxLength"),
    "not empty": (_set(P, "name", "minLength", to=2), "name", "constraint tightened: minLength"),
    "a least": (_set(P, "count", "minimum", to=1), "count", "constraint tightened: minimum"),
    "a lower least": (_set(P, "count", "minimum", to=-1), "count", "constraint loosened: minimum"),
    "a greatest": (_set(P, "count", "maximum", to=9), "count", "constraint tightened: maximum"),
    "a pattern": (_set(P, "note", "pattern", to="^x"), "note", "constraint tightened: pattern"),
    "another pattern": (
        _set(P, "share", "anyOf", to=[{"type": "string", "pattern": "^b"}, {"type": "null"}]),
        "share",
        "constraint changed: pattern",
    ),
    "a keyword that nobody has heard of": (
        _set(P, "name", "contentEncoding", to="base64"),
        "name",
        "constraint tightened: contentEncoding",
    ),
    "another default": (_set(P, "note", "default", to="none"), "note", "default changed"),
    "no default": (_drop(P, "note", "default"), "note", "default changed"),
    "closed": (_set("additionalProperties", to=False), "", "closed to other fields"),
    "an inner one closed": (
        _set("$defs", "Row", "additionalProperties", to=False),
        "rows[]",
        "closed to other fields",
    ),
    "what other fields hold": (
        _set(P, "labels", "additionalProperties", to={"type": "integer"}),
        "labels{}",
        "type narrowed: string",
    ),
}
ALLOWED = {
    "nothing": _all(),
    "an optional field": _set(P, "extra", to={"type": "string"}),
    "an optional field with a default": _set(P, "extra", to={"type": "integer", "default": 3}),
    "an inner optional field": _set("$defs", "Row", P, "extra", to={"type": "string"}),
    "a description": _set(P, "name", "description", to="another"),
    "a title": _set(P, "name", "title", to="Name"),
    "required in another order": _set("required", to=list(reversed(BASE["required"]))),
    "values in another order": _set(P, "state", "enum", to=["off", "on"]),
    "alternatives in another order": _set(
        P, "share", "anyOf", to=list(reversed(BASE[P]["share"]["anyOf"]))
    ),
    "a definition under another name": _all(
        _set("$defs", "Lines", to={"type": "array", "items": {"$ref": "#/$defs/Row"}}),
        _set(P, "rows", to={"$ref": "#/$defs/Lines"}),
    ),
    "a definition written out": _set(
        P, "rows", to={"type": "array", "items": {"$ref": "#/$defs/Row"}}
    ),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_reader_would_stumble_over_is_refused(name: str) -> None:
    """By event, field and rule."""
    change, field, rule = FORBIDDEN[name]
    changed = copy.deepcopy(BASE)
    change(changed)
    found = refused_changes({"thing": BASE}, {"thing": changed})
    assert any(each.field == field and each.rule.startswith(rule) for each in found), found


@pytest.mark.parametrize("name", ALLOWED)
def test_what_every_reader_takes_is_accepted(name: str) -> None:
    """Optional fields, and what is only said to people."""
    changed = copy.deepcopy(BASE)
    ALLOWED[name](changed)
    assert refused_changes({"thing": BASE}, {"thing": changed}) == []


def test_an_event_may_be_added_and_none_removed() -> None:
    """Readers pass over what they don't know; of what they know they wait for more."""
    two = {"thing": BASE, "other": BASE}
    assert refused_changes({"thing": BASE}, two) == []
    assert refused_changes(two, {"thing": BASE}) == [Change("other", "", "event removed")]
    assert str(Change("other", "", "event removed")) == "other: the event: event removed"


def test_a_list_that_is_open_may_grow_and_not_shrink() -> None:
    """Where readers take values for text."""
    more = copy.deepcopy(BASE)
    more[P]["state"]["enum"].append("idle")
    is_open = [("thing", "state")]
    assert refused_changes({"thing": BASE}, {"thing": more}, is_open) == []
    assert refused_changes({"thing": more}, {"thing": BASE}, is_open)


def test_a_union_may_get_an_event_of_another_type() -> None:
    """On a topic that carries several."""
    first = {"properties": {"type": {"const": "a"}}, "type": "object"}
    second = {"properties": {"type": {"const": "b"}}, "type": "object"}
    one, both = {"oneOf": [first]}, {"oneOf": [first, second]}
    assert refused_changes({"union": one}, {"union": both}) == []
    assert refused_changes({"union": both}, {"union": one})


def released(wheel: Path) -> dict[str, Json]:
    """The schemas that a released version has published."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            Path(name).name.removesuffix(".schema.json"): json.loads(archive.read(name))
            for name in archive.namelist()
            if name.startswith("schemas/published/") and name.endswith(".schema.json")
        }


@pytest.mark.parametrize("wheel", RELEASED, ids=lambda wheel: wheel.stem.split("-")[1])
def test_the_schemas_are_compatible_with_every_released_version(wheel: Path) -> None:
    """Transitive: with each of them, not only with the last."""
    found = refused_changes(released(wheel), NOW)
    assert not found, "\n".join(map(str, found))


def test_there_is_a_released_version_with_all_its_schemas() -> None:
    """So that the check above checks something."""
    assert RELEASED
    assert all(len(released(wheel)) >= 29 for wheel in RELEASED)


RELEASED_FIRST = released(RELEASED[0])


@pytest.mark.parametrize("event", sorted(RELEASED_FIRST))
def test_no_field_of_a_released_event_can_be_taken_away_unnoticed(event: str) -> None:
    """Of the real schemas: each field, and each definition's field, once."""
    schema = released(RELEASED[0])[event]
    for holder in [schema, *schema.get("$defs", {}).values()]:
        for name in list(holder.get("properties", {})):
            kept = holder["properties"].pop(name)
            try:
                found = refused_changes({event: RELEASED_FIRST[event]}, {event: schema})
            finally:
                holder["properties"][name] = kept
            assert found, f"{event}: {name}"
