"""A channel's state as roster changes that make it anew, where the changelog is lost for good.

In: a state, and when it was exported. Out: events for `roster.changes`, in order. Pure.

What comes back: rules, roster, weights, pauses, terms, routes, and every cumulative error to within
a millionth of a lead (amounts of corrections have six decimals), which sum to zero. What doesn't:
the windows that know duplicates, what waits, counts of a day and of open leads, what limits have
counted, and of errors by value what `CORRECTIONS_MAX` corrections can't move. Versions begin anew;
the promise rests until the errors are worked off.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from dispatcher.eligibility import Eligibility
from dispatcher.share_limits import of
from dispatcher.state import ChannelState
from dispatcher.times import timestamp_text
from schemas.scalars import MILLIONTHS, weight_text

Json = dict[str, Any]
AMOUNT_MAX_MILLIONTHS: Final = 100_000 * MILLIONTHS
"""Of one correction."""
CORRECTIONS_MAX: Final = 1_000
"""For one channel: together 100,000,000 of value at least, where leads count by that."""


def recovery_changes(state: ChannelState, exported_at: str) -> Iterator[Json]:
    """The changes, to be sent before anything else of the channel."""
    for number, change in enumerate(_changes(state), start=1):
        yield {
            "type": change.pop("type"),
            "schema_version": 1,
            "change_id": f"recovery-{state.state_version}-{number}",
            "channel": state.channel,
            "created_at": exported_at,
            "reason": f"recovered from an export, state version {state.state_version}",
            **change,
        }


def _changes(state: ChannelState) -> Iterator[Json]:
    eligibility = state.eligibility
    if eligibility is not None:
        yield {"type": "channel_configured", **_rules(eligibility)}
    members = state.roster.members
    if members:
        rows = [
            {
                "assignee_id": each.assignee_id,
                "weight": weight_text(each.weight_millionths),
                "paused": each.paused,
            }
            for each in members
        ]
        yield {"type": "roster_replaced", "members": rows}
    if eligibility is not None:
        yield from _terms(state, eligibility)
    for rank, routes_to in sorted(state.roster.routes.items()):
        name = members[rank].assignee_id
        yield {"type": "assignee_routed", "assignee_id": name, "routes_to": routes_to}
    names = [each.assignee_id for each in members]
    found = islice(moves(names, errors_millionths(state)), CORRECTIONS_MAX)
    for name, counter, millionths in found:
        yield {
            "type": "cumulative_error_corrected",
            "assignee_id": name,
            "amount": weight_text(millionths),
            "counter_assignee_id": counter,
        }


def _rules(eligibility: Eligibility) -> Json:
    rules = eligibility.rules
    more: Json = {}
    if rules.by_value is not None:
        more |= {"dispatch_by": "value", "value_attribute": rules.by_value}
    if rules.sticky is not None:
        sticky = rules.sticky
        more["sticky"] = {
            "attributes": list(sticky.attributes),
            "days": sticky.days,
            "without_register": sticky.without_register,
        }
    return {
        "time_zone": rules.time_zone,
        "required_skills": list(rules.required_skills),
        "returns": [
            {
                "reason": each.reason,
                "credited": each.credited,
                "dispatched_again": each.dispatched_again,
            }
            for each in rules.returns
        ],
        **more,
    }


def _terms(state: ChannelState, eligibility: Eligibility) -> Iterator[Json]:
    ends_ms = eligibility.pause_ends_ms()
    for member, terms in zip(state.roster.members, eligibility.terms, strict=True):
        name = member.assignee_id
        if terms.skills:
            yield {"type": "skills_changed", "assignee_id": name, "skills": list(terms.skills)}
        if terms.per_day is not None or terms.open_max is not None:
            bounds = {"per_day": terms.per_day, "open_max": terms.open_max}
            yield {"type": "capacity_changed", "assignee_id": name, **bounds}
        for each in of(eligibility.limits, name):
            limits = [
                {
                    "attribute": limit.attribute,
                    "value": limit.value,
                    "share_max": weight_text(limit.share_max),
                }
                for limit in each.limits
            ]
            yield {"type": "limits_changed", "assignee_id": name, "limits": limits}
        if member.paused and name in ends_ms:
            until = timestamp_text(ends_ms[name])
            yield {"type": "assignee_paused", "assignee_id": name, "until": until}


def errors_millionths(state: ChannelState) -> list[int]:
    """Everyone's error rounded to a millionth of a lead, the sum exactly zero."""
    unit = state.roster.error_denominator // MILLIONTHS
    parts = [divmod(error, unit) for error in state.errors]
    rounded = [whole for whole, _ in parts]
    # Rounded down; as many as lack are added where most was cut off.
    by_rest = sorted(range(len(parts)), key=lambda rank: -parts[rank][1])
    for rank in by_rest[: -sum(rounded)]:
        rounded[rank] += 1
    return rounded


def moves(names: Sequence[str], errors: Sequence[int]) -> Iterator[tuple[str, str, int]]:
    """(who is ahead, who is owed, by how many millionths) so that all errors come about."""
    ahead = [(name, error) for name, error in zip(names, errors, strict=True) if error > 0]
    owed = [(name, -error) for name, error in zip(names, errors, strict=True) if error < 0]
    while ahead and owed:
        (giver, more), (taker, less) = ahead.pop(), owed.pop()
        amount = min(more, less, AMOUNT_MAX_MILLIONTHS)
        yield giver, taker, amount
        if more > amount:
            ahead.append((giver, more - amount))
        if less > amount:
            owed.append((taker, less - amount))
