"""The quick way of a batch of one lead: decided and written at once, where nothing is special.

In: a channel's state, a batch of one lead. Out: the text of its assignment and of its decision, and
the state after it; or None: then it goes the way of all others (`channel`, `encoding`).

Sources that send leads one by one are common, and what is made on the way of all others, an event
that is decided, a decision that is applied, and written twice, costs half as much again as the
division itself. Nothing is decided here: the same functions divide the lead, remember the batch and
write the texts. A test holds both ways against each other.
"""

from typing import NamedTuple

from dispatcher.batch_decisions import divided_single
from dispatcher.encoding import dispatched_head, single_assignment
from dispatcher.events import BatchReceived
from dispatcher.json_texts import json_text
from dispatcher.limits import RECENT_LENGTH_MAX
from dispatcher.shares import TEXTS_REMEMBERED_MEMBERS_MAX, everyones_texts
from dispatcher.state import ChannelState, Seen


class Written(NamedTuple):
    """A lead that was dispatched.

    Attributes:
        assignment, decision: the events, as JSON.
        after: the state.
    """

    assignment: str
    decision: str
    after: ChannelState


def dispatched_single(state: ChannelState, event: BatchReceived) -> Written | None:
    """What `decide`, `evolve` and `encoding` make of it, or None if anything is special.

    That is: the batch was seen before, or holds anything but one valid lead; not everybody on the
    roster takes leads, or not of every kind; a lead waits or goes on to another channel; there are
    more members than every decision lists.
    """
    roster = state.roster
    if (
        len(event.lead_ids) != 1
        or event.rejected_leads
        or roster.one_lead_shares is None
        or len(roster.members) > TEXTS_REMEMBERED_MEMBERS_MAX
        or roster.routes
        or state.eligibility is not None
        or state.release is not None
        or state.parking.entries
        or state.batches.get(event.batch_id) is not None
    ):
        return None
    before, version = state.errors, state.state_version + 1
    (rank,), assigned, errors = divided_single(roster, before)
    promise = state.promise
    if promise.corrected or not any(errors):
        promise = promise.after(roster, errors)
    batch_id = json_text(event.batch_id)
    assignment = single_assignment(
        state.channel,
        version,
        batch_id,
        event.lead_ids,
        roster.members[rank].assignee_id,
        event.decided_at,
        event.attributes[0],
    )
    head = dispatched_head(
        state.channel,
        batch_id,
        1,
        version,
        state.roster_version,
        event.input,
        event.decided_at,
        event.content_hash,
    )
    shares = everyones_texts(roster, 1, before, assigned)
    tail = f',"shares_complete":true,"error_denominator":"{roster.error_denominator}"}}'
    seen = Seen(event.content_hash, version, 1, event.decided_at, "batch_dispatched")
    after = ChannelState(
        state.channel,
        version,
        state.roster_version,
        roster,
        errors,
        promise,
        state.batches.added(event.batch_id, seen, RECENT_LENGTH_MAX),
        state.changes,
        state.parking,
        None,
        None,
        state.outcomes,
    )
    return Written(assignment, "".join([head, *shares, tail]), after)
