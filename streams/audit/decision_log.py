"""The decisions of a channel followed one by one: what every member is owed or ahead, exactly.

In: decisions as they stand in `dispatch.decisions`, oldest first, as plain objects. Out: a
`Ledger`: roster, weights, cumulative errors, rules, what waits, after the last decision that was
given. Pure: no broker, no file, no clock.

This module alone knows how a decision is written; what asks about decisions reads them here.

- A decision may list only some members. Between roster changes an error moves by leads received
  minus fair share, and a fair share is leads x weight / W: so who isn't listed moved by something
  that is the same for everybody but for the weight. It is kept as one number, `_spread_units`.
- Amounts are whole numerators over W 10^12, W the sum of the active weights in millionths.
- A log that begins late says first what it lists: until a decision lists everyone the ledger isn't
  `complete`. A gap between two state versions is a new beginning.
- Types that a later version brings are followed by what they list, and by `spread_by_weight`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from dispatcher.roster import rank_digest
from schemas.scalars import UNITS_PER_LEAD, weight_millionths

Json = dict[str, Any]

TERMS: Final = frozenset({"skills", "per_day", "open_max", "paused_until", "limits"})
"""What a roster change lists of a member's terms, that this version understands."""

_ROW: Final = TERMS | {
    "routes_to",
    "assignee_id",
    "weight",
    "paused",
    "cumulative_error_before",
    "cumulative_error_after",
    "cumulative_error_numerator",
}
_BATCH_TYPES: Final = frozenset(
    {"batch_dispatched", "batch_parked", "batch_released", "duplicate_ignored"}
)

_digest = lru_cache(maxsize=65_536)(rank_digest)
_weight = lru_cache(maxsize=4_096)(weight_millionths)
_decode = msgspec.json.Decoder(Json).decode


class Unreadable(ValueError):
    """Says that it is a decision, and isn't one that can be followed."""


class Account(NamedTuple):
    """A member as the ledger holds them.

    Attributes:
        numerator: the cumulative error, as of `spread_units`.
        spread_units: of the ledger when it was so; 10^-12 leads.
        skills: None when the log doesn't say.
        per_day: leads at most in a day; None without a bound.
        taken_today: leads since the day began.
        open_max: leads at most that are with them at once; None without a bound.
        open_leads: how many are, counted since the channel has rules.
        limits: as the last decision lists them that says; see `schemas.outputs`.
    """

    weight_millionths: int
    paused: bool
    numerator: int
    spread_units: int
    skills: tuple[str, ...] | None = ()
    per_day: int | None = None
    taken_today: int = 0
    open_max: int | None = None
    open_leads: int = 0
    limits: tuple[Json, ...] = ()

    @property
    def room(self) -> int | None:
        """How many leads they can still take; None without a bound."""
        rooms = []
        if self.per_day is not None:
            rooms.append(self.per_day - self.taken_today)
        if self.open_max is not None:
            rooms.append(self.open_max - self.open_leads)
        return max(0, min(rooms)) if rooms else None


class Waiting(NamedTuple):
    """Leads of a batch that began to wait with a decision, and the groups it told why of."""

    state_version: int
    decided_at: str
    leads: int
    groups: Sequence[Json]


def decision_of(line: bytes) -> Json | None:
    """The decision in a record or line; None for what is none: assignments, dead letters, others.

    Every later type of decision has these fields too.
    """
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    whole = (
        isinstance(found.get("type"), str)
        and isinstance(found.get("channel"), str)
        and isinstance(found.get("decided_at"), str)
        and type(found.get("state_version")) is int
        and "roster_version" in found
    )
    return found if whole else None


def by_rank(channel: str, assignee_ids: Iterable[str]) -> list[str]:
    """Assignees in the order that decides ties: SHA-256 of channel, line break, assignee."""
    return sorted(assignee_ids, key=lambda each: _digest(channel, each))


def has_rules(decision: Mapping[str, Any]) -> bool:
    """Whether a `batch_dispatched` was divided by rules: not everybody may take everything."""
    return decision.get("leads_parked") is not None


def received_units(row: Mapping[str, Any]) -> int:
    """What a row of a batch says that somebody got: leads, or value; in 10^-12."""
    value = row.get("assigned_value")
    return int(row["assigned"]) * UNITS_PER_LEAD if value is None else units_of(value)


def measured_by(rules: Mapping[str, Any] | None) -> str | None:
    """The attribute by which a channel with these rules divides leads; None: each counts one."""
    return None if rules is None else rules.get("value_attribute")


def is_measured(decision: Mapping[str, Any]) -> bool:
    """Whether a batch was divided by what its leads are worth, or by kinds that are limited."""
    return any("assigned_value" in row for row in decision["shares"]) or any(
        group.get("lead_by_lead") for group in decision.get("groups") or ()
    )


def units_of(text: str) -> int:
    """An amount of leads with at most 12 decimals, in units of 10^-12 leads."""
    digits = text.lstrip("+-")
    whole, _, decimals = digits.partition(".")
    if len(decimals) > 12 or not (whole + decimals).isdecimal():
        raise Unreadable(f"{text!r} is no amount with at most 12 decimals")
    units = int(whole) * UNITS_PER_LEAD + int(decimals.ljust(12, "0"))
    return -units if text.startswith("-") else units


def spread_by_weight_units(decision: Mapping[str, Any]) -> int:
    """What a decision spreads over the active members by weight, w/W each; 10^-12 leads.

    A dispatched batch takes its leads from everybody (their fair shares); an outcome says it.
    """
    if decision["type"] == "batch_dispatched":
        return 0 if has_rules(decision) else -int(decision["batch_size"]) * UNITS_PER_LEAD
    spread = decision.get("spread_by_weight")
    return units_of(spread) if isinstance(spread, str) else 0


class Ledger:
    """A channel after the decisions given so far.

    Attributes:
        state_version: of the last decision; 0 before the first.
        first: the first decision since which none is missing; None before it.
        complete: whether every member is known.
        denominator: W 10^12 of the roster; every numerator is over it.
        accounts: by assignee_id.
        rules: what `channel_configured` said; None for a channel without rules.
        rules_known: whether the log says if there are rules.
        taken_known: whether `taken_today` counts from the beginning of the day.
        open_known: whether `open_leads` counts from the first rule on.
        unknown_terms: fields of members that a later version brought.
        waiting: parked leads by batch_id.
        released: what waited of the batch that was released last.
        previous: the last decision.
        cause: the last decision that was no release, nor followed from another: what a release
            may be due to.
    """

    def __init__(self, channel: str) -> None:
        """A channel of which nothing is known."""
        self.channel = channel
        self.state_version = 0
        self._forget()

    def _forget(self) -> None:
        self.first: Json | None = None
        self.complete = False
        self.denominator = UNITS_PER_LEAD
        self.accounts: dict[str, Account] = {}
        self.rules: Json | None = None
        self.rules_known = False
        self.taken_known = self.open_known = False
        self.unknown_terms: set[str] = set()
        self.waiting: dict[str, list[Waiting]] = {}
        self.released: list[Waiting] = []
        self.previous: Json | None = None
        self.cause: Json | None = None
        self._spread_units = 0

    @property
    def weight_sum(self) -> int:
        """W of the active members, in millionths; 1 where nobody is active."""
        return self.denominator // UNITS_PER_LEAD

    def turn_to(self, decision: Json) -> bool:
        """Get ready for the next decision; False for one that was applied before.

        After a gap everything is forgotten: what was known is no longer true.
        """
        version = decision["state_version"]
        if self.first is not None and version <= self.state_version:
            return False
        if self.first is None or version > self.state_version + 1:
            self._forget()
            self.first = decision
            # A channel begins without members and without rules.
            self.complete = self.rules_known = version == 1
            self.taken_known = self.open_known = version == 1
        return True

    def error(self, assignee_id: str) -> int | None:
        """The exact cumulative error now, over `denominator`; 0 for a stranger.

        None when the log doesn't say.
        """
        account = self.accounts.get(assignee_id)
        if account is None:
            return 0 if self.complete else None
        if account.paused:
            return account.numerator
        spread = self._spread_units - account.spread_units
        return account.numerator + spread * account.weight_millionths

    def apply(self, decision: Json) -> None:
        """Go on by a decision that `turn_to` let in. Raises Unreadable."""
        try:
            self._apply(decision)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreadable(
                f"decision {decision['state_version']} of channel {self.channel} can't be read:"
                f" {type(error).__name__} {error}"
            ) from None
        self.state_version = decision["state_version"]
        self.previous = decision
        if decision["type"] not in _BATCH_TYPES or self._may_make_room(decision):
            self.cause = decision

    def _may_make_room(self, decision: Json) -> bool:
        """Whether it is a batch that came by itself: with limits, it may let others go."""
        if decision["type"] != "batch_dispatched" or decision.get("released"):
            return False
        return self.cause is None or self.cause.get("input") != decision.get("input")

    def _apply(self, decision: Json) -> None:
        kind = decision["type"]
        if kind == "roster_changed":
            self._roster_changed(decision)
        elif kind == "day_began":
            for name, account in self.accounts.items():
                self.accounts[name] = account._replace(taken_today=0)
            self.taken_known = True
        elif kind == "batch_parked":
            if any(group.get("excluded") for group in decision.get("groups") or ()):
                # From here on not everybody may take everything.
                self._begin_rules({})
            self._park(decision, int(decision["batch_size"]))
        elif kind == "batch_released":
            self._release(decision["batch_id"], int(decision["batch_size"]))
        elif "shares" in decision:
            self._moved(decision)

    def _moved(self, decision: Json) -> None:
        """Errors moved, the roster didn't: a batch went out, or an outcome was recorded."""
        if decision["type"] == "batch_dispatched":
            if not has_rules(decision):
                self.rules_known = True
            elif not decision.get("released") and decision["leads_parked"]:
                self._park(decision, int(decision["leads_parked"]))
        unparked_batch_id = decision.get("unparked_batch_id")
        if unparked_batch_id is not None:
            self._release(unparked_batch_id, 1)
        self._spread_units += spread_by_weight_units(decision)
        self.denominator = int(decision["error_denominator"])
        for row in decision["shares"]:
            known = self.accounts.get(row["assignee_id"])
            assigned = int(row.get("assigned", 0))
            known = known or Account(0, paused=False, numerator=0, spread_units=0, skills=None)
            self.accounts[row["assignee_id"]] = known._replace(
                weight_millionths=_weight(row["weight"]),
                paused=bool(row.get("paused")),
                numerator=int(row["cumulative_error_numerator"]),
                spread_units=self._spread_units,
                taken_today=known.taken_today + assigned,
                open_leads=int(row.get("open_leads", known.open_leads + assigned)),
                limits=tuple(row.get("limits") or ()),
            )
        self.complete = self.complete or decision.get("shares_complete") is True

    def _roster_changed(self, decision: Json) -> None:
        rules = decision.get("rules")
        if rules is not None:
            self._begin_rules(rules)
        self.rules, self.rules_known = rules, True
        self._spread_units = 0
        self.denominator = int(decision["error_denominator"])
        self.unknown_terms = {name for row in decision["shares"] for name in row.keys() - _ROW}
        accounts = {}
        for row in decision["shares"]:
            known = self.accounts.get(row["assignee_id"])
            accounts[row["assignee_id"]] = Account(
                _weight(row["weight"]),
                bool(row["paused"]),
                int(row["cumulative_error_numerator"]),
                0,
                tuple(row.get("skills") or ()),
                row.get("per_day"),
                known.taken_today if known else 0,
                row.get("open_max"),
                known.open_leads if known else 0,
                tuple(row.get("limits") or ()),
            )
        self.accounts = accounts
        self.complete = True

    def _begin_rules(self, rules: Json) -> None:
        """With the first rule leads of a day and open leads are counted from nothing."""
        if self.rules is not None or not self.rules_known:
            return
        self.rules = rules
        self.taken_known = self.open_known = True
        self.accounts = {
            name: account._replace(taken_today=0, open_leads=0)
            for name, account in self.accounts.items()
        }

    def _park(self, decision: Json, leads: int) -> None:
        entry = Waiting(
            decision["state_version"], decision["decided_at"], leads, decision.get("groups") or ()
        )
        self.waiting.setdefault(decision["batch_id"], []).append(entry)

    def _release(self, batch_id: str, leads: int) -> None:
        """What waits of a batch is forgotten when the last of it goes."""
        self.released = self.waiting.get(batch_id, [])
        if sum(entry.leads for entry in self.released) <= leads:
            self.waiting.pop(batch_id, None)
        else:
            # Which of its entries they were of isn't said; only the sum is relied on.
            first, *others = self.released
            counted = first._replace(leads=first.leads - leads)
            self.waiting[batch_id] = [counted, *others]
