"""How fair it was: computed from the decisions alone, and compared with what was promised. Pure.

In: decisions, in order within each channel. Out: for each channel how far anybody ever was from
their fair share, and how far anybody may be.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from dispatcher.promise import TOLERANCE_LEADS, Promise
from schemas.outputs import AnyDecision, BatchDispatched, RosterChanged


@dataclass(frozen=True)
class Check:
    """Something that must be so, in words, and whether it is."""

    text: str
    held: bool


@dataclass
class Fairness:
    """One channel over all its decisions.

    Attributes:
        members_most, somebody_paused: what the promise depends on: the most members at once, and
            whether anybody ever was paused.
        furthest_ahead, most_owed: the extremes of all cumulative errors after any decision, leads.
        corrected: an error was moved on purpose, so that nothing is promised.
        unbalanced: decisions after which the errors did not add up to exactly zero.
        incomplete: decisions that did not list everybody.
        assigned: leads by assignee, over all batches.
    """

    channel: str
    state_version: int = 0
    batches: int = 0
    leads: int = 0
    roster_changes: int = 0
    members_most: int = 0
    somebody_paused: bool = False
    corrected: bool = False
    furthest_ahead: Decimal = Decimal(0)
    most_owed: Decimal = Decimal(0)
    unbalanced: int = 0
    incomplete: int = 0
    assigned: Counter[str] = field(default_factory=Counter)

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        """The most that anybody may be owed (negative) and ahead, in leads."""
        # Of all members there ever were; the promise counts from the last time when all errors
        # were zero, so it is at least as strict.
        return Promise(self.members_most, self.somebody_paused).bounds_leads()

    @property
    def used(self) -> float:
        """How much of what is promised was used: 1 is all of it."""
        low, high = self.bounds
        ahead = Fraction(self.furthest_ahead) / high if high else Fraction(0)
        owed = Fraction(self.most_owed) / low if low else Fraction(0)
        return float(max(ahead, owed))

    @property
    def kept(self) -> bool:
        """Whether nobody ever was further away than promised."""
        low, high = self.bounds
        return (
            Fraction(self.furthest_ahead) <= high + TOLERANCE_LEADS
            and Fraction(self.most_owed) >= low - TOLERANCE_LEADS
        )


def fairness(decisions: Iterable[AnyDecision]) -> dict[str, Fairness]:
    """Every channel's fairness, by name."""
    found: dict[str, Fairness] = {}
    for decision in decisions:
        channel = found.setdefault(decision.channel, Fairness(decision.channel))
        channel.state_version = decision.state_version
        if isinstance(decision, RosterChanged):
            channel.roster_changes += 1
            channel.corrected |= decision.change_type == "cumulative_error_corrected"
            channel.somebody_paused |= any(each.paused for each in decision.shares)
            channel.members_most = max(channel.members_most, len(decision.shares))
        elif isinstance(decision, BatchDispatched):
            channel.batches += 1
            channel.leads += decision.batch_size
            channel.assigned.update({s.assignee_id: s.assigned for s in decision.shares})
            channel.incomplete += 0 if decision.shares_complete else 1
        else:
            continue
        _note_errors(channel, decision)
    return found


def _note_errors(channel: Fairness, decision: BatchDispatched | RosterChanged) -> None:
    errors = [Decimal(each.cumulative_error_after) for each in decision.shares]
    channel.furthest_ahead = max(channel.furthest_ahead, *errors, Decimal(0))
    channel.most_owed = min(channel.most_owed, *errors, Decimal(0))
    numerators = (int(each.cumulative_error_numerator) for each in decision.shares)
    if decision.shares_complete and sum(numerators) != 0:
        channel.unbalanced += 1


def fairness_checks(channels: Iterable[Fairness]) -> list[Check]:
    """Conserved and promised, in words."""
    found = list(channels)
    decided = sum(each.batches + each.roster_changes for each in found)
    unbalanced = sum(each.unbalanced for each in found)
    promised = [each for each in found if not each.corrected]
    broken = [each.channel for each in promised if not each.kept]
    return [
        Check(
            f"ahead and owed add up to exactly zero after each of {decided:,} decisions"
            + (f"; not after {unbalanced}" if unbalanced else ""),
            not unbalanced and not any(each.incomplete for each in found),
        ),
        Check(
            f"nobody in {len(promised)} channels was ever further off than promised"
            f" ({len(found) - len(promised)} corrected)"
            + (f"; but in {', '.join(broken)}" if broken else ""),
            not broken,
        ),
    ]


class CountedAssignments(Protocol):
    """What was read of `leads.assignments`: see `reading.Assignments`."""

    count: int
    leads: Counter[str]
    ids: set[str]
    by_assignee: Counter[tuple[str, str]]


def assignment_checks(
    lead_ids: Collection[str],
    assignments: CountedAssignments,
    channels: Mapping[str, Fairness],
    refused: int,
) -> list[Check]:
    """Leads in are assignments out, and what the decisions say.

    Args:
        lead_ids: of all leads that were sent.
        assignments: all that were read back.
        channels: what the decisions say.
        refused: dead letters.
    """
    twice = assignments.count - len(assignments.leads)
    missing = len(lead_ids) - len(assignments.leads)
    decided = {
        (name, assignee_id): leads
        for name, channel in channels.items()
        for assignee_id, leads in channel.assigned.items()
        if leads
    }
    return [
        Check(
            f"{len(lead_ids):,} leads in = {assignments.count:,} assignments out: one for each lead"
            + (f"; but {missing} missing and {twice} too many" if missing or twice else ""),
            assignments.leads.keys() == set(lead_ids)
            and assignments.count == len(assignments.ids) == len(lead_ids),
        ),
        Check(
            "everybody received what the decisions say they were assigned",
            decided == assignments.by_assignee,
        ),
        Check("nothing was refused" + (f"; but {refused}" if refused else ""), not refused),
    ]
