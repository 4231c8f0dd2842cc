"""Processes die in the middle of their work, and nobody can tell from what comes out."""

from tests.support import oracle
from tests.support.installation import Installation
from tests.support.records import ends
from tests.support.traffic import day, rosters

LEADS = 100_000
CHANNELS = 20


def test_a_hundred_thousand_leads_survive_three_kills(installation: Installation) -> None:
    """`kill -9` three times on the way: each lead is assigned once, decisions add up, and
    Redis = changelog = fold of the decisions.
    """
    installation.publish(rosters(CHANNELS))
    # Small ones: by default one would take all that there is, and nothing be left to be killed in.
    small = {"transaction_records_max": 2_000}
    dispatcher = installation.start(**small)
    for quarter in range(4):
        installation.publish(day(LEADS // 4, CHANNELS, seed=quarter))
        if quarter < 3:
            installation.wait_until_assignments_end(quarter * LEADS // 4 + LEADS // 10)
            dispatcher.kill()
            assert installation.committed() != ends(installation.admin, installation.input_places())
            dispatcher = installation.start(**small)
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == LEADS
    assert not outcome.dead_letters
    assert len({record.event["lead_id"] for record in outcome.assignments}) == LEADS
    assert dispatcher.stop() == 0
