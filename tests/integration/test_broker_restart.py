"""A broker that is killed and comes back: nothing is lost, nothing is twice, and it goes on."""

from pathlib import Path

from streams.local import LocalStack
from tests.reference import events
from tests.support import oracle
from tests.support.installation import Installation


def test_after_a_broker_was_killed_the_dispatcher_goes_on_by_itself(tmp_path: Path) -> None:
    """Idle connections, leader epochs, coordinators: all of them are found anew within 30 s."""
    with (
        LocalStack() as stack,
        Installation(stack.bootstrap_servers, stack.redis_url, tmp_path) as installation,
    ):
        installation.started()
        story = list(events.the_seeds_story())
        for event in story[:4]:
            installation.process([event])
        stack.kafka.kill()
        stack.kafka.start()
        for event in story[4:]:
            installation.process([event])
        assert [
            {row["assignee_id"]: row["assigned"] for row in decision["shares"]}
            for decision in installation.decisions("web", "batch_dispatched")
        ][-1] == {"B": 115, "C": 127, "D": 58}
        oracle.check(installation)
