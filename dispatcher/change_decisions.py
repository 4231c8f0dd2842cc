"""What is decided about a roster change, and about what a roster change has set a timer for.

- R10 A change whose id is among the channel's last 1,000 is a duplicate if its content is the same,
  and a dead letter if it isn't. What was refused is not remembered.
- A change that doesn't fit the roster is a dead letter and leaves no trace (see `roster`).
- When leads begin to be divided by value, by another value, or by count again, all errors become
  zero: they are amounts of something else from then on.
- A timer is an event like any other: the end of a pause resumes, the end of a day lets its counts
  begin again. The decision names the record that set the timer as its input.
"""

from dispatcher.decisions import DayBegan, Decision, Rejected, RosterSettled
from dispatcher.duplicates import duplicate
from dispatcher.eligibility import Eligibility, Timer, eligibility_after
from dispatcher.events import ChangeReceived, TimerDue, change_content_hash
from dispatcher.limits import Limits, Room
from dispatcher.roster import CannotApply, settle
from dispatcher.state import ChannelState
from dispatcher.times import day_of, timestamp_text
from schemas.inputs import AssigneeJoined, AssigneeResumed, RosterReplaced
from schemas.reasons import Reason


def decide_change(
    state: ChannelState, event: ChangeReceived, limits: Limits, room: Room
) -> tuple[Decision, ...] | Rejected:
    """Decide a roster change; as `channel.decide`."""
    change = event.change
    seen = state.changes.get(change.change_id)
    if seen is not None:
        if seen.content_hash != event.content_hash:
            detail = f"change_id {change.change_id!r} was used before for another change"
            return Rejected(event, Reason.CHANGE_ID_REUSED, detail)
        return (duplicate(state, event, change_id=change.change_id, seen=seen),)
    if not state.exists and room.channels <= 0:
        return Rejected(event, Reason.LIMIT_EXCEEDED, limits.too_many_channels())
    joining = len(state.roster) + 1 if isinstance(change, AssigneeJoined) else 0
    members = len(change.members) if isinstance(change, RosterReplaced) else joining
    if members > limits.members_max:
        detail = f"a roster of {members}; at most {limits.members_max}"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    try:
        if isinstance(change, RosterReplaced):
            _expect_version(state, change)
        decision = _settled(state, event)
    except CannotApply as refusal:
        return Rejected(event, refusal.reason, refusal.detail)
    if listing_bytes(decision) > limits.roster_bytes_max:
        detail = f"the roster would take over {limits.roster_bytes_max} bytes in a decision"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    return (decision,)


def listing_bytes(decision: RosterSettled) -> int:
    """At most what the decision takes that lists everyone: bytes of JSON."""
    listing = decision.roster.listing_bytes()
    return listing + (decision.eligibility.listing_bytes() if decision.eligibility else 0)


def _settled(
    state: ChannelState, event: ChangeReceived, *, by_timer: bool = False
) -> RosterSettled:
    """Raises CannotApply."""
    settled = settle(state.channel, state.roster, state.errors, event.change)
    eligibility = eligibility_after(state.eligibility, state.roster, settled.roster, event)
    errors = settled.errors
    if _measure(eligibility) != _measure(state.eligibility):
        # What is owed in leads says nothing about value, nor the other way round.
        errors = (0,) * len(errors)
    return RosterSettled(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version + 1,
        input=event.input,
        decided_at=event.decided_at,
        received=event,
        roster=settled.roster,
        errors=errors,
        errors_before=settled.before,
        denominator_before=state.roster.error_denominator,
        left=settled.left,
        eligibility=eligibility,
        by_timer=by_timer,
    )


def _measure(eligibility: Eligibility | None) -> str | None:
    """The attribute by which leads are divided; None where each counts one."""
    return None if eligibility is None else eligibility.rules.by_value


def _expect_version(state: ChannelState, change: RosterReplaced) -> None:
    expected = change.expected_roster_version
    if expected is not None and expected != state.roster_version:
        raise CannotApply(
            Reason.ROSTER_VERSION_MISMATCH,
            f"the roster has version {state.roster_version}, not {expected} as expected",
        )


def decide_timer(state: ChannelState, event: TimerDue) -> tuple[Decision, ...]:
    """Let the first timer of a channel happen. Raises AssertionError when none is due."""
    eligibility = state.eligibility
    if eligibility is None or not eligibility.timers:
        raise AssertionError("the channel has no timer")
    timer = eligibility.timers[0]
    if timer.at_ms > event.now_ms:
        raise AssertionError("the timer is not due yet")
    if timer.assignee_id:
        return (_settled(state, _pause_ended(state, timer), by_timer=True),)
    return (_day_began(state, eligibility, timer, event.now_ms),)


def _pause_ended(state: ChannelState, timer: Timer) -> ChangeReceived:
    at = timestamp_text(timer.at_ms)
    change = AssigneeResumed(
        type="assignee_resumed",
        schema_version=1,
        change_id=f"until/{state.state_version + 1}",
        channel=state.channel,
        created_at=at,
        assignee_id=timer.assignee_id,
        reason="paused until then",
    )
    return ChangeReceived(change, change_content_hash(change), at, timer.input)


def _day_began(
    state: ChannelState, eligibility: Eligibility, timer: Timer, now_ms: int
) -> DayBegan:
    """The day that it is now: days on which nobody was there to notice are not made up for."""
    now_ms = max(now_ms, timer.at_ms)
    day, ends_at_ms = day_of(now_ms, eligibility.rules.time_zone)
    return DayBegan(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=timer.input,
        decided_at=timestamp_text(timer.at_ms),
        day=day,
        ends_at_ms=ends_at_ms,
        eligibility=eligibility.on_another_day(now_ms, timer.input),
    )
