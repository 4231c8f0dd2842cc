"""The views while Kafka and Redis are away: what they know is served, and they go on."""

from pathlib import Path

from streams.local import LocalStack
from tests.integration.test_views_killed import environment
from tests.reference import events
from tests.support.installation import Installation
from tests.views_process import ViewsProcess


def test_after_a_broker_was_killed_the_views_go_on_by_themselves(tmp_path: Path) -> None:
    """Decisions and assignments; meanwhile standings are there, and what can't be asked says so."""
    with (
        LocalStack() as stack,
        Installation(stack.bootstrap_servers, stack.redis_url, tmp_path) as installation,
    ):
        installation.started()
        installation.process(events.the_seeds_story())
        with ViewsProcess(environment(installation, tmp_path / "data"), tmp_path / "log") as views:
            views.ready()
            views.until("/api/leads/L17", lambda answer: answer.status == 200)
            stack.kafka.kill()
            assert views.standings("web").body["leads"] == 450
            views.until("/api/operations", lambda answer: answer.body["lag"]["error"] is not None)
            assert views.get("/api/leads/L17").status == 503
            stack.kafka.start()
            installation.process([events.lead_batch("after", [f"after-{n}" for n in range(20)])])
            views.until("/api/channels/web", lambda answer: answer.body["leads"] == 470)
            views.until("/api/leads/after-19", lambda answer: answer.status == 200)
            views.until("/api/operations", lambda answer: answer.body["lag"]["error"] is None)
            stack.redis.kill()
            found = views.until(
                "/api/operations", lambda answer: answer.body["dispatchers"]["error"] is not None
            ).body
            assert {row["lag"] for row in found["lag"]["rows"]} == {0}
            assert "Redis" in found["lag"]["why_unknown"]
            assert views.standings("web").body["leads"] == 470
