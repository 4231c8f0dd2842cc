"""The state of a channel: an immutable value. `channel.evolve` makes the next one."""

import msgspec

from dispatcher.events import InputRef
from dispatcher.promise import Promise
from dispatcher.recent import Recent
from dispatcher.roster import EMPTY_ROSTER, Roster


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of a batch or change, to know it when it comes again (R10).

    Attributes:
        content_hash: to tell a duplicate from a re-used id.
        state_version: of the decision on it.
        size: leads of a batch; members of the roster after a change.
        decided_at: when, RFC 3339.
        kind: the decision's type, or the type of the change.
    """

    content_hash: str
    state_version: int
    size: int
    decided_at: str
    kind: str


class ParkedBatch(msgspec.Struct, frozen=True):
    """A batch that waits until somebody can take it; its attributes are kept for that time.

    Attributes:
        lead_ids, attributes: of the leads to dispatch; attributes are JSON objects as bytes.
        input: the record that it came in.
        parked_at: the time of that record, RFC 3339.
    """

    batch_id: str
    created_at: str
    content_hash: str
    lead_ids: tuple[str, ...]
    attributes: tuple[bytes, ...]
    input: InputRef
    parked_at: str

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory: ids and attributes, and a fixed part for each lead."""
        ids = sum(map(len, self.lead_ids))
        return ids + sum(map(len, self.attributes)) + 100 * (1 + len(self.lead_ids))


class Release(msgspec.Struct, frozen=True):
    """The cursor of a release under way: parked batches go out, oldest first (R13).

    It stands in the state, so that a release goes on over any number of transactions, takeovers
    and restarts; nothing newer of the channel is decided before it is done.

    Attributes:
        input, decided_at: of the roster change that let them go; their decisions carry them.
    """

    input: InputRef
    decided_at: str


class ChannelState(msgspec.Struct, frozen=True):
    """Everything that is kept for a channel.

    Attributes:
        state_version: rises by one with every decision.
        roster_version: rises by one with every applied change.
        errors: cumulative errors in order of rank, numerators over `roster.error_denominator`;
            their sum is 0 after every decision.
        batches, changes: the last 1,000 of each, by id.
        parked: by batch_id, oldest first; `parked_by_number` the same by number.
        parked_leads, parked_bytes: how many leads they hold, and about how many bytes.
        release: set while parked batches are being released.
    """

    channel: str
    state_version: int = 0
    roster_version: int = 0
    roster: Roster = EMPTY_ROSTER
    errors: tuple[int, ...] = ()
    promise: Promise = Promise()
    batches: Recent[str, Seen] = Recent()
    changes: Recent[str, Seen] = Recent()
    parked: Recent[str, ParkedBatch] = Recent()
    parked_by_number: Recent[int, ParkedBatch] = Recent()
    parked_leads: int = 0
    parked_bytes: int = 0
    release: Release | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever decided; a channel without a decision leaves no trace."""
        return self.state_version > 0

    def oldest_parked(self) -> ParkedBatch | None:
        """The batch that is released next."""
        return self.parked_by_number.get(self.parked_by_number.first)
