"""Leads that count by value, and limits on what assignees get, literally.

A lead is worth what its attribute says, or one lead. A limit says how large a part of what somebody
got since then may be leads of a kind: those whose attribute has a value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from . import arithmetic
from .validation import WEIGHT, Lead

if TYPE_CHECKING:
    from .state import Assignee, State

VALUE_MAX = 10**12

Kind = tuple[str, str]


@dataclass
class Limit:
    """At most ``share_max`` of what is received may be of a kind."""

    kind: Kind
    share_max: Fraction
    of_kind: Fraction = Fraction(0)
    of_all: Fraction = Fraction(0)

    def admits(self, worth: Fraction) -> bool:
        """Whether one more of the kind is within it."""
        return self.of_kind + worth <= self.share_max * (self.of_all + worth)


def checked_value(value: Any) -> Fraction:
    """What a value in attributes is worth. Raises ValueError."""
    if isinstance(value, str):
        if WEIGHT.fullmatch(value) is None:
            raise ValueError("not a decimal")
        worth = Fraction(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        worth = Fraction(Decimal(repr(value)))
    else:
        raise ValueError("not a number")
    if not 0 <= worth <= VALUE_MAX or (worth * 10**6).denominator != 1:
        raise ValueError("out of bounds")
    return worth


def worth(state: State, lead: Lead) -> Fraction:
    """What a lead counts; nothing if it came before its value was asked for."""
    if state.value_attribute is None:
        return Fraction(1)
    try:
        return checked_value(lead.attributes.get(state.value_attribute))
    except ValueError:
        return Fraction(0)


def kinds(state: State, lead: Lead) -> tuple[Kind, ...]:
    """Of all kinds that anybody has a limit on, those that the lead is of."""
    limited = {limit.kind for member in state.members.values() for limit in member.limits}
    return tuple(sorted(kind for kind in limited if _is_of(lead, kind)))


def _is_of(lead: Lead, kind: Kind) -> bool:
    name, text = kind
    said = lead.attributes.get(name)
    texts = [
        each if isinstance(each, str) else json.dumps(each, separators=(",", ":"))
        for each in (said if isinstance(said, list) else [said])
        if each is not None
    ]
    return text in texts


def within_limits(state: State, name: str, lead: Lead) -> bool:
    """Whether an assignee may take a lead, as far as limits go."""
    return all(
        limit.admits(worth(state, lead))
        for limit in state.members[name].limits
        if _is_of(lead, limit.kind)
    )


def counts_towards(member: Assignee, lead: Lead, amount: Fraction) -> None:
    """A lead that comes (or, below 0, goes) counts for each limit of a member."""
    for limit in member.limits:
        limit.of_all = max(Fraction(0), limit.of_all + amount)
        if _is_of(lead, limit.kind):
            limit.of_kind = max(Fraction(0), limit.of_kind + amount)
        limit.of_kind = min(limit.of_kind, limit.of_all)


def accrue(
    state: State, amount: Fraction, among: Sequence[str], due: dict[str, Fraction], unit: Fraction
) -> None:
    """Everybody named is due their part by weight, in whole units."""
    parts = arithmetic.normalised({name: state.members[name].weight for name in among})
    exact = {name: amount * part for name, part in parts.items()}
    for name, share in arithmetic.rounded_to_units(exact, among, unit).items():
        state.members[name].error -= share
        due[name] += share


def largest_first(state: State, leads: Sequence[Lead]) -> list[Lead]:
    """Of equals in the order of the batch."""
    return sorted(leads, key=lambda lead: -worth(state, lead))  # keeps equals so


def owed_most(
    errors: dict[str, Fraction], weights: dict[str, Fraction], ranked: Sequence[str]
) -> str:
    """Who is next: the smallest error, of equals the first in rank; weight 0 only while owed."""
    takers = [name for name in ranked if weights[name] > 0 or errors[name] < 0]
    return min(takers, key=lambda name: errors[name])


def shared_out(
    state: State, leads: Sequence[Lead], among: Sequence[str], unit: Fraction
) -> tuple[list[tuple[Lead, str]], dict[str, Fraction]]:
    """Who would get which lead, and what each would be due, if nobody had a bound."""
    total = sum((worth(state, lead) for lead in leads), Fraction(0))
    weights = {name: state.members[name].weight for name in among}
    exact = {name: total * part for name, part in arithmetic.normalised(weights).items()}
    due = arithmetic.rounded_to_units(exact, among, unit)
    errors = {name: state.members[name].error - due[name] for name in among}
    given = []
    for lead in largest_first(state, leads):
        name = owed_most(errors, weights, among)
        errors[name] += worth(state, lead)
        given.append((lead, name))
    return given, due
