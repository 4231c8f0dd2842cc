"""Processes die in the middle of their work, and nobody can tell from what comes out."""

from tests.support import oracle
from tests.support.installation import Installation
from tests.support.records import ends
from tests.support.traffic import day, rosters
from tests.support.waiting import wait_until

LEADS = 100_000
CHANNELS = 20


def assignments_so_far(installation: Installation) -> int:
    """About how many: transaction markers count too."""
    return sum(
        ends(installation.admin, installation.places(installation.topics.assignments)).values()
    )


def test_a_hundred_thousand_leads_survive_three_kills(installation: Installation) -> None:
    """`kill -9` three times on the way: each lead is assigned once, decisions add up, and
    Redis = changelog = fold of the decisions."""
    installation.publish(rosters(CHANNELS))
    dispatcher = installation.start()
    for quarter in range(4):
        installation.publish(day(LEADS // 4, CHANNELS, seed=quarter))
        if quarter < 3:
            least = quarter * LEADS // 4 + LEADS // 10
            wait_until(
                lambda least=least: assignments_so_far(installation) > least,
                lambda: f"{assignments_so_far(installation)} assigned: {dispatcher.log_tail()}",
            )
            dispatcher.kill()
            assert assignments_so_far(installation) < (quarter + 1) * LEADS // 4
            dispatcher = installation.start()
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == LEADS
    assert not outcome.dead_letters
    assert len({record.event["lead_id"] for record in outcome.assignments}) == LEADS
    assert dispatcher.stop() == 0
