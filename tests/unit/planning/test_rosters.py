"""A plan as rosters: only what differs, safe at every step, and complete whatever cuts it off."""

import json
import random
from collections.abc import Iterable, Mapping
from decimal import Decimal

import pytest

from dispatcher.limits import Limits
from dispatcher.share_limits import of
from dispatcher.state import ChannelState
from streams.failure import Failed
from streams.planning.document import BankerPlan, BranchPlan, PlanDocument
from streams.planning.rosters import (
    Changes,
    Terms,
    channels_left,
    publishing,
    renewing,
    targets,
    wanted_branches,
    wanted_hub,
)
from streams.replay import Replay
from tests.reference import events
from tests.support.records import Json

SEEDS = 150
ROUNDS = 3
MILLION = 1_000_000
TERMS = Terms()


def plan_of(staff: Mapping[str, Mapping[str, float]]) -> PlanDocument:
    """A plan that gives each banker of each branch so much."""
    return PlanDocument(
        model="m1",
        status="optimal",
        target=0.5,
        seconds=0,
        money="dollars",
        bankers=[
            BankerPlan(
                banker_id=name,
                branch_id=branch,
                capacity=1e9,
                assigned_value=value,
                unused_capacity=1e9 - value,
                cost=1,
            )
            for branch, people in staff.items()
            for name, value in people.items()
        ],
        branches=[
            BranchPlan(
                branch_id=branch,
                capacity=2e6,
                target_value=1e6,
                assigned_value=sum(people.values()),
                investment_value=0,
            )
            for branch, people in staff.items()
        ],
    )


def changes_for(
    plan: PlanDocument, states: Mapping[str, ChannelState], got: Mapping[str, int]
) -> Changes:
    """What `partidor plan publish` would send."""
    hub = wanted_hub(targets(plan), got, TERMS)
    return publishing(wanted_branches(plan, TERMS), hub, states)


def renewals(
    plan: PlanDocument, replay: Replay, got: Mapping[str, int], step: str = "0"
) -> Changes:
    """What `partidor plan follow` would send."""
    hub = wanted_hub(targets(plan), got, TERMS)
    return renewing(hub, replay.states["loans"], Decimal(step))


def apply(replay: Replay, changes: Iterable[Json]) -> list[Json]:
    """Decide the changes; what came out."""
    lines = [json.dumps({**each, "created_at": events.CREATED_AT}).encode() for each in changes]
    return [json.loads(output) for output in replay.lines(lines)]


def flat(changes: Changes) -> list[Json]:
    """All events, in the order in which they are sent."""
    return [event for part in changes.parts for event in part]


def random_staff(rng: random.Random) -> dict[str, dict[str, float]]:
    """Some branches with one or two of eight bankers each."""
    bankers = [f"K{n}" for n in range(8)]
    rng.shuffle(bankers)
    return {
        f"B{n}": {
            bankers.pop(): rng.choice([0.0, 1e6, 2.5e6, 123457.5])
            for _ in range(rng.randrange(1, 3))
        }
        for n in rng.sample(range(6), rng.randrange(1, 5))
    }


def interference(rng: random.Random, states: Mapping[str, ChannelState]) -> list[Json]:
    """What supervisors did meanwhile."""
    done = []
    for channel, state in sorted(states.items()):
        for member in state.roster.members:
            kind = rng.choice(["", "", "", "assignee_paused", "weight_changed", "assignee_left"])
            fields = {"weight": "7"} if kind == "weight_changed" else {}
            if kind:
                name = f"s{rng.random()}"
                done.append(
                    events.change(kind, name, channel, assignee_id=member.assignee_id, **fields)
                )
    if rng.random() < 0.3:
        fields = {"assignee_id": "desk", "weight": "1"}
        done.append(events.change("assignee_joined", f"j{rng.random()}", "loans", **fields))
    return done


def assert_newcomers_are_safe(states: Mapping[str, ChannelState]) -> None:
    """What leads anywhere is limited and staffed; no branch gets a loan that leads nowhere."""
    hub = states.get("loans")
    for member in hub.roster.members if hub else ():
        if member.weight_millionths and not member.paused and member.assignee_id != "desk":
            assert hub is not None
            assert hub.eligibility is not None
            assert hub.eligibility.rules.by_value == "amount"
            assert member.routes_to == f"loans/{member.assignee_id}"
            assert of(hub.eligibility.limits, member.assignee_id)


def assert_staffed(plan: PlanDocument, states: Mapping[str, ChannelState]) -> None:
    """Where a branch of the plan may get a loan, its bankers are there."""
    branches = set(targets(plan))
    for member in states["loans"].roster.members if "loans" in states else ():
        if member.weight_millionths and not member.paused and member.assignee_id in branches:
            planned = {
                each.banker_id for each in plan.bankers if each.branch_id == member.assignee_id
            }
            there = {m.assignee_id for m in states[f"loans/{member.assignee_id}"].roster.members}
            assert planned <= there


def assert_is(
    plan: PlanDocument, got: Mapping[str, int], states: Mapping[str, ChannelState]
) -> None:
    """Members, weights, presence, routes, limits."""
    hub, wanted = states["loans"], targets(plan)
    assert {member.assignee_id for member in hub.roster.members} == set(wanted)
    for member in hub.roster.members:
        missing = max(0, wanted[member.assignee_id] - got.get(member.assignee_id, 0))
        if missing:
            assert member.weight_millionths == max(1, missing // MILLION)
        else:
            # Whom somebody else paused keeps a weight, so that it stays theirs to resume.
            assert member.paused
            assert member.weight_millionths in (0, 1)
    for branch in wanted:
        staff = states[f"loans/{branch}"].roster.members
        assert {each.assignee_id: each.weight_millionths for each in staff} == {
            each.banker_id: max(1, int(each.assigned_value))
            for each in plan.bankers
            if each.branch_id == branch
        }
    assert_newcomers_are_safe(states)
    assert not channels_left(wanted_hub(wanted, got, TERMS), hub)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_runs_becomes_the_plan_though_publishing_is_cut_off(seed: int) -> None:
    """From one random plan to the next, with supervisors between, cut off at random places."""
    rng = random.Random(seed)
    replay = Replay(Limits())
    for _ in range(ROUNDS):
        apply(replay, interference(rng, replay.states))
        plan = plan_of(random_staff(rng))
        got = {
            name: rng.choice([0, 10**11, target, target + 1])
            for name, target in targets(plan).items()
        }
        before = {name: set(_names(state)) for name, state in replay.states.items()}
        while sent := flat(changes_for(plan, replay.states, got)):
            cut = rng.randrange(1, len(sent) + 1)
            for event in sent[:cut]:
                (output,) = apply(replay, [event])
                assert output["type"] == "roster_changed", output
                assert_newcomers_are_safe(replay.states)
                if event["channel"] == "loans":
                    assert_staffed(plan, replay.states)
            # What a process that died had sent may come once more.
            assert {each["type"] for each in apply(replay, sent[:cut])} == {"duplicate_ignored"}
        assert not changes_for(plan, replay.states, got).differences
        assert_is(plan, got, replay.states)
        # Nobody is left behind where they don't work any more.
        for branch in before.get("loans", set()) - set(targets(plan)) - {"desk"}:
            assert not _names(replay.states[f"loans/{branch}"])


def _names(state: ChannelState) -> list[str]:
    return [member.assignee_id for member in state.roster.members]


def test_a_first_plan_costs_few_changes_and_a_changed_weight_one() -> None:
    """Members and weights go together: so many branches are not so many changes of them."""
    replay = Replay(Limits())
    plan = plan_of({f"B{n}": {f"K{n}": 1e6, f"L{n}": 2e6} for n in range(10)})
    first = flat(changes_for(plan, replay.states, {}))
    assert [event["type"] for event in first] == [
        *["channel_configured", "roster_replaced"] * 10,
        *["channel_configured", "roster_replaced"],
        *["assignee_routed", "limits_changed"] * 10,
        "roster_replaced",
    ]
    apply(replay, first)
    (event,) = flat(changes_for(plan, replay.states, {"B3": 10**12}))
    assert [event[name] for name in ("type", "assignee_id", "weight")] == [
        *["weight_changed", "B3", "2"]
    ]


def test_a_branch_at_its_target_is_paused_and_comes_back_when_it_is_below() -> None:
    """Paused at weight 0 is the sign for it; whom a supervisor paused is left alone."""
    replay = Replay(Limits())
    plan = plan_of({"B1": {"K1": 1e6}, "B2": {"K2": 1e6}, "B3": {"K3": 1e6}})
    apply(replay, flat(changes_for(plan, replay.states, {})))
    apply(replay, [events.change("assignee_paused", "s", "loans", assignee_id="B2")])
    apply(replay, flat(renewals(plan, replay, {"B1": 10**12, "B2": 10**12})))
    assert seen(replay) == {"B1": (0, True), "B2": (1, True), "B3": (MILLION, False)}
    apply(replay, flat(renewals(plan, replay, {"B1": 4 * 10**11})))
    assert seen(replay) == {"B1": (600_000, False), "B2": (MILLION, True), "B3": (MILLION, False)}


def seen(replay: Replay) -> dict[str, tuple[int, bool]]:
    """Weight and presence of the hub's members."""
    members = replay.states["loans"].roster.members
    return {each.assignee_id: (each.weight_millionths, each.paused) for each in members}


def test_small_movements_wait_for_larger_ones() -> None:
    """Up to the step a weight stays; to reach the target is never small."""
    replay = Replay(Limits())
    plan = plan_of({"B1": {"K1": 1e6}, "B2": {"K2": 1e6}})
    apply(replay, flat(changes_for(plan, replay.states, {})))
    assert not renewals(plan, replay, {"B1": 10**10}, step="0.01").parts
    assert renewals(plan, replay, {"B1": 10**10 + MILLION}, step="0.01").parts
    apply(replay, flat(renewals(plan, replay, {"B1": 10**12 - MILLION})))
    assert seen(replay)["B1"] == (1, False)
    apply(replay, flat(renewals(plan, replay, {"B1": 10**12}, step="0.01")))
    assert seen(replay)["B1"] == (0, True)


def test_within_half_a_loan_a_branch_is_at_its_target() -> None:
    """So it ends as often below it as above."""
    plan = plan_of({"B1": {"K1": 1e6}})
    near = {"B1": 7 * 10**11}
    for within, weight in ((0, 300_000), (3 * 10**11, 300_000), (3 * 10**11 + 1, 0)):
        (member,) = wanted_hub(targets(plan), near, TERMS, within).members
        assert member.weight == weight


def test_renewing_takes_nobody_in_and_sends_nobody_away() -> None:
    """Who joined or left since the plan was published is a supervisor's business."""
    replay = Replay(Limits())
    plan = plan_of({"B1": {"K1": 1e6}, "B2": {"K2": 1e6}})
    apply(replay, flat(changes_for(plan, replay.states, {})))
    desk = {"assignee_id": "desk", "weight": "3"}
    left = events.change("assignee_left", "l", "loans", assignee_id="B2")
    apply(replay, [left, events.change("assignee_joined", "j", "loans", **desk)])
    apply(replay, flat(renewals(plan, replay, {"B1": 10**11, "B2": 10**11})))
    assert seen(replay) == {"B1": (900_000, False), "desk": (3 * MILLION, False)}


def test_other_rules_and_limits_of_a_channel_stay() -> None:
    """What the plan says nothing of isn't its business."""
    replay = Replay(Limits())
    others = [{"attribute": "state", "value": "NSW", "share_max": "0.25"}]
    rules = {
        "time_zone": "Australia/Melbourne",
        "returns": [{"reason": "busy", "credited": True}],
        "sticky": {"attributes": ["phone"], "days": 9},
    }
    apply(
        replay,
        [
            events.roster("r", {"B1": "1"}, "loans"),
            events.change("channel_configured", "c", "loans", **rules),
            events.change("limits_changed", "l", "loans", assignee_id="B1", limits=others),
        ],
    )
    apply(replay, flat(changes_for(plan_of({"B1": {"K": 1e6}}), replay.states, {})))
    eligibility = replay.states["loans"].eligibility
    assert eligibility is not None
    assert eligibility.rules.time_zone == "Australia/Melbourne"
    assert eligibility.rules.on_return("busy").credited
    assert eligibility.rules.sticky is not None
    ((first, second),) = [each.limits for each in eligibility.limits]
    assert (first.value, second.value) == ("NSW", "investment")


def test_a_plan_without_bankers_is_refused() -> None:
    """There is nobody to give a loan to."""
    empty = PlanDocument(model="m1", status="infeasible", target=2, seconds=0, money="dollars")
    with pytest.raises(Failed, match="infeasible and names no bankers"):
        targets(empty)
