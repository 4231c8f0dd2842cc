"""The heart: what is decided about an input event, and the state after it.

    decide(state, event, ...) -> decisions or a rejection        evolve(state, decision) -> state

Both are pure: no clock, no randomness, no I/O, no logging. The same events in the same order
always give the same decisions. What is decided about a batch stands in `batch_decisions`, about a
roster change or a timer in `change_decisions`, about what became of a lead in `outcome_decisions`;
here is what holds for all of them:

- Every decision raises `state_version` by one; every applied change `roster_version` too.
- The errors of a channel sum to exactly zero after every decision.
- What nobody may take is parked. When a change or a timer lets somebody take some of it, a release
  begins: R13 the cursor stands in the state, each step of the release lets the oldest go, and until
  it is done nothing newer of the channel may be decided.
"""

from dispatcher import batch_decisions
from dispatcher.batch_decisions import decide_batch
from dispatcher.change_decisions import decide_change, decide_timer
from dispatcher.decisions import (
    DayBegan,
    Decision,
    Dispatched,
    OutcomeRecorded,
    Parked,
    Rejected,
    Released,
    RosterSettled,
)
from dispatcher.eligibility import Eligibility, eligibility_of
from dispatcher.events import BatchReceived, ChangeReceived, OutcomeReceived, TimerDue
from dispatcher.limits import RECENT_LENGTH_MAX, Limits, Room
from dispatcher.marked_parking import has_room_again, regrouped
from dispatcher.outcome_decisions import decide_next, decide_outcome
from dispatcher.requirements import NOTHING
from dispatcher.routing import with_routed_batches
from dispatcher.share_limits import marks_wanted
from dispatcher.state import ChannelState, Release, Seen
from schemas.inputs import ChannelConfigured, CumulativeErrorCorrected

__all__ = ["Event", "Outcome", "decide", "decide_release", "evolve", "replace"]

Event = BatchReceived | ChangeReceived | OutcomeReceived | TimerDue
Outcome = tuple[Decision, ...] | Rejected


def decide(state: ChannelState, event: Event, limits: Limits, room: Room) -> Outcome:
    """Decide an event of the state's channel.

    Args:
        state: of the event's channel; a new `ChannelState(channel)` where there is none.
        event: an input that is valid by itself, or a timer (see `ChannelState.next_timer_ms`).
        limits: the bounds of what a channel takes.
        room: what the channel's partition can still take.

    Returns: one decision, or two where an outcome sends its lead to somebody; or a `Rejected`.
    While `state.release` is set no event may be decided: call `decide_release` until it is None.
    """
    if state.release is not None:
        raise AssertionError("R13: a release under way comes before anything newer of its channel")
    if isinstance(event, BatchReceived):
        outcome = decide_batch(state, event, limits, room)
    elif isinstance(event, TimerDue):
        return decide_timer(state, event)
    elif isinstance(event, OutcomeReceived):
        outcome = _decide_outcome(state, event, limits, room)
    else:
        return decide_change(state, event, limits, room)
    if state.roster.routes and not isinstance(outcome, Rejected):
        return tuple([with_routed_batches(decision, limits) for decision in outcome])
    return outcome


def decide_release(state: ChannelState, limits: Limits) -> tuple[Released, Dispatched]:
    """Let the oldest leads that somebody may take go: one step of the release under way (R13)."""
    released, dispatched = batch_decisions.decide_release(state)
    return released, with_routed_batches(dispatched, limits)


def _decide_outcome(
    state: ChannelState, event: OutcomeReceived, limits: Limits, room: Room
) -> Outcome:
    recorded = decide_outcome(state, event, limits, room)
    if isinstance(recorded, Rejected):
        return recorded
    if not isinstance(recorded, OutcomeRecorded):
        return (recorded,)
    # Before anything that the outcome lets go: the lead is not to wait behind those.
    where = decide_next(_moved_on(state, recorded), state, recorded, limits, room)
    if isinstance(where, Rejected):
        return where
    return (recorded,) if where is None else (recorded, where)


def _moved_on(state: ChannelState, recorded: OutcomeRecorded) -> ChannelState:
    """As `evolve` will leave it, as far as the lead's way on depends on it: no windows."""
    return replace(
        state,
        state_version=recorded.state_version,
        errors=recorded.errors,
        parking=recorded.parking,
        eligibility=recorded.eligibility,
    )


def evolve(state: ChannelState, decision: Decision) -> ChannelState:
    """The state after a decision on it.

    Raises AssertionError when the decision isn't the next one of this state.
    """
    if decision.state_version != state.state_version + 1:
        raise AssertionError(
            f"decision {decision.state_version} doesn't follow state {state.state_version}"
        )
    if isinstance(decision, Dispatched):
        return _after_dispatch(state, decision)
    if isinstance(decision, RosterSettled):
        return _after_change(state, decision)
    if isinstance(decision, Parked):
        return _after_parking(state, decision)
    if isinstance(decision, OutcomeRecorded):
        return _after_outcome(state, decision)
    if isinstance(decision, DayBegan):
        return _with_release(
            replace(state, state_version=decision.state_version, eligibility=decision.eligibility),
            decision,
        )
    return replace(state, state_version=decision.state_version)


def replace(state: ChannelState, **changes: object) -> ChannelState:
    """The state with some fields changed."""
    values = {name: getattr(state, name) for name in ChannelState.__struct_fields__}
    values.update(changes)
    return ChannelState(**values)


def _after_dispatch(state: ChannelState, decision: Dispatched) -> ChannelState:
    batches = state.batches
    # Leads of one batch may go out at different times; what an outcome sends out is known by that.
    if not (
        decision.of_outcome or (decision.released and batches.get(decision.batch_id) is not None)
    ):
        seen = Seen(
            decision.content_hash,
            decision.state_version,
            len(decision.lead_ids),
            decision.decided_at,
            "batch_dispatched",
        )
        batches = batches.added(decision.batch_id, seen, RECENT_LENGTH_MAX)
    parking, eligibility = decision.parking_after, state.eligibility
    if parking is None:
        parking = state.parking
    if eligibility is not None:
        eligibility = eligibility.taken(decision.assigned)
        if decision.limits_after is not None:
            eligibility = eligibility.with_limits(decision.limits_after)
    # Not divided among everybody, in a channel where that is the exception.
    on_purpose = eligibility is None and decision.accrued is not None
    promise = state.promise
    if decision.largest_value is not None and eligibility is not None:
        promise = promise.with_value(decision.largest_value)
        on_purpose = not eligibility.everybody_takes_everything or any(
            group.forced_to is not None or group.requirement.excluded for group in decision.groups
        )
    # Spelt out, because this runs once per batch and `replace` costs several times as much.
    after = ChannelState(
        state.channel,
        decision.state_version,
        state.roster_version,
        state.roster,
        decision.errors_after,
        promise.after(state.roster, decision.errors_after, correction=on_purpose),
        batches,
        state.changes,
        parking,
        state.release,
        eligibility,
        state.outcomes,
    )
    if after.release is not None and after.takeable() is None:
        return replace(after, release=None)
    if decision.limits_after is None or eligibility is None or after.release is not None:
        return after
    # What somebody got may make room for leads that a limit held up.
    if has_room_again(parking, eligibility, after.roster):
        return replace(after, release=Release(decision.input, decision.decided_at))
    return after


def _after_change(state: ChannelState, decision: RosterSettled) -> ChannelState:
    change = decision.received.change
    seen = Seen(
        decision.received.content_hash,
        decision.state_version,
        len(decision.roster),
        decision.decided_at,
        change.type,
    )
    parking, eligibility = state.parking, decision.eligibility
    if eligibility is not None and _waits_otherwise(state, decision, eligibility):
        parking = regrouped(parking, eligibility)
    correction = isinstance(change, CumulativeErrorCorrected)
    promise = state.promise.after(decision.roster, decision.errors, correction=correction)
    by_value = eligibility is not None and eligibility.rules.by_value is not None
    after = replace(
        state,
        state_version=decision.state_version,
        roster_version=decision.roster_version,
        roster=decision.roster,
        errors=decision.errors,
        promise=promise.measuring(by_value=by_value),
        changes=state.changes.added(change.change_id, seen, RECENT_LENGTH_MAX),
        parking=parking,
        eligibility=decision.eligibility,
    )
    return _with_release(after, decision)


def _waits_otherwise(
    state: ChannelState, decision: RosterSettled, eligibility: Eligibility
) -> bool:
    """Whether what waits may have to be told apart by other things than before."""
    if isinstance(decision.received.change, ChannelConfigured):
        return True
    before = state.eligibility.limits if state.eligibility else ()
    return marks_wanted(before) != marks_wanted(eligibility.limits)


def _after_outcome(state: ChannelState, decision: OutcomeRecorded) -> ChannelState:
    outcome = decision.received.outcome
    seen = Seen(
        decision.received.content_hash,
        decision.state_version,
        len(decision.roster),
        decision.decided_at,
        outcome.type,
    )
    moved = decision.errors != decision.errors_before
    after = replace(
        state,
        state_version=decision.state_version,
        errors=decision.errors,
        promise=state.promise.after(decision.roster, decision.errors, correction=moved),
        outcomes=state.outcomes.added(outcome.outcome_id, seen, RECENT_LENGTH_MAX),
        parking=decision.parking,
        eligibility=decision.eligibility,
    )
    return _with_release(after, decision)


def _with_release(state: ChannelState, decision: Decision) -> ChannelState:
    """A release begins if somebody may take anything of what waits."""
    if state.takeable() is None:
        return state
    return replace(state, release=Release(decision.input, decision.decided_at))


def _after_parking(state: ChannelState, decision: Parked) -> ChannelState:
    parking = state.parking
    for entry in decision.entries:
        parking = parking.added(entry)
    eligibility = state.eligibility
    if eligibility is None and any(entry.requirement != NOTHING for entry in decision.entries):
        # From here on not everybody may take everything.
        eligibility = eligibility_of(state.roster)
    return replace(
        state,
        state_version=decision.state_version,
        parking=parking,
        eligibility=eligibility,
    )
