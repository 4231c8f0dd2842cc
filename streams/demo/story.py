"""The method's own examples: what is sent, and what its source says must come of it. Pure.

The figures are those of the description of the lead-dispatching method: 100 and 50 leads among
three people, 300 on the next day among others; three single leads; errors carried over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from schemas.outputs import BatchDispatched
from streams.generators import Event, carried_errors, first_day, second_day, single_leads


@dataclass(frozen=True)
class Chapter:
    """Events that are sent together, the roster changes first.

    Attributes:
        title: of the tables that belong to it.
        expected: leads by assignee, for each batch in order.
        errors_after: cumulative errors in leads after the last batch, where the source gives them.
        note: what is to be said about it.
    """

    title: str
    events: list[Event]
    expected: tuple[Mapping[str, int], ...]
    errors_after: Mapping[str, Fraction] | None = None
    note: str = ""

    @property
    def batch_ids(self) -> list[str]:
        """Of the batches, in order."""
        return [event["batch_id"] for event in self.events if event["type"] == "lead_batch"]


CHANNEL: Final = "web"
"""Where the two days take place."""

DAYS: Final = (
    Chapter(
        "First day",
        first_day(CHANNEL),
        ({"A": 27, "B": 33, "C": 40}, {"A": 13, "B": 17, "C": 20}),
    ),
    Chapter(
        "Second day: A has left, C has another weight, D is new",
        second_day(CHANNEL),
        ({"B": 115, "C": 127, "D": 58},),
    ),
)
SINGLES: Final = Chapter(
    "Single leads for two who share 6 to 4",
    single_leads("phone"),
    ({"A": 1, "B": 0}, {"A": 0, "B": 1}, {"A": 1, "B": 0}),
)
CARRIED: Final = Chapter(
    "Errors carried over from before",
    carried_errors("referrals"),
    ({"A": 26, "B": 33, "C": 41},),
    {"A": Fraction(-1, 6), "B": Fraction(4, 15), "C": Fraction(-1, 10)},
    "The source's own table prints 1/3, 13/15 and -1.2 as the errors after this batch:"
    "\nit adds the earlier error a second time. By its proof they are -1/6, 4/15, -1/10.",
)
CHAPTERS: Final = (*DAYS, SINGLES, CARRIED)


def differences(chapter: Chapter, decisions: Mapping[str, BatchDispatched]) -> list[str]:
    """Where the decisions on a chapter's batches are not what the source says, in words."""
    found = []
    for batch_id, expected in zip(chapter.batch_ids, chapter.expected, strict=True):
        assigned = {each.assignee_id: each.assigned for each in decisions[batch_id].shares}
        if assigned != expected:
            found.append(f"batch {batch_id}: {assigned} instead of {dict(expected)}")
    last = decisions[chapter.batch_ids[-1]]
    if chapter.errors_after is not None:
        for share in last.shares:
            numerator, denominator = share.cumulative_error_numerator, last.error_denominator
            error = Fraction(int(numerator), int(denominator))
            if error != chapter.errors_after.get(share.assignee_id):
                found.append(f"{share.assignee_id} stands at {error} after {last.batch_id}")
    return found


def days_by_assignee(decisions: Mapping[str, BatchDispatched]) -> dict[str, list[int | None]]:
    """Who received how many leads in each batch of the two days; None where they weren't there."""
    batch_ids = [batch_id for day in DAYS for batch_id in day.batch_ids]
    received: dict[str, list[int | None]] = {}
    for place, batch_id in enumerate(batch_ids):
        for share in decisions[batch_id].shares:
            row = received.setdefault(share.assignee_id, [None] * len(batch_ids))
            row[place] = share.assigned
    return dict(sorted(received.items()))
