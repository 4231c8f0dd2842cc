"""What is refused, and why: from a line of text to a checked batch, roster change or outcome.

The reasons are those of dead letters. Which one applies first is decided by the order in which
things are looked at: text, envelope, (in ``replayer``) what is known of the channel, then leads.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

Json = dict[str, Any]

ID_LENGTH_MAX = 200
ATTRIBUTES_BYTES_MAX = 16 * 1024
WEIGHT_MAX = 1_000_000
AMOUNT_MAX = 100_000
CAPACITY_MAX = 1_000_000

CHANGE_FIELDS = {
    "assignee_joined": ("assignee_id", "weight"),
    "assignee_left": ("assignee_id",),
    "weight_changed": ("assignee_id", "weight"),
    "assignee_paused": ("assignee_id", "until"),
    "assignee_resumed": ("assignee_id",),
    "roster_replaced": ("members", "expected_roster_version"),
    "cumulative_error_corrected": ("assignee_id", "amount", "counter_assignee_id"),
    "capacity_changed": ("assignee_id", "per_day", "open_max"),
    "skills_changed": ("assignee_id", "skills"),
    "assignee_routed": ("assignee_id", "routes_to"),
    "limits_changed": ("assignee_id", "limits"),
    "channel_configured": (
        "time_zone",
        "required_skills",
        "returns",
        "sticky",
        "dispatch_by",
        "value_attribute",
    ),
}
"""The types of roster changes and what each says; ``changed_by`` and ``reason`` go with all."""

PERSONS = 100
OUTCOMES = (
    "lead_returned",
    "lead_closed",
    "lead_reassigned",
    "lead_assigned_manually",
    "lead_forgotten",
)

WEIGHT = re.compile(r"[0-9]+(\.[0-9]{1,6})?")
AMOUNT = re.compile(r"[+-]?[0-9]+(\.[0-9]{1,6})?")
TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-]([0-9]{2}):([0-9]{2}))"
)


class RefusedError(Exception):
    """An input that can't be processed as it is: reason, detail, and what is known of it."""

    def __init__(self, reason: str, detail: str, **known: object) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.known = known


@dataclass(frozen=True)
class Lead:
    lead_id: str
    attributes: Json


@dataclass(frozen=True)
class Batch:
    """A batch whose envelope is valid; its leads are looked at later, one by one."""

    channel: str
    batch_id: str
    created_at: str
    leads: list[Any]

    @property
    def content(self) -> tuple[str | None, ...]:
        """What makes two batches of the same id the same: all lead ids, in order."""
        return tuple(written_lead_id(lead) for lead in self.leads)


@dataclass(frozen=True)
class Member:
    """A member as a ``roster_replaced`` lists them; paused None keeps the presence."""

    assignee_id: str
    weight: Fraction
    paused: bool | None


@dataclass(frozen=True)
class ReturnRule:
    """What is done with a lead that comes back for a reason."""

    reason: str
    credited: bool = False
    dispatched_again: bool = True


@dataclass(frozen=True)
class StickyRule:
    """The same person goes to the same assignee again."""

    attributes: tuple[str, ...]
    days: int


@dataclass(frozen=True)
class Outcome:
    """What became of a lead."""

    channel: str
    outcome_id: str
    created_at: str
    kind: str
    content: str
    lead: Lead
    assignee_id: str
    to_assignee_id: str = ""
    reason: str | None = None
    persons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A valid roster change; fields that its type doesn't have keep their defaults."""

    channel: str
    change_id: str
    created_at: str
    kind: str
    content: str
    assignee_id: str = ""
    weight: Fraction = Fraction(0)
    amount: Fraction = Fraction(0)
    counter_assignee_id: str | None = None
    members: tuple[Member, ...] = ()
    expected_roster_version: int | None = None
    until: str | None = None
    per_day: int | None = None
    open_max: int | None = None
    returns: tuple[ReturnRule, ...] = ()
    sticky: StickyRule | None = None
    skills: tuple[str, ...] = ()
    time_zone: str = "UTC"
    required_skills: tuple[str, ...] = ()
    routes_to: str | None = None
    dispatch_by: str = "count"
    value_attribute: str | None = None
    limits: tuple[tuple[tuple[str, str], Fraction], ...] = ()


# --- Text -------------------------------------------------------------------------------


def parsed(line: str | bytes) -> Any:
    """The JSON value in a line.

    Refuses what is not UTF-8 JSON, NaN and infinities, and text that could not be written as
    UTF-8 again (half a surrogate pair).
    """
    try:
        text = line.decode("utf-8") if isinstance(line, bytes) else line
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise RefusedError("not_json", str(error)) from None
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# --- Envelopes --------------------------------------------------------------------------


def checked(value: Any) -> Batch | Change | Outcome:
    """The batch, change or outcome that a JSON value is; refused as ``invalid_event`` if none."""
    if not isinstance(value, dict):
        raise RefusedError("invalid_event", "not an object")
    try:
        return _checked_event(value)
    except ValueError as error:
        raise RefusedError("invalid_event", str(error), **_known(value)) from None


def _known(event: Json) -> dict[str, object]:
    """Whose dead letter it is, as far as the event says so properly."""
    kind = event.get("type")
    name = "outcome_id" if kind in OUTCOMES else "batch_id" if kind == "lead_batch" else "change_id"
    return {name: event[name] for name in ("channel", name) if is_id(event.get(name))}


def _checked_event(event: Json) -> Batch | Change | Outcome:
    kind = _field(event, "type", lambda value: isinstance(value, str))
    _field(event, "schema_version", lambda value: is_integer(value) and value >= 1)
    channel = _field(event, "channel", is_id)
    created_at = _field(event, "created_at", is_timestamp)
    if kind == "lead_batch":
        batch_id = _field(event, "batch_id", is_id)
        leads = _field(event, "leads", lambda value: isinstance(value, list))
        return Batch(channel, batch_id, created_at, leads)
    if kind in OUTCOMES:
        return _checked_outcome(event, kind, channel, created_at)
    if kind not in CHANGE_FIELDS:
        raise ValueError(f"unknown type {kind!r}")
    for name in ("changed_by", "reason"):
        _optional(event, name, lambda value: isinstance(value, str))
    change_id = _field(event, "change_id", is_id)
    details = {name: CHECKS[name](event) for name in CHANGE_FIELDS[kind]}
    return Change(channel, change_id, created_at, kind, _content(event), **details)


def _checked_outcome(event: Json, kind: str, channel: str, created_at: str) -> Outcome:
    for name in ("changed_by", "reason"):
        _optional(event, name, lambda value: isinstance(value, str))
    moves = kind == "lead_reassigned"
    names = ["type", "schema_version", "changed_by", "reason", "lead_id", "assignee_id"]
    content = {name: event.get(name) for name in [*names, *["to_assignee_id"] * moves]}
    outcome_id = _field(event, "outcome_id", is_id)
    persons: list[str] = []
    if kind == "lead_forgotten":
        event = {"assignee_id": "-", **event}
        persons = event.get("persons", [])
        if (
            not isinstance(persons, list)
            or len(persons) > PERSONS
            or not all(map(_is_key, persons))
        ):
            raise ValueError("persons are keys of the register")
        content |= {"persons": persons, "assignee_id": event["assignee_id"]}
    assignee_id = _field(event, "assignee_id", is_id)
    taker = _field(event, "to_assignee_id", is_id) if moves else ""
    if taker == assignee_id:
        raise ValueError("it stays where it is")
    given = {} if kind in ("lead_closed", "lead_forgotten") else event.get("attributes", {})
    lead = checked_lead({"lead_id": event.get("lead_id"), "attributes": given})
    reason = _field(event, "reason", is_id) if kind == "lead_returned" else event.get("reason")
    written = json.dumps(content, sort_keys=True)
    return Outcome(
        channel, outcome_id, created_at, kind, written, lead, assignee_id, taker, reason,
        tuple(persons),
    )  # fmt: skip


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 32 and set(value) <= set("0123456789abcdef")


def _field(event: Json, name: str, is_valid: Callable[[Any], bool]) -> Any:
    if name not in event:
        raise ValueError(f"{name} is missing")
    if not is_valid(event[name]):
        raise ValueError(f"{name} is not valid")
    return event[name]


def _optional(event: Json, name: str, is_valid: Callable[[Any], bool]) -> Any:
    """The value, or None where it is absent or null."""
    return None if event.get(name) is None else _field(event, name, is_valid)


def _weight(event: Json) -> Fraction:
    return Fraction(_field(event, "weight", is_weight))


def _members(event: Json) -> tuple[Member, ...]:
    listed = _field(event, "members", lambda value: isinstance(value, list))
    members = []
    for member in listed:
        if not isinstance(member, dict):
            raise ValueError("a member is not an object")
        assignee_id = _field(member, "assignee_id", is_id)
        paused = _optional(member, "paused", lambda value: isinstance(value, bool))
        members.append(Member(assignee_id, _weight(member), paused))
    if len({member.assignee_id for member in members}) < len(members):
        raise ValueError("a member is listed twice")
    return tuple(members)


def _capacity(name: str) -> Callable[[Json], Any]:
    return lambda event: _optional(
        event, name, lambda value: is_integer(value) and 0 <= value <= CAPACITY_MAX
    )


def _ids(name: str, most: int) -> Callable[[Json], Any]:
    def ids(event: Json) -> tuple[str, ...]:
        listed = event.get(name, [] if name == "required_skills" else None)
        if not isinstance(listed, list) or len(listed) > most or not all(map(is_id, listed)):
            raise ValueError(f"{name} is not valid")
        return tuple(listed)

    return ids


def _returns(event: Json) -> tuple[ReturnRule, ...]:
    listed = event.get("returns", [])
    if not isinstance(listed, list) or len(listed) > 100:
        raise ValueError("returns is not valid")
    found = {}
    for row in listed:
        reason = _field(row, "reason", is_id)
        if reason in found:
            raise ValueError("a reason is there twice")
        flags = [row.get("credited", False), row.get("dispatched_again", True)]
        if not all(isinstance(flag, bool) for flag in flags):
            raise ValueError("yes or no")
        found[reason] = ReturnRule(reason, *flags)
    return tuple(found.values())


def _routes_to(event: Json) -> str | None:
    target: str | None = _optional(event, "routes_to", is_id)
    if target is not None and len(target.split("/")) <= len(event["channel"].split("/")):
        raise ValueError("a route has to lead deeper")
    return target


def _sticky(event: Json) -> StickyRule | None:
    rule = event.get("sticky")
    if rule is None:
        return None
    names, days = _field(rule, "attributes", lambda value: isinstance(value, list)), rule["days"]
    if not 1 <= len(names) <= 5 or not all(map(is_id, names)):
        raise ValueError("attributes of sticky")
    if not is_integer(days) or not 1 <= days <= 90:
        raise ValueError("days of sticky")
    return StickyRule(tuple(names), days)


def _dispatch_by(event: Json) -> str:
    by = event.get("dispatch_by", "count")
    if by not in ("count", "value") or (by == "value") != (
        event.get("value_attribute") is not None
    ):
        raise ValueError("by count, or by value and which")
    return str(by)


def _limits(event: Json) -> tuple[tuple[tuple[str, str], Fraction], ...]:
    listed = _field(event, "limits", lambda value: isinstance(value, list) and len(value) <= 20)
    found = {}
    for row in listed:
        kind = (_field(row, "attribute", is_id), _field(row, "value", is_id))
        if kind in found:
            raise ValueError("a limit is there twice")
        found[kind] = Fraction(_field(row, "share_max", is_weight))
        if found[kind] > 1:
            raise ValueError("more than all")
    return tuple(found.items())


CHECKS: Mapping[str, Callable[[Json], Any]] = {
    "assignee_id": lambda event: _field(event, "assignee_id", is_id),
    "weight": _weight,
    "amount": lambda event: Fraction(_field(event, "amount", is_amount)),
    "counter_assignee_id": lambda event: _optional(event, "counter_assignee_id", is_id),
    "members": _members,
    "expected_roster_version": lambda event: _optional(
        event, "expected_roster_version", is_integer
    ),
    "until": lambda event: _optional(event, "until", is_timestamp),
    "per_day": _capacity("per_day"),
    "open_max": _capacity("open_max"),
    "returns": _returns,
    "sticky": _sticky,
    "skills": _ids("skills", 100),
    "routes_to": _routes_to,
    "time_zone": lambda event: event.get("time_zone", "UTC"),
    "required_skills": _ids("required_skills", 20),
    "dispatch_by": _dispatch_by,
    "value_attribute": lambda event: _optional(event, "value_attribute", is_id),
    "limits": _limits,
}


def _content(event: Json) -> str:
    """What makes two changes of the same id the same: all that is known but the time.

    As it is written ("1" is not "1.0"); null is the same as absent, unknown fields don't count.
    """
    names = ("type", "schema_version", "changed_by", "reason", *CHANGE_FIELDS[event["type"]])
    content = {name: event[name] for name in names if event.get(name) is not None}
    if "members" in content:
        content["members"] = [
            {name: member.get(name) for name in ("assignee_id", "weight", "paused")}
            for member in content["members"]
        ]
    return json.dumps(content, sort_keys=True)


# --- Leads ------------------------------------------------------------------------------


def checked_lead(value: Any) -> Lead:
    """The lead that a JSON value is; ValueError with the cause if it is none."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    lead_id = _field(value, "lead_id", is_id)
    attributes = value.get("attributes", {})
    if not isinstance(attributes, dict):
        raise ValueError("attributes are not an object")
    if attributes:
        compact = json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))
        if len(compact.encode("utf-8")) > ATTRIBUTES_BYTES_MAX:
            raise ValueError(f"attributes over {ATTRIBUTES_BYTES_MAX} bytes")
    return Lead(lead_id, attributes)


def written_lead_id(value: Any) -> str | None:
    """The lead id as it is written, valid or not; None where there is no text."""
    lead_id = value.get("lead_id") if isinstance(value, dict) else None
    return lead_id if isinstance(lead_id, str) else None


# --- Values -----------------------------------------------------------------------------


def is_id(value: Any) -> bool:
    """1 to 200 characters, no control characters."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= ID_LENGTH_MAX
        and not any(unicodedata.category(character) == "Cc" for character in value)
    )


def is_integer(value: Any) -> bool:
    """A whole JSON number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_weight(value: Any) -> bool:
    """Digits, then at most six decimals, 0 to 1,000,000."""
    return (
        isinstance(value, str)
        and WEIGHT.fullmatch(value) is not None
        and Fraction(value) <= WEIGHT_MAX
    )


def is_amount(value: Any) -> bool:
    """The same with a sign, at most 100,000 either way."""
    return (
        isinstance(value, str)
        and AMOUNT.fullmatch(value) is not None
        and abs(Fraction(value)) <= AMOUNT_MAX
    )


def is_timestamp(value: Any) -> bool:
    """RFC 3339 with an offset; any number of decimals; no leap second, no year 0."""
    match = TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    try:
        datetime(*(int(part) for part in match.groups()[:6]))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        return False
    offset_hours, offset_minutes = match[7], match[8]
    return offset_hours is None or (int(offset_hours) < 24 and int(offset_minutes) < 60)
