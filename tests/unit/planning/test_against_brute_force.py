"""Models against every plan there is, on networks small enough to try them all.

520 networks of ten kinds that are hard (`tests.support.tiny_networks`). A third of them is at the
largest target that is possible, and a sixth just above it, so that neither luck nor slack helps.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from dispatcher.planning import feasibility, m1_least_cost, pricing, search
from dispatcher.planning.feasibility import explain, largest_target
from dispatcher.planning.least_unused import least_unused
from dispatcher.planning.limits import Limit
from dispatcher.planning.m1_least_cost import least_cost, unused_among_best
from dispatcher.planning.m2_greatest_profit import greatest_profit
from dispatcher.planning.m3_profit_per_banker import profit_per_banker
from dispatcher.planning.plan import Plan
from streams.planning.checking import check
from streams.planning.document import ModelName
from streams.planning.exact_tables import read_tables
from streams.planning.reported import read_plans
from streams.planning.summary import document_of
from tests.support.brute_force import Everything, everything, possible
from tests.support.tiny_networks import KINDS, TARGET_UNITS, TinyNetwork, at_target, tiny_networks

pytestmark = pytest.mark.no_cover  # traced, they take several times as long

SEED: Final = 9
NETWORKS: Final = 520
BY_THE_LONG_WAY: Final = 40
EARNED: Final = Fraction(6, 100)
"""Of a loan of value 1 at the best rate, 12 %, with R(r) = 1 - r/24."""
MODELS: Final[dict[ModelName, Callable[..., Plan]]] = {
    "m1": least_cost,
    "m2": greatest_profit,
    "m3": profit_per_banker,
    "least-unused": least_unused,
}


LIFTED: Final[dict[Limit, Callable[[TinyNetwork], TinyNetwork]]] = {
    Limit.HALF_INVESTMENT: lambda tiny: replace(tiny, investment=(False,) * len(tiny.amount)),
    Limit.BANKER_CAPACITY: lambda tiny: replace(
        tiny, banker_capacity=(sum(tiny.amount),) * len(tiny.pay)
    ),
}
CONFLICTS: Final = 8


class Case(NamedTuple):
    """A network and all its plans."""

    kind: str
    tiny: TinyNetwork
    all: Everything

    def best(self, model: ModelName) -> Fraction | int | None:
        """The optimum of a model, None where there is no plan."""
        match model:
            case "m1":
                return self.all.least_cost()
            case "m2":
                return self.all.greatest_profit(EARNED)
            case "m3":
                return self.all.greatest_profit_per_banker(EARNED)
            case "least-unused":
                return self.all.least_unused()


def cases(seed: int, count: int) -> Iterator[Case]:
    """Networks as they are drawn, at their largest target, or just above it."""
    for number, (kind, drawn) in enumerate(tiny_networks(seed, count)):
        largest = everything(drawn).largest_target
        tiny = drawn
        if number % 3 == 1:
            tiny = at_target(drawn, largest)
        elif number % 6 == 2:
            tiny = at_target(drawn, largest, above=1)
        yield Case(kind, tiny, everything(tiny))


@pytest.fixture(scope="module")
def drawn() -> list[Case]:
    """All of them, once for all tests."""
    return list(cases(SEED, NETWORKS))


def test_the_networks_are_hard(drawn: list[Case]) -> None:
    """A good third has no plan; of the others a third is at the very edge of what is possible."""
    infeasible = [case for case in drawn if not case.all.sent]
    assert len(infeasible) > NETWORKS / 3 - 10
    step = Fraction(1, TARGET_UNITS)
    feasible = [case for case in drawn if case.all.sent]
    tight = [
        case for case in feasible
        if case.tiny.target and case.all.largest_target - Fraction(case.tiny.target) * step < step
    ]  # fmt: skip
    assert len(tight) > len(feasible) / 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_finds_the_best_of_all_plans_or_that_there_is_none(
    kind: str, drawn: list[Case], tmp_path: Path
) -> None:
    """Objective and bound are that of the best plan; the plan keeps every limit, exactly."""
    for case in drawn:
        if case.kind == kind:
            for model, solve in MODELS.items():
                assert_best(case, model, solve(case.tiny.network(), case.tiny.share), tmp_path)


def test_the_way_of_large_networks_leads_there_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Flows first, loans given out, and only then every loan decided: on the same networks."""
    for module in (search, m1_least_cost, feasibility):
        monkeypatch.setattr(module, "LOAN_COLUMNS_SMALL", 0)
    for case in cases(SEED + 1, BY_THE_LONG_WAY):
        for model, solve in MODELS.items():
            assert_best(case, model, solve(case.tiny.network(), case.tiny.share), tmp_path)


def test_so_does_the_way_of_the_largest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where pairs of banker and branch are looked at a few at a time: here one at a time."""
    for module in (search, m1_least_cost):
        monkeypatch.setattr(module, "LOAN_COLUMNS_SMALL", 0)
    monkeypatch.setattr(search, "PRICED_FROM", 0)
    for few in ("BEGIN_WITH", "TAKEN_IN_MAX", "KEPT_OF_EACH"):
        monkeypatch.setattr(pricing, few, 1)
    for case in cases(SEED + 3, BY_THE_LONG_WAY):
        for model, solve in MODELS.items():
            assert_best(case, model, solve(case.tiny.network(), case.tiny.share), tmp_path)


def test_flows_alone_promise_nothing_that_loans_can_t_keep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is too large to decide loan by loan may get no plan, or not the best; never a wrong one.

    What is called infeasible is, what is called optimal is, and every bound holds.
    """
    for limit in ("LOAN_COLUMNS_SMALL", "LOAN_COLUMNS_MAX"):
        monkeypatch.setattr(search, limit, 0)
    monkeypatch.setattr(m1_least_cost, "LOAN_COLUMNS_SMALL", 0)
    for case in cases(SEED + 2, BY_THE_LONG_WAY):
        for model, solve in MODELS.items():
            assert_honest(case, model, solve(case.tiny.network(), case.tiny.share), tmp_path)


def test_types_of_bankers_lose_no_more_than_the_gap_says(
    tmp_path: Path,
) -> None:
    """One type for each capacity, the coarsest there are: bounds hold, and plans are sound."""
    for case in cases(SEED + 4, BY_THE_LONG_WAY):
        for model, solve in MODELS.items():
            plan = solve(case.tiny.network(), case.tiny.share, banker_types=1)
            assert_honest(case, model, plan, tmp_path)


def test_of_the_cheapest_plans_the_fullest_is_taken(drawn: list[Case]) -> None:
    """And `unused_among_best` knows how much they differ."""
    for case in drawn[::5]:
        cost, unused = case.all.least_cost(), case.all.unused_at_least_cost()
        if cost is None or unused is None:
            continue
        network = case.tiny.network()
        taken = least_cost(network, case.tiny.share).allocation
        assert taken is not None
        assert taken.unused_capacity(network) == pytest.approx(unused[0], rel=1e-9), case
        found = unused_among_best(network, case.tiny.share, float(cost))
        assert found == pytest.approx(unused, rel=1e-9, abs=1e-6), case


def test_the_largest_target_is_the_largest(drawn: list[Case]) -> None:
    """With its bound."""
    for case in drawn[::5]:
        most = float(case.all.largest_target)
        assert largest_target(case.tiny.network()) == pytest.approx((most, most), abs=1e-8), case


def test_nothing_can_be_left_out_of_a_conflict(drawn: list[Case]) -> None:
    """What it names is impossible, and without any branch or limit that it names it isn't."""
    looked_at = 0
    for case in drawn:
        if case.all.sent or looked_at == CONFLICTS:
            continue
        conflict = explain(case.tiny.network(), case.tiny.share)
        named = {limit for limit in Limit if any(limit.value in each for each in conflict.limits)}
        if not named >= {Limit.ONE_BRANCH, Limit.SUPPLY, Limit.WHOLE_LOANS}:
            continue  # not to be had by trying all whole loans with one branch each
        branches = {int(branch_id[1:]) - 1 for branch_id in conflict.branch_ids}
        left = case.tiny
        for limit in LIFTED.keys() - named:
            left = LIFTED[limit](left)
        assert not possible(left, branches), (case, conflict)
        assert all(possible(left, branches - {each}) for each in branches), (case, conflict)
        lifted = [LIFTED[limit](left) for limit in LIFTED.keys() & named]
        assert all(possible(each, branches) for each in lifted), (case, conflict)
        looked_at += 1
    assert looked_at == CONFLICTS


def assert_best(case: Case, model: ModelName, plan: Plan, tmp_path: Path) -> None:
    """The plan is the best one, and proven to be."""
    best = case.best(model)
    if best is None:
        assert plan.status.value == "infeasible", (model, case)
        return
    assert plan.status.value == "optimal", (model, case)
    assert plan.objective == pytest.approx(float(best), rel=1e-9, abs=1e-9), (model, case)
    assert plan.bound == pytest.approx(float(best), rel=1e-7, abs=1e-7), (model, case)
    assert_sound(case, model, plan, tmp_path)


def assert_honest(case: Case, model: ModelName, plan: Plan, tmp_path: Path) -> None:
    """Whatever the plan says is so."""
    status = plan.status.value
    if status in ("infeasible", "optimal"):
        assert_best(case, model, plan, tmp_path)
        return
    best = case.best(model)
    if best is not None and plan.bound is not None:
        ahead = plan.bound - float(best) if model in ("m2", "m3") else float(best) - plan.bound
        assert ahead >= -1e-9 * max(1, abs(best)), (model, case)
    assert (plan.allocation is None) == (status == "time_limit"), (model, case)
    if plan.allocation is not None:
        assert_sound(case, model, plan, tmp_path)


def assert_sound(case: Case, model: ModelName, plan: Plan, tmp_path: Path) -> None:
    """By the independent check, from tables, through JSON."""
    case.tiny.write(tmp_path)
    text = document_of(case.tiny.network(), plan, model, 0.0).model_dump_json()
    (reported,) = read_plans(text.encode())
    breaches = [each for rule in check(reported, read_tables(tmp_path)) for each in rule.breaches]
    assert not breaches, (model, case, breaches)
