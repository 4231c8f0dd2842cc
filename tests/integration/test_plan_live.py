"""From plan to stream: rosters published once, made up for, followed; a small year against plan."""

import json
import os
import subprocess
from pathlib import Path

from streams.own_command import PARTIDOR
from streams.planning.document import PlanDocument
from tests.reference import events
from tests.support import oracle
from tests.support.dispatchers import CODE, DispatcherProcess
from tests.support.installation import AT_ONCE, Installation
from tests.support.records import Json
from tests.support.waiting import wait_until
from tests.year.loans import Loan, Place, full_plan
from tests.year.report import report
from tests.year.running import QUICK, Course, Year

PATIENCE_S = 60
BRANCHES = [Place(f"B{n}", 8_000_000 + 2_500_000 * n) for n in range(8)]
BANKERS = [Place(f"K{n}", 60_000_000) for n in range(18)]


def loans(count: int) -> list[Loan]:
    """Between 150,000 and 900,000 dollars, every other one an investment."""
    return [Loan(f"L{n}", 150_000 + 7_919 * n % 750_000, bool(n % 2)) for n in range(count)]


def written(plan: PlanDocument, path: Path) -> Path:
    """As `partidor plan solve --json` would leave it."""
    path.write_text(plan.model_dump_json())
    return path


def partidor(
    installation: Installation, *arguments: object, fails: bool = False, **settings: object
) -> str:
    """A command, as an operator of this installation calls it; what it prints, or complains of."""
    done = subprocess.run(
        [*PARTIDOR, *map(str, arguments)],
        capture_output=True, timeout=PATIENCE_S, check=False,
        env={**os.environ, "PYTHONPATH": CODE, **installation.environment(**settings)},
    )  # fmt: skip
    assert (done.returncode != 0) == fails, done.stderr.decode()
    return (done.stderr if fails else done.stdout).decode()


def published(installation: Installation, plan: Path, *options: object) -> Json:
    """What `plan publish --json` says."""
    said: Json = json.loads(partidor(installation, "plan", "publish", plan, "--json", *options))
    return said


def weights(installation: Installation) -> dict[str, tuple[str, bool]]:
    """Weight and presence of each branch, as `partidor show` has them."""
    shown = json.loads(partidor(installation, "show", "loans", "--json"))
    return {each["assignee_id"]: (each["weight"], each["paused"]) for each in shown["members"]}


def small_plan(*of_branches: tuple[str, dict[str, float]]) -> PlanDocument:
    """Branches with their bankers, and what each is to process."""
    document = full_plan(
        [Place(name, 10_000_000) for name, _ in of_branches],
        [Place(banker, 10_000_000) for _, people in of_branches for banker in people],
        [],
    )
    staff = {
        banker: (name, value) for name, people in of_branches for banker, value in people.items()
    }
    bankers = [
        each.model_copy(
            update={
                "branch_id": staff[each.banker_id][0],
                "assigned_value": staff[each.banker_id][1],
            }
        )
        for each in document.bankers
    ]
    branches = [
        each.model_copy(update={"assigned_value": sum(dict(of_branches)[each.branch_id].values())})
        for each in document.branches
    ]
    return document.model_copy(update={"bankers": bankers, "branches": branches})


def test_a_plan_is_published_once_and_then_only_what_differs(
    installation: Installation, tmp_path: Path
) -> None:
    """Before any dispatcher runs, while one does, and over a wiped Redis."""
    first = written(
        small_plan(("B1", {"K1": 2e6, "K2": 1e6}), ("B2", {"K3": 4e6})), tmp_path / "first.json"
    )
    would = published(installation, first, "--dry-run")
    assert (would["published"], would["changes"]) == (0, 11)
    assert published(installation, first)["published"] == 11
    # Nobody has decided anything yet: what was sent counts as done all the same.
    assert published(installation, first)["published"] == 0
    dispatcher = installation.started(**AT_ONCE)
    installation.wait_until_processed()
    assert published(installation, first)["published"] == 0
    assert weights(installation) == {"B1": ("3", False), "B2": ("4", False)}
    second = written(
        small_plan(("B1", {"K1": 2e6, "K4": 1e6}), ("B2", {"K3": 4e6})), tmp_path / "second.json"
    )
    said = published(installation, second)
    assert [
        (each["channel"], each["assignee_id"], each["what"]) for each in said["differences"]
    ] == [("loans/B1", "K2", "leaves"), ("loans/B1", "K4", "joins")]
    assert said["published"] == 1
    dispatcher.kill()
    installation.flush_redis()
    refused = partidor(installation, "plan", "publish", second, fails=True, call_timeout_ms=2_000)
    assert "Redis doesn't hold what the dispatchers decided" in refused
    installation.started(**AT_ONCE)
    installation.wait_until_processed()
    installation.process([events.change("assignee_joined", "x", assignee_id="A", weight="1")])
    assert published(installation, second)["published"] == 0
    assert not installation.dead_letters()
    oracle.check(installation)


def test_what_an_interrupted_publishing_sent_is_not_sent_again(
    installation: Installation, tmp_path: Path
) -> None:
    """Cut off behind any of its changes, the next one completes it, by the same ids."""
    plan = written(
        small_plan(("B1", {"K1": 2e6, "K2": 1e6}), ("B2", {"K3": 4e6})), tmp_path / "plan.json"
    )
    whole = _events_of(installation, plan)
    installation.started()
    for cut in (3, 8):
        installation.process(whole[:cut])
        rest = published(installation, plan, "--dry-run")
        assert rest["changes"] == len(whole) - cut
    # It had sent more than anybody could see by then.
    published(installation, plan)
    installation.process(whole)
    assert len(installation.decisions(kind="duplicate_ignored")) == 3 + len(whole)
    assert published(installation, plan)["published"] == 0
    assert weights(installation) == {"B1": ("3", False), "B2": ("4", False)}
    assert not installation.dead_letters()
    oracle.check(installation)


def _events_of(installation: Installation, plan: Path) -> list[Json]:
    from streams.planning.publishing import Desk, Wish, read_plan
    from streams.planning.rosters import Terms

    wish = Wish(read_plan(plan.read_bytes(), plan.name), Terms())
    parts = Desk(installation.settings, wish).publishing({}).parts
    return [{**event, "created_at": events.CREATED_AT} for part in parts for event in part]


def test_followers_go_on_where_they_stopped_and_leave_supervisors_alone(
    installation: Installation, tmp_path: Path
) -> None:
    """Killed between two loans; a declined loan makes room again; a branch is paused by hand."""
    installation.started(**QUICK)
    plan = written(
        small_plan(("B1", {"K1": 1e6}), ("B2", {"K2": 1e6}), ("B3", {"K3": 1e6})),
        tmp_path / "plan.json",
    )
    state = tmp_path / "state.json"
    options = ("--state", state, "--booked-reason", "settled")
    assert "not those of the plan" in partidor(
        installation, "plan", "follow", plan, *options, "--timeout", 1, fails=True
    )
    published(installation, plan)
    follower = following(installation, plan, *options)
    installation.process([events.change("assignee_paused", "p", "loans", assignee_id="B3")])
    installation.process([events.lead_batch("b1", [_loan("L1", 600_000)], "loans")])
    (first,) = {each["channel"].removeprefix("loans/") for each in _taken(installation)}
    other = {"B1": "B2", "B2": "B1"}[first]
    wait_for(installation, {first: ("0.4", False), other: ("1", False), "B3": ("1", True)})
    follower.kill()
    installation.process([events.lead_batch("b2", [_loan("L2", 1_000_000)], "loans")])
    installation.wait_until_assigned(2)
    follower = following(installation, plan, *options)
    wait_for(installation, {first: ("0.4", False), other: ("0", True), "B3": ("1", True)})
    installation.process([events.lead_batch("b3", [_loan("L3", 400_000)], "loans")])
    wait_for(installation, {first: ("0", True), other: ("0", True), "B3": ("1", True)})
    installation.process([events.lead_batch("b4", [_loan("L4", 5_000)], "loans")])
    (parked,) = installation.decisions("loans", "batch_parked")
    assert parked["groups"][0]["parked_because"] == "nobody_active"
    taken = {each["lead_id"]: each for each in _taken(installation)}
    installation.process([_closed(taken["L1"], "declined"), _closed(taken["L2"], "settled")])
    wait_for(installation, {first: ("0.595", False), other: ("0", True), "B3": ("1", True)})
    # What waited came to whoever had room again.
    assert {each["lead_id"] for each in _taken(installation)} == {"L1", "L2", "L3", "L4"}
    assert follower.stop() == 0
    kept = json.loads(state.read_bytes())["totals"]
    assert kept["booked"] == {other: 10**12}
    assert published(installation, plan, *options)["published"] == 0
    assert published(installation, plan, "--booked-reason", "settled")["published"] == 0
    booked = tmp_path / "booked.csv"
    booked.write_text(f"branch_id,booked\n{first},999999\n{other},0\n")
    said = published(installation, plan, "--booked", booked, "--dry-run")
    assert {(each["assignee_id"], each["what"], each["after"]) for each in said["differences"]} == {
        (first, "weight", "0.000001"),
        (other, "weight", "1"),
        (other, "presence", "active"),
    }
    oracle.check(installation)


def following(installation: Installation, plan: Path, *options: object) -> DispatcherProcess:
    """`partidor plan follow`, looking often."""
    number = len(list(installation.directory.glob("follower-*.log")))
    follower = DispatcherProcess(
        "follow",
        installation.environment(),
        installation.directory / f"follower-{number}.log",
        ["plan", "follow", str(plan), "--every", "0.1", *map(str, options)],
    )
    wait_until(lambda: follower.says("following"), follower.log_tail)
    return follower


def wait_for(installation: Installation, wanted: dict[str, tuple[str, bool]]) -> None:
    """Until the hub's roster is so."""
    wait_until(
        lambda: weights(installation) == wanted, lambda: f"{weights(installation)}, not {wanted}"
    )


def _loan(lead_id: str, amount: int) -> Json:
    return {"lead_id": lead_id, "attributes": {"amount": amount, "purpose": "owner-occupied"}}


def _taken(installation: Installation) -> list[Json]:
    return [each for each in installation.assignments() if each["channel"].startswith("loans/")]


def _closed(assigned: Json, reason: str) -> Json:
    event = events.change(
        "lead_closed", "", assigned["channel"], outcome_id=f"o-{assigned['lead_id']}",
        lead_id=assigned["lead_id"], assignee_id=assigned["assignee_id"], reason=reason,
    )  # fmt: skip
    del event["change_id"]
    return event


def test_a_small_year_ends_as_planned(installation: Installation, tmp_path: Path) -> None:
    """400 loans, 8 branches, 18 bankers; a dispatcher and the follower are killed on the way."""
    year_loans = loans(400)
    plan = full_plan(BRANCHES, BANKERS, year_loans)
    course = Course(
        weeks=6, part=0.015, close_days=5, kill_follower_on=10, kill_dispatcher_on=15
    )  # fmt: skip
    for slot in ("0", "1"):
        installation.start(slot, **QUICK)
    year = Year(installation, written(plan, tmp_path / "plan.json"), year_loans, course)
    assert year.publish()["published"] == 35
    installation.wait_until_processed()
    assert year.publish()["published"] == 0
    year.run()
    found = report(year)
    assert all(found["findings"].values()), found
    assert found["loans"] == found["assigned"]["loans"] + found["parked"]["loans"] == 400
    largest = max(loan.amount for loan in year_loans)
    assert found["parked"]["value"] > largest
    assert set(found["parked"]["because"]) <= {"nobody_active", "limit_reached"}
    assert found["past_target"] <= 4, found
    assert -largest < found["branches"]["lowest_dollars"]
    assert found["branches"]["highest_dollars"] < 2 * largest
    assert 0.4 < found["investment_share"]["most"] <= 0.5
    assert found["booked_loans"] == found["assigned"]["loans"]
    oracle.check(installation)
