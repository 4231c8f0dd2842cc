"""Weeks of a team, drawn from a seed."""

import random
from collections import Counter
from datetime import datetime

import pytest

from dispatcher.limits import Limits
from schemas.documents import EVENTS
from streams.rehearsal.plan import MONDAY, OF_HOURS, Plan, batches_of_day, planned_events
from streams.rehearsal.report import event_lines, standings_csv
from streams.replay import Replay
from streams.whatif.comparison import PARTIDOR, scenario_of
from streams.whatif.course import Course, course_of
from streams.whatif.history import history_of_lines

SEEDS = range(20)
BUSY = {"days": 40, "assignees": 3, "joins": 5, "leaves": 5, "absences": 12}


def course(plan: Plan) -> Course:
    """A plan, decided."""
    history = history_of_lines(event_lines(planned_events(plan)), Limits())
    assert history.refused == 0
    return course_of(history.events, plan.channel, Limits(), with_days=True)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """And another one gives others."""
    one, two = (event_lines(planned_events(Plan(seed=7))) for _ in range(2))
    assert one == two
    assert one != event_lines(planned_events(Plan(seed=8)))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_event_is_valid_and_can_be_applied(seed: int) -> None:
    """Whoever leaves or goes away is there; nobody leaves as the last."""
    plan = Plan(seed=seed, **BUSY)  # type: ignore[arg-type]
    events = planned_events(plan)
    for event in events:
        EVENTS[event["type"]].model_validate(event)
    assert [event["created_at"] for event in events] == sorted(e["created_at"] for e in events)
    decided = course(plan)
    assert not decided.rejected
    assert decided.parked_at_end == (0, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_ever_further_off_than_promised(seed: int) -> None:
    """Decided for real, errors stay inside the bounds that stand beside them in the report."""
    for band in course(Plan(seed=seed, **BUSY)).bands:  # type: ignore[arg-type]
        assert band.promise.holds((band.most_owed, band.furthest_ahead), band.denominator)


def test_every_lead_of_a_day_arrives_in_order_within_working_hours() -> None:
    """In batches of the sizes that were asked for, but for the last."""
    found = batches_of_day(random.Random(3), 100, (2, 9), MONDAY)
    assert sum(size for _, size in found) == 100
    assert found == sorted(found)
    assert {moment.hour for moment, _ in found} <= set(OF_HOURS)
    assert all(size <= 9 for _, size in found)


def test_weekends_are_quieter() -> None:
    """By weekday over twelve weeks."""
    leads: Counter[int] = Counter()
    for event in planned_events(Plan(days=84)):
        if event["type"] == "lead_batch":
            leads[datetime.fromisoformat(event["created_at"]).weekday()] += len(event["leads"])
    assert leads[6] < leads[5] < min(leads[day] for day in range(5))


def test_capacities_make_leads_wait() -> None:
    """Of newcomers too; nobody gets more than that in a day."""
    plan = Plan(days=10, assignees=3, per_day=5, joins=1, leaves=0)
    decided = course(plan)
    assert decided.waited_lead_ms[0] > 0
    outcome = scenario_of("", decided, ()).outcomes[PARTIDOR]
    for name in outcome.received:
        for day in decided.days:
            count, _ = outcome.between(name, day.ends_ms - 86_400_000, day.ends_ms)
            assert count <= 5


def test_standings_say_for_each_day_who_has_got_how_much() -> None:
    """All leads on the last day; received less fair share is the error while nobody leaves."""
    plan = Plan(days=12, leaves=0)
    header, *rows = [line.split(",") for line in standings_csv(course(plan)).splitlines()]
    assert header[:4] == ["day", "assignee_id", "weight", "presence"]
    last = [row for row in rows if row[0] == rows[-1][0]]
    leads = sum(len(event.get("leads", ())) for event in planned_events(plan))
    assert sum(int(row[4]) for row in last) == leads
    for row in rows:
        assert abs(int(row[4]) - float(row[5]) - float(row[6])) < 1e-9


def test_the_events_of_a_report_are_a_file_that_replay_reads() -> None:
    """Every lead is assigned, once."""
    lines = event_lines(planned_events(Plan(days=5)))
    outputs = list(Replay(Limits()).lines(lines))
    assert not any(b'"dead_letter"' in line for line in outputs)
    leads = sum(len(event.get("leads", ())) for event in planned_events(Plan(days=5)))
    assert sum(b'"lead_assigned"' in line for line in outputs) == leads
