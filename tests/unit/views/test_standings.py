import random
from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import pytest

from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from schemas.outputs import DECISION, AnyDecision, BatchDispatched, RosterChanged
from schemas.scalars import UNITS_PER_LEAD, amount_units
from streams.replay import Replay
from streams.views.decisions import AnyDecisionRead, read_decision, type_of
from streams.views.documents import channel_facts
from streams.views.folding import fold, folded, misses_decisions
from streams.views.standings import (
    ChannelStanding,
    adjustment_numerator,
    error_numerator,
    fair_share_numerator,
)
from tests.reference.histories import history, lines
from tests.views_process.material import batch, is_decision, joined, many_members, replay_of

SEEDS = range(24)


@cache
def replayed(seed: int) -> tuple[dict[str, ChannelState], tuple[bytes, ...]]:
    """The states after a random history, and its decisions.

    Odd: three channels with few members and whatever can happen, half of them with rules. Even:
    one with so many members that most decisions list only who received leads.
    """
    replay = Replay(Limits())
    rules = seed % 4 == 3
    events = (
        history(
            seed,
            channels=3,
            events=120,
            rules=rules,
            outcomes=seed % 3 == 1,
            values=seed % 8 in (1, 3),
        )
        if seed % 2
        else list(many_members(seed))
    )
    outputs = replay.lines(line.encode() for line in lines(events))
    return replay.states, tuple(filter(is_decision, outputs))


def decisions(seed: int) -> Iterator[AnyDecisionRead]:
    """The decisions of a random history as the views read them."""
    return map(read_decision, replayed(seed)[1])


def errors(standing: ChannelStanding) -> dict[str, int]:
    """Everyone's exact error, over the standing's denominator."""
    return {name: error_numerator(standing, each) for name, each in standing.members.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_standings_are_the_dispatchers_states(seed: int) -> None:
    """Versions, rosters, exact errors and parked batches are what `decide` and `evolve` left."""
    states, _ = replayed(seed)
    standings = folded(decisions(seed))
    assert standings.keys() == {name for name, state in states.items() if state.exists}
    for name, standing in standings.items():
        state = states[name]
        assert standing.state_version == state.state_version
        assert standing.roster_version == state.roster_version
        assert standing.roster_complete
        assert standing.denominator == state.roster.error_denominator
        members = zip(state.roster.members, state.errors, strict=True)
        assert errors(standing) == {member.assignee_id: error for member, error in members}
        for member in state.roster.members:
            seen = standing.members[member.assignee_id]
            assert seen.weight_millionths == member.weight_millionths
            assert seen.paused == member.paused
        assert len(standing.parked) == len(state.parking.hashes)
        assert sum(standing.parked.values()) == state.parking.leads
        assert standing.most_ahead_numerator == max(state.errors, default=0)
        assert standing.most_owed_numerator == min(state.errors, default=0)
        if not standing.by_value:
            assert standing.promise is not None
            assert standing.promise == state.promise


@pytest.mark.parametrize("seed", SEEDS)
def test_standings_are_exact_after_every_decision(seed: int) -> None:
    """Whatever a decision lists, of members listed or not: errors sum to zero, and match it."""
    standings: dict[str, ChannelStanding] = {}
    for decision in decisions(seed):
        standing = fold(standings.get(decision.channel), decision)
        standings[decision.channel] = standing
        assert sum(errors(standing).values()) == 0
        for share in getattr(decision, "shares", ()):
            member = standing.members[share.assignee_id]
            assert error_numerator(standing, member) == int(share.cumulative_error_numerator)


@pytest.mark.parametrize("seed", SEEDS)
def test_members_not_listed_are_where_the_formula_puts_them(seed: int) -> None:
    """Before each share listed, the computed error is the decision's error before."""
    standings: dict[str, ChannelStanding] = {}
    for value in replayed(seed)[1]:
        event: AnyDecision = DECISION.validate_json(value)
        before = standings.get(event.channel)
        if isinstance(event, BatchDispatched) and before is not None:
            shown = {row["assignee_id"]: row for row in channel_facts(before)["standings"]}
            for share in event.shares:
                row = shown[share.assignee_id]
                assert row["cumulative_error"] == share.cumulative_error_before
                assert row["weight"] == share.weight
        standings[event.channel] = fold(before, read_decision(value))


class Tally:
    """A channel's totals, added up from whole decisions in fractions."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.weights: dict[str, Fraction] = {}
        self.leads: dict[str, int] = {}
        self.fair_shares: dict[str, Fraction] = {}
        self.roster_changes = 0
        self.decisions_by_rules = 0
        self.corrections: dict[str, int] = {}
        self.measure: str | None = None
        self.values: dict[str, Fraction] = {}

    def add(self, event: AnyDecision) -> None:
        """One decision more."""
        if isinstance(event, RosterChanged):
            self.roster_changes += 1
            members = [share.assignee_id for share in event.shares]
            measure = event.rules.value_attribute if event.rules else None
            if measure != self.measure:
                self.fair_shares = {}
                self.values = {}
            self.measure = measure
            self.leads = {name: self.leads.get(name, 0) for name in members}
            self.fair_shares = {name: self.fair_shares.get(name, Fraction(0)) for name in members}
            self.values = {name: self.values.get(name, Fraction(0)) for name in members}
            self.weights = {
                share.assignee_id: Fraction(share.weight)
                for share in event.shares
                if not share.paused
            }
        elif isinstance(event, BatchDispatched):
            for share in event.shares:
                self.leads[share.assignee_id] += share.assigned
            if event.groups is not None:
                self.decisions_by_rules += 1
                for share in event.shares:
                    self.fair_shares[share.assignee_id] += Fraction(share.fair_share)
                    value = self.values.get(share.assignee_id, Fraction(0))
                    self.values[share.assignee_id] = value + Fraction(share.assigned_value or 0)
                return
            for name, weight in self.weights.items():
                part = weight / sum(self.weights.values())
                self.fair_shares[name] += event.batch_size * part


@pytest.mark.parametrize("seed", SEEDS)
def test_totals_are_the_sums_of_the_decisions(seed: int) -> None:
    """Leads exactly; fair shares but for a unit of 10^-12 leads for each roster change.

    And for each decision whose fair shares are known as shown only, with 12 decimals.
    """
    tallies: dict[str, Tally] = {}
    for value in replayed(seed)[1]:
        event: AnyDecision = DECISION.validate_json(value)
        tallies.setdefault(event.channel, Tally()).add(event)
    for channel, standing in folded(decisions(seed)).items():
        tally = tallies[channel]
        assert {name: each.leads for name, each in standing.members.items()} == tally.leads
        roundings = tally.roster_changes + tally.decisions_by_rules
        bound = Fraction(roundings, UNITS_PER_LEAD)
        for name, member in standing.members.items():
            value = Fraction(member.value_units, UNITS_PER_LEAD)
            assert value == (tally.values.get(name, 0) if tally.measure else 0)
            shown = Fraction(fair_share_numerator(standing, member), standing.denominator)
            assert abs(shown - tally.fair_shares[name]) <= bound


@pytest.mark.parametrize("seed", SEEDS)
def test_without_corrections_and_leavers_the_statement_adds_up(seed: int) -> None:
    """Leads minus fair share is the error, to the last digit, over any number of rosters."""
    rng = random.Random(seed)
    events = [joined(name, f"{rng.randint(1, 999_999) / 1e6:.6f}") for name in "ABCDEFG"]
    for number in range(40):
        name = rng.choice("ABCDEFG")
        weight = f"{rng.randint(1, 3_000_000) / 1e6:.6f}"
        events.append(batch(f"b{number}", rng.randint(0, 60)))
        events.append(
            rng.choice(
                (
                    {"type": "weight_changed", "assignee_id": name, "weight": weight},
                    {"type": "assignee_paused", "assignee_id": name},
                    {"type": "assignee_resumed", "assignee_id": name},
                )
            )
        )
    standing = folded(replay_of(*events))["web"]
    assert sum(each.leads for each in standing.members.values()) == standing.leads
    for member in standing.members.values():
        assert adjustment_numerator(standing, member) == 0


def test_by_value_received_and_fair_share_are_in_value_and_leads_stay_leads() -> None:
    """What was before leads were divided by value isn't added to it."""
    loans = [{"lead_id": f"M{n}", "attributes": {"amount": n * 1000}} for n in (1, 2, 5)]
    by_value = {"type": "channel_configured", "dispatch_by": "value", "value_attribute": "amount"}
    events = [joined("A", "1"), joined("B", "2"), batch("b1", 7), by_value]
    standing = folded(replay_of(*events, {**batch("b2", 3), "leads": loans}))["web"]
    shown = {row["assignee_id"]: row for row in channel_facts(standing)["standings"]}
    assert {name: row["fair_share"] for name, row in shown.items()} == {
        "A": "2666.666666666667",
        "B": "5333.333333333333",
    }
    assert sum(Fraction(row["value"]) for row in shown.values()) == 8000
    assert sum(row["leads"] for row in shown.values()) == 10
    for name, member in standing.members.items():
        assert adjustment_numerator(standing, member) == 0
        ahead = Fraction(shown[name]["value"]) - Fraction(shown[name]["fair_share"])
        assert abs(ahead - Fraction(shown[name]["cumulative_error"])) < Fraction(1, 10**11)


def test_the_adjustment_is_what_corrections_moved() -> None:
    """Three leads that were test calls: what was added to A's error, and taken from all."""
    events = replay_of(
        joined("A", "1"),
        joined("B", "2"),
        batch("b1", 7),
        {
            "type": "cumulative_error_corrected",
            "assignee_id": "A",
            "amount": "-3",
            "counter_assignee_id": "B",
        },
        batch("b2", 5),
    )
    standing = folded(events)["web"]
    adjustments = {
        name: Fraction(adjustment_numerator(standing, member), standing.denominator)
        for name, member in standing.members.items()
    }
    moved = Fraction(amount_units("3"), UNITS_PER_LEAD)
    assert adjustments == {"A": -moved, "B": moved}


def test_what_a_leaver_was_owed_is_an_adjustment_of_those_who_stay() -> None:
    """Their leads and fair shares stay as they were."""
    events = replay_of(
        *(joined(name, "1") for name in "ABC"),
        batch("b1", 4),
        {"type": "assignee_left", "assignee_id": "A"},
    )
    before, after = folded(events[:-1])["web"], folded(events)["web"]
    for name, member in after.members.items():
        moved = (
            error_numerator(after, member) * before.denominator
            - error_numerator(before, before.members[name]) * after.denominator
        )
        adjustment = adjustment_numerator(after, member) * before.denominator
        # But for the rounding to whole units.
        assert abs(adjustment - moved) < after.denominator * before.denominator // UNITS_PER_LEAD


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_redelivery_changes_nothing(seed: int) -> None:
    """Every decision twice, or all of the last hundred again: the same standings."""
    once = folded(decisions(seed))
    twice = [each for decision in decisions(seed) for each in (decision, decision)]
    assert folded(twice) == once
    again = list(decisions(seed))
    assert folded([*again, *again[-100:], *again[:50]]) == once


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_without_its_beginning_is_counted_from_what_is_left(seed: int) -> None:
    """Errors are exact for all who are known; after a roster change that is everyone."""
    all_of_it = list(decisions(seed))
    whole = folded(all_of_it)
    rest = all_of_it[len(all_of_it) // 2 :]
    for channel, standing in folded(rest).items():
        first = next(each for each in rest if each.channel == channel)
        assert standing.counted_from.state_version == first.state_version
        assert standing.state_version == whole[channel].state_version
        known = errors(standing)
        assert {name: errors(whole[channel])[name] for name in known} == known
        if standing.roster_complete:
            assert known.keys() == whole[channel].members.keys()
        received = [each for each in rest if each.channel == channel and each.batch_size]
        if any(type_of(each) == "roster_changed" for each in rest if each.channel == channel):
            assert standing.roster_complete
        assert standing.leads == sum(
            each.batch_size or 0 for each in received if type_of(each) == "batch_dispatched"
        )


def test_after_a_gap_a_channel_is_counted_anew() -> None:
    """Totals with holes would be wrong without saying so."""
    events = replay_of(joined("A", "1"), joined("B", "2"), *(batch(f"b{n}", 3) for n in range(4)))
    before = folded(events[:3])["web"]
    assert misses_decisions(before, events[4])
    assert not misses_decisions(before, events[3])
    after = fold(before, events[4])
    assert after.counted_from.state_version == events[4].state_version
    assert after.leads == 3
    assert {name: each.leads for name, each in after.members.items()} == {"A": 1, "B": 2}
    assert fold(after, events[3]) is after


def test_who_rejoins_is_a_newcomer() -> None:
    """Totals are since joining."""
    events = replay_of(
        joined("A", "1"),
        joined("B", "1"),
        batch("b1", 10),
        {"type": "assignee_left", "assignee_id": "A"},
        joined("A", "1"),
        batch("b2", 4),
    )
    members = folded(events)["web"].members
    assert (members["A"].leads, members["A"].counted_from.state_version) == (2, 5)
    assert (members["B"].leads, members["B"].counted_from.state_version) == (7, 2)


def test_parked_batches_are_counted_until_they_are_released() -> None:
    """Batches and leads; what is released is dispatched."""
    events = replay_of(batch("b1", 3), batch("b2", 4), batch("b2", 4), joined("A", "1"))
    waiting, after = folded(events[:3])["web"], folded(events)["web"]
    assert channel_facts(waiting)["parked_batches"] == 2
    assert channel_facts(waiting)["parked_leads"] == 7
    assert waiting.duplicates == 1
    assert channel_facts(after)["parked_batches"] == 0
    assert (after.batches, after.leads, after.members["A"].leads) == (2, 7, 7)
