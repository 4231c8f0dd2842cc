"""One dispatched batch held against the log: its errors, and who got its leads.

In: the ledger before a `batch_dispatched`, the decision, its assignments as far as they are there.
Out: what is different in its figures, what in its assignments, and what could not be told. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from streams.audit.checking import (
    Assigned,
    Difference,
    differences,
    order_differences,
    own_differences,
    places,
)
from streams.audit.decision_log import Json, Ledger, is_measured
from streams.audit.going_on import counts_differ, places_with_gaps, routed_differences, went_on
from streams.audit.measuring import recompute_measured, takers_differ
from streams.audit.recomputing import members_before, recompute


class BatchFound(NamedTuple):
    """What was found; `figures_lack` and `order_lacks` say why something could not be told."""

    figures: list[Difference]
    figures_lack: str | None
    takers: list[Difference]
    order_lacks: str | None


def batch_found(ledger: Ledger, decision: Json, leads: Sequence[Assigned] | None) -> BatchFound:
    """Divide a batch again; `leads` in order of position, None where they can't be looked at.

    Raises KeyError, TypeError, ValueError, AttributeError, IndexError for what can't be read.
    """
    takers = [] if leads is None else counts_differ(leads, decision)
    routed = list(routed_differences(decision))
    roster = members_before(ledger, decision)
    if isinstance(roster, str):
        return BatchFound(own_differences(decision) + routed, roster, takers, roster)
    if is_measured(decision):
        measured = recompute_measured(roster, decision, leads or (), ledger)
        if isinstance(measured, str):
            return BatchFound(own_differences(decision) + routed, measured, takers, measured)
        found = differences(decision, measured.batch)
        return BatchFound(found + routed, None, takers + takers_differ(measured, leads or ()), None)
    again = recompute(roster, decision)
    found = differences(decision, again) + routed
    if leads is None:
        return BatchFound(found, None, takers, None)
    names = (ledger.rules or {}).get("required_skills", ())
    if went_on(decision):
        where = places_with_gaps(decision, again, leads, names)
    else:
        where = places(decision, again.groups, leads, names)
    if where is None:
        lacks = "leads of one batch that ask different things can't be told apart"
        return BatchFound(found, None, takers, lacks)
    return BatchFound(found, None, takers + order_differences(again, leads, where), None)
