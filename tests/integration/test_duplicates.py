"""What comes twice is known by its id, through restarts too (R10)."""

from tests.reference import events
from tests.support import copies, oracle
from tests.support.installation import Installation

LATER = {"created_at": "2026-11-21T10:00:00Z"}


def kinds(installation: Installation, channel: str) -> list[str]:
    """The types of a channel's decisions, in order."""
    return [decision["type"] for decision in installation.decisions(channel)]


def test_a_batch_that_comes_again_is_ignored(installation: Installation) -> None:
    """The same leads under another time; other leads under the same id are a dead letter."""
    batch = events.lead_batch("b", 10)
    installation.started()
    installation.process([events.roster("r", {"A": "1", "B": "1"})])
    installation.process([batch, {**batch, **LATER}, events.lead_batch("b", 11)])
    assert kinds(installation, "web") == ["roster_changed", "batch_dispatched", "duplicate_ignored"]
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 10
    assert [letter.errors["reason"] for letter in outcome.dead_letters] == ["batch_id_reused"]


def test_a_batch_is_known_while_it_is_parked(installation: Installation) -> None:
    """Before and after its release; the release itself is no duplicate."""
    batch = events.lead_batch("b", 10)
    installation.started()
    installation.process([batch, batch, events.lead_batch("b", 9)])
    installation.process([events.roster("r", {"A": "1", "B": "1"})])
    installation.process([batch, events.lead_batch("b", 9)])
    assert kinds(installation, "web") == [
        "batch_parked",
        "duplicate_ignored",
        "roster_changed",
        "batch_released",
        "batch_dispatched",
        "duplicate_ignored",
    ]
    outcome = oracle.check(installation)
    assert [letter.errors["reason"] for letter in outcome.dead_letters] == ["batch_id_reused"] * 2


def test_a_change_that_comes_again_is_ignored(installation: Installation) -> None:
    """With other content it is a dead letter; one that was refused may be sent again."""
    join = events.change("assignee_joined", "j", assignee_id="A", weight="1")
    leave = events.change("assignee_left", "l", assignee_id="B")
    installation.started()
    installation.process([join, {**join, **LATER}, {**join, "weight": "2"}, leave])
    installation.process([events.change("assignee_joined", "k", assignee_id="B", weight="1")])
    installation.process([leave, leave])
    assert kinds(installation, "web") == [
        "roster_changed",
        "duplicate_ignored",
        "roster_changed",
        "roster_changed",
        "duplicate_ignored",
    ]
    outcome = oracle.check(installation)
    reasons = [letter.errors["reason"] for letter in outcome.dead_letters]
    assert reasons == ["change_id_reused", "not_a_member"]


def test_the_last_thousand_are_remembered_through_restarts(installation: Installation) -> None:
    """From Redis and from the changelog; what is older than that counts as new."""
    batches = [events.lead_batch(f"b-{number}", 1) for number in range(1_010)]
    dispatcher = installation.started()
    installation.process([events.roster("r", {"A": "1", "B": "1"})])
    installation.process(batches)
    for round_number in range(2):
        assert dispatcher.stop() == 0
        if round_number:
            installation.flush_redis()
        dispatcher = installation.started()
        installation.process([batches[10], batches[500], batches[-1]])
    installation.process([batches[9]])
    assert kinds(installation, "web").count("duplicate_ignored") == 6
    # The oldest was forgotten and is dispatched again, which the oracle would call a fault.
    assert len(installation.assignments()) == 1_011
    copies.check_redis(installation)
