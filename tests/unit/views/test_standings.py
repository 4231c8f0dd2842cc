import json
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import msgspec
import pytest

from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from schemas.outputs import DECISION, AnyDecision, BatchDispatched, RosterChanged
from schemas.scalars import UNITS_PER_LEAD, amount_units
from streams.replay import Replay
from streams.views.decisions import AnyDecisionRead, Unreadable, read_decision, type_of
from streams.views.documents import channel_standings, channel_summary
from streams.views.standings import (
    LAST_DECISIONS_MAX,
    ChannelStanding,
    MemberStanding,
    adjustment_numerator,
    error_numerator,
    fair_share_numerator,
    fold,
    folded,
    misses_decisions,
)
from tests.reference.histories import history, lines

SEEDS = range(40)


def is_decision(output: bytes) -> bool:
    """Among all outputs, which ones stand on the topic of decisions."""
    return json.loads(output)["type"] not in ("lead_assigned", "dead_letter")


@cache
def replayed(seed: int) -> tuple[dict[str, ChannelState], tuple[bytes, ...]]:
    """The states after a random history, and its decisions.

    Odd: three channels with few members and whatever can happen. Even: one with so many members
    that most decisions list only who received leads.
    """
    replay = Replay(Limits())
    events = history(seed, channels=3, events=120) if seed % 2 else list(many_members(seed))
    outputs = replay.lines(line.encode() for line in lines(events))
    return replay.states, tuple(filter(is_decision, outputs))


def many_members(seed: int) -> Iterator[dict[str, object]]:
    """Thirty members and more, small batches, roster changes between them."""
    rng = random.Random(seed)
    absent = [f"member {number}" for number in range(40)]
    present: list[str] = []
    for number in range(220):
        kind = rng.choice(("join", "leave", "weight", "pause", "correct", *["batch"] * 15))
        if len(present) < 30 or (kind == "join" and absent):
            present.append(absent.pop(rng.randrange(len(absent))))
            event = joined(present[-1], str(rng.randint(1, 9)))
        elif kind == "leave":
            absent.append(present.pop(rng.randrange(len(present))))
            event = {"type": "assignee_left", "assignee_id": absent[-1]}
        elif kind == "batch":
            event = batch(f"b{number}", rng.randint(0, 25))
        else:
            event = {
                "weight": {"type": "weight_changed", "weight": f"{rng.random():.6f}"},
                "pause": {"type": rng.choice(("assignee_paused", "assignee_resumed"))},
                "correct": {"type": "cumulative_error_corrected", "amount": "-1"},
            }.get(kind, {"type": "assignee_resumed"})
            event["assignee_id"] = rng.choice(present)
        yield complete(number, event)


def complete(number: int, event: dict[str, object]) -> dict[str, object]:
    """The event with what all of its kind have."""
    ids = {"change_id": f"c{number}"} if event["type"] != "lead_batch" else {}
    head = {"schema_version": 1, "channel": "web", "created_at": "2026-11-21T09:00:00Z"}
    return {**head, **ids, **event}


def decisions(seed: int) -> Iterator[AnyDecisionRead]:
    """The decisions of a random history as the views read them."""
    return map(read_decision, replayed(seed)[1])


def errors(standing: ChannelStanding) -> dict[str, int]:
    """Everyone's exact error, over the standing's denominator."""
    return {name: error_numerator(standing, each) for name, each in standing.members.items()}


def replay_of(*events: dict[str, object]) -> list[AnyDecisionRead]:
    """The decisions on events of the channel `web`."""
    texts = [json.dumps(complete(number, event)).encode() for number, event in enumerate(events)]
    outputs = Replay(Limits()).lines(texts)
    return [read_decision(output) for output in filter(is_decision, outputs)]


def joined(assignee_id: str, weight: str) -> dict[str, object]:
    """A join."""
    return {"type": "assignee_joined", "assignee_id": assignee_id, "weight": weight}


def batch(batch_id: str, leads: int) -> dict[str, object]:
    """A batch of so many leads."""
    rows = [{"lead_id": f"{batch_id}-{n}", "attributes": {}} for n in range(leads)]
    return {"type": "lead_batch", "batch_id": batch_id, "leads": rows}


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
        assert len(standing.parked) == len(state.parked)
        assert sum(standing.parked.values()) == state.parked_leads


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
            shown = {row["assignee_id"]: row for row in channel_standings(before)["standings"]}
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
        self.corrections: dict[str, int] = {}

    def add(self, event: AnyDecision) -> None:
        """One decision more."""
        if isinstance(event, RosterChanged):
            self.roster_changes += 1
            members = [share.assignee_id for share in event.shares]
            self.leads = {name: self.leads.get(name, 0) for name in members}
            self.fair_shares = {name: self.fair_shares.get(name, Fraction(0)) for name in members}
            self.weights = {
                share.assignee_id: Fraction(share.weight)
                for share in event.shares
                if not share.paused
            }
        elif isinstance(event, BatchDispatched):
            for share in event.shares:
                self.leads[share.assignee_id] += share.assigned
            for name, weight in self.weights.items():
                part = weight / sum(self.weights.values())
                self.fair_shares[name] += event.batch_size * part


@pytest.mark.parametrize("seed", SEEDS)
def test_totals_are_the_sums_of_the_decisions(seed: int) -> None:
    """Leads exactly; fair shares but for a unit of 10^-12 leads for each roster change."""
    tallies: dict[str, Tally] = {}
    for value in replayed(seed)[1]:
        event: AnyDecision = DECISION.validate_json(value)
        tallies.setdefault(event.channel, Tally()).add(event)
    for channel, standing in folded(decisions(seed)).items():
        tally = tallies[channel]
        assert {name: each.leads for name, each in standing.members.items()} == tally.leads
        bound = Fraction(tally.roster_changes, UNITS_PER_LEAD)
        for name, member in standing.members.items():
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
    assert channel_summary(waiting)["parked_batches"] == 2
    assert channel_summary(waiting)["parked_leads"] == 7
    assert waiting.duplicates == 1
    assert channel_summary(after)["parked_batches"] == 0
    assert (after.batches, after.leads, after.members["A"].leads) == (2, 7, 7)


def test_a_document_says_it_in_decimals_and_exactly() -> None:
    """The seed's first batch, as the views show it."""
    events = replay_of(joined("A", "0.8"), joined("B", "1"), joined("C", "1.2"), batch("b1", 100))
    shown = channel_standings(folded(events)["web"])
    assert json.loads(json.dumps(shown)) == shown
    assert shown["error_denominator"] == str(3 * 10**18)
    rows = shown.pop("standings")
    assert [(row["assignee_id"], row["weight"], row["leads"]) for row in rows] == [
        ("A", "0.8", 27),
        ("B", "1", 33),
        ("C", "1.2", 40),
    ]
    assert rows[0] == {
        "assignee_id": "A",
        "weight": "0.8",
        "paused": False,
        "leads": 27,
        "fair_share": "26.666666666667",
        "cumulative_error": "0.333333333333",
        "cumulative_error_numerator": str(10**18),
        "adjustment": "0.000000000000",
        "counted_from": {"state_version": 1, "decided_at": "2026-11-21T09:00:00Z"},
    }
    assert shown["leads"] == 100
    assert shown["last_decisions"][0]["batch_id"] == "b1"


def test_only_the_newest_decisions_are_remembered() -> None:
    """Newest first."""
    events = replay_of(joined("A", "1"), *(batch(f"b{n}", 1) for n in range(30)))
    last = folded(events)["web"].last
    assert [each.batch_id for each in last] == [f"b{n}" for n in range(29, 29 - len(last), -1)]
    assert len(last) == LAST_DECISIONS_MAX


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_decisions_are_read_as_the_models_say(seed: int) -> None:
    """Every field that the views read has the value that `schemas.outputs` gives it."""
    for value in replayed(seed)[1]:
        model = DECISION.validate_json(value)
        read = read_decision(value)
        assert type_of(read) == model.type
        for name in read.__struct_fields__:
            seen, meant = getattr(read, name), getattr(model, name, None)
            if name == "shares":
                for share, whole in zip(seen, meant, strict=True):
                    for field in share.__struct_fields__:
                        assert getattr(share, field) == getattr(whole, field, 0)
            else:
                assert seen == meant
        later = json.dumps({**json.loads(value), "added_later": {"x": 1}}).encode()
        assert read_decision(later) == read


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"no JSON",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type":"batch_dispatched"}',
        b'{"type":"added_later","channel":"web","state_version":1}',
        b'{"channel":"web","state_version":1}',
    ],
)
def test_what_is_no_decision_is_refused(value: bytes | None) -> None:
    """Nothing is guessed."""
    with pytest.raises(Unreadable):
        read_decision(value)


def test_a_standing_is_a_value() -> None:
    """Folding makes a new one and leaves the old one as it was: readers see one or the other."""
    events = replay_of(joined("A", "1"), batch("b1", 3), batch("b2", 3))
    before = folded(events[:2])["web"]
    shown = channel_standings(before)
    assert fold(before, events[2]) is not before
    assert channel_standings(before) == shown
    with pytest.raises(AttributeError):
        before.leads = 0  # type: ignore[misc]
    assert isinstance(before.members["A"], MemberStanding)
    assert isinstance(before, msgspec.Struct)
