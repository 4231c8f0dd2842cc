"""The state of a channel: an immutable value. `channel.evolve` makes the next one."""

from collections.abc import Iterable
from typing import cast

import msgspec

from dispatcher.eligibility import Eligibility
from dispatcher.events import InputRef
from dispatcher.marked_parking import oldest_takeable
from dispatcher.parking import NOBODY_WAITS, ParkedBatch, Parking
from dispatcher.promise import Promise
from dispatcher.recent import Recent
from dispatcher.requirements import Requirement
from dispatcher.roster import EMPTY_ROSTER, Roster


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of a batch, change or outcome, to know it when it comes again (R10).

    Attributes:
        content_hash: to tell a duplicate from a re-used id.
        state_version: of the decision on it.
        size: leads of a batch; members of the roster after a change or outcome.
        decided_at: when, RFC 3339.
        kind: the decision's type, or the type of the change or outcome.
    """

    content_hash: str
    state_version: int
    size: int
    decided_at: str
    kind: str


class Release(msgspec.Struct, frozen=True):
    """The cursor of a release under way: parked batches go out, oldest first (R13).

    It stands in the state, so that a release goes on over any number of transactions, takeovers
    and restarts; nothing newer of the channel is decided before it is done.

    Attributes:
        input, decided_at: of the input that let them go; their decisions carry them.
    """

    input: InputRef
    decided_at: str


class ChannelState(msgspec.Struct, frozen=True, gc=False):
    """Everything that is kept for a channel.

    Attributes:
        state_version: rises by one with every decision.
        roster_version: rises by one with every applied change.
        errors: cumulative errors in order of rank, numerators over `roster.error_denominator`;
            their sum is 0 after every decision.
        batches, changes, outcomes: the last 1,000 of each, by id.
        parking: the leads that wait for somebody who may take them.
        release: set while parked leads are being released.
        eligibility: who may take what; None where everybody who is active may take everything.
    """

    channel: str
    state_version: int = 0
    roster_version: int = 0
    roster: Roster = EMPTY_ROSTER
    errors: tuple[int, ...] = ()
    promise: Promise = Promise()
    batches: Recent[str, Seen] = Recent()
    changes: Recent[str, Seen] = Recent()
    parking: Parking = NOBODY_WAITS
    release: Release | None = None
    eligibility: Eligibility | None = None
    outcomes: Recent[str, Seen] = Recent()

    @property
    def exists(self) -> bool:
        """Whether anything was ever decided; a channel without a decision leaves no trace."""
        return self.state_version > 0

    @property
    def next_timer_ms(self) -> int | None:
        """When something happens by itself, milliseconds since 1970."""
        if self.eligibility is None or not self.eligibility.timers:
            return None
        return self.eligibility.timers[0].at_ms

    @property
    def is_sticky(self) -> bool:
        """Whether its batches are divided with the lead register."""
        return self.eligibility is not None and self.eligibility.rules.sticky is not None

    def takeable(self) -> tuple[int, ParkedBatch] | None:
        """The number and leads of the entry that is released next, if somebody may take any."""
        if not self.parking.entries or not self.roster.weight_sum:
            return None
        if self.eligibility is None:
            return self.parking.oldest(self.parking.queues)
        if self.eligibility.limits:
            return oldest_takeable(self.parking, self.eligibility, self.roster)
        # Without limits nothing that waits is marked.
        requirements = cast("Iterable[Requirement]", self.parking.queues)
        return self.parking.oldest(self.eligibility.takeable(self.roster, requirements))
