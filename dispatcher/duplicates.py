"""R10: what was seen before with the same content is ignored, and a decision says so."""

from dispatcher.decisions import DuplicateIgnored
from dispatcher.events import BatchReceived, ChangeReceived, OutcomeReceived
from dispatcher.state import ChannelState, Seen


def duplicate(
    state: ChannelState,
    event: BatchReceived | ChangeReceived | OutcomeReceived,
    *,
    seen: Seen | None,
    batch_id: str | None = None,
    change_id: str | None = None,
    outcome_id: str | None = None,
) -> DuplicateIgnored:
    """The decision; `seen` is None while what it repeats is parked."""
    return DuplicateIgnored(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch_id=batch_id,
        change_id=change_id,
        outcome_id=outcome_id,
        original_state_version=seen.state_version if seen else None,
    )
