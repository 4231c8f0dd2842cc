"""What a verification is made of: balances of leads, groups of assignments, states made anew."""

import json
from fractions import Fraction

from dispatcher.limits import Limits
from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedInput,
    AppliedOffsets,
    ParkedNumbers,
    applied_offsets_value,
)
from schemas.partitioning import partition_of
from streams.audit.balance import Balance, ids_sum
from streams.audit.chains import Chains
from streams.audit.changelog_copy import MainRead, digest
from streams.audit.checking import Assigned
from streams.audit.findings import Report, Where
from streams.audit.groups import AHEAD_MAX, Groups
from streams.audit.input_accounts import Input, InputPlaces
from streams.audit.recovery import moves, recovery_changes
from streams.replay import Replay
from tests.reference.histories import history

WEB = ("web", "b1")


def assigned(version: int, position: int = 1, channel: str = "web") -> Assigned:
    """A lead of a batch."""
    name = f"L{version}-{position}"
    return Assigned(channel, f"b{version}", name, "A", position, 2, version, "", "{}")


def uneven(balance: Balance) -> list[tuple[int, bool]]:
    """How many leads of each batch are missing, and whether other ones came than went."""
    return [(entry.leads, bool(entry.ids)) for _, entry in balance.uneven()]


def test_inputs_of_which_nothing_is_applied_make_no_difference() -> None:
    """An expansion's record leaves them out, who restores it begins at 0; all else counts."""

    def kept(partition_count: int = 8, formers: tuple[int, ...] = (4,), **inputs: int) -> bytes:
        seen = {topic: AppliedInput("id", offset) for topic, offset in inputs.items()}
        applied = AppliedOffsets(partition_count, seen, former_counts=formers)
        return digest(APPLIED_OFFSETS_KEY, applied_offsets_value(applied))

    assert kept() == kept(batches=0, changes=0)
    assert kept(batches=3) == kept(batches=3, changes=0)
    others = [kept(), kept(batches=1), kept(batches=3), kept(4), kept(formers=(2, 4))]
    assert len(set(others)) == len(others)
    assert digest(APPLIED_OFFSETS_KEY, b"not JSON") != digest(APPLIED_OFFSETS_KEY, b"nor this")


def test_a_batch_takes_no_memory_once_all_of_it_went_in_whatever_order() -> None:
    """Dispatched in parts, gone on before its coming was seen."""
    balance = Balance()
    balance.went(WEB, 1, ids_sum(["L2"]))
    balance.came(WEB, 3, ids_sum(["L1", "L2", "L3"]))
    assert uneven(balance) == [(2, True)]
    balance.went(WEB, 2, ids_sum(["L3", "L1"]))
    assert not uneven(balance)


def test_a_lead_that_is_missing_doubled_or_another_is_told() -> None:
    """By counts, or by ids where counts are even; not by ids that nobody saw."""
    for leads, ids, told in (
        (1, ids_sum(["L1"]), [(1, True)]),
        (3, ids_sum(["L1", "L2", "L2"]), [(-1, True)]),
        (2, ids_sum(["L1", "L9"]), [(0, True)]),
        (2, None, []),
    ):
        balance = Balance()
        balance.came(WEB, 2, ids_sum(["L1", "L2"]))
        balance.went(WEB, leads, ids)
        assert uneven(balance) == told


def test_no_more_batches_are_kept_than_may_be() -> None:
    """It says so, and those that are kept still come out even."""
    balance = Balance(batches_open_max=1)
    balance.came(WEB, 1, ids_sum(["L1"]))
    balance.came(("web", "b2"), 1, ids_sum(["L2"]))
    assert balance.is_full
    balance.went(WEB, 1, ids_sum(["L1"]))
    assert not uneven(balance)


def groups_of(leads: list[Assigned], past: int = 0, *, begins_late: bool = False) -> Groups:
    """The assignments of a partition, with decisions up to `past` gone by."""
    return Groups(enumerate(leads), lambda key: key[1] <= past, begins_late=begins_late)


def test_assignments_are_found_beside_their_decisions_also_when_some_are_missing() -> None:
    """What is read ahead is kept for its own decision."""
    groups = groups_of([assigned(1), assigned(1, 2), assigned(3), assigned(4)])
    first = groups.take(("web", 1))
    assert first is not None
    assert [lead.position for lead in first.leads] == [1, 2]
    assert groups.take(("web", 2)) is None
    third = groups.take(("web", 3))
    assert third is not None
    assert third.offset == 2
    assert [group.key for group in groups.rest()] == [("web", 4)]


def test_assignments_of_what_has_gone_by_are_put_aside() -> None:
    """They were assigned again."""
    groups = groups_of([assigned(1), assigned(5)], past=1)
    assert groups.take(("web", 5)) is not None
    assert [group.key for group in groups.strays] == [("web", 1)]


def test_no_more_is_read_ahead_than_may_be() -> None:
    """However many decisions have no assignments."""
    groups = groups_of([assigned(version) for version in range(2, 3 * AHEAD_MAX)])
    assert groups.take(("web", 1)) is None
    assert sum(1 for _ in groups._ahead) == AHEAD_MAX


def test_where_the_log_begins_late_earlier_decisions_have_no_assignments() -> None:
    """And that is no fault."""
    groups = groups_of([assigned(7, 2), assigned(8)], begins_late=True)
    assert not groups.begun(("web", 6))
    assert groups.begun(("web", 7))
    assert groups.late_key == ("web", 7)


def test_what_was_sent_on_after_an_expansion_is_awaited_where_it_belongs() -> None:
    """Once for each time; what stands elsewhere is not taken for it."""
    before, after = 4, 6
    name = next(
        key
        for key in (b"channel-%d" % number for number in range(100))
        if partition_of(key, before) != partition_of(key, after)
    )
    places = InputPlaces({}, after, [before])
    late = Input(7, 1_000, name, b"late")
    assert places.is_sent_on(late, partition_of(name, before))
    assert not places.is_sent_on(late, partition_of(name, after))
    places.send_on("leads.batches", late)
    places.arrived("leads.batches", late._replace(offset=1, value=b"another"))
    assert list(places.awaited.values()) == [1]
    places.arrived("leads.batches", late._replace(offset=2))
    assert list(places.awaited.values()) == [0]


def stretches_told(*stretches: tuple[int, int]) -> tuple[list[str], bool]:
    """What is found of a channel whose decisions stand on several partitions, from 1 to 9."""
    report = Report()
    chains = Chains(report, "decisions", "assignments", lambda _: 0)
    chains.mains["web"] = MainRead("web", 9, 0, [], ParkedNumbers(0, 0, 0, 0))
    for partition, (first, last) in enumerate(stretches, start=1):
        chains.begin(partition)
        for version in range(first, last + 1):
            decision = {"channel": "web", "state_version": version}
            chains.turn_to(decision, Where("web"), begins_late=False)
    chains.finish({"web": 9}, ())
    return [each.what for each in report.versions.findings], chains.is_broken("web")


def test_stretches_of_a_channel_on_several_partitions_are_one_chain() -> None:
    """In whatever order partitions are looked at; what is missing or came again is told."""
    assert stretches_told((5, 9), (1, 4)) == ([], False)
    assert stretches_told((1, 4), (5, 9)) == ([], False)
    found, is_broken = stretches_told((6, 9), (1, 4))
    assert (found, is_broken) == (["decision 6 follows 4: 1 missing between them"], True)
    assert stretches_told((4, 9), (1, 4))[0] == ["decision 4 comes again after 4"]
    assert stretches_told((2, 9))[0] == ["the first decision is 2"]
    assert stretches_told((1, 4), (5, 8))[1]


def test_what_could_not_be_told_is_never_called_fine() -> None:
    """A check that was never looked at can't tell; one that was in part says so."""
    check = Report().leads
    assert check.verdict == "ok"
    check.not_told["the log begins late"] += 1
    assert check.verdict == "can't tell"
    check.checked += 1
    assert check.verdict == "ok in part"
    check.fault("a lead is nowhere", Where("web", "b1", "leads.batches", 0, 7))
    assert check.verdict == "FAULT"
    assert str(check.findings[0]) == "a lead is nowhere (channel web, batch b1, leads.batches-0@7)"


def test_states_of_random_histories_are_made_anew_by_their_recovery_changes() -> None:
    """Rosters, terms and routes exactly, errors to a millionth of a lead, and no change refused."""
    moved = 0
    for seed in range(40):
        before = Replay(Limits())
        kinds = {"rules": seed % 2 == 0, "outcomes": seed % 4 == 0, "routes": seed % 3 == 0}
        lines = [json.dumps(event).encode() for event in history(seed, 2, 40, **kinds)]
        list(before.lines(lines))
        for state in before.states.values():
            after = Replay(Limits())
            changes = list(recovery_changes(state, "2026-11-22T09:00:00.000Z"))
            outputs = [json.loads(line) for line in
                       after.lines(json.dumps(each).encode() for each in changes)]  # fmt: skip
            refused = [each for each in outputs if each["type"] == "dead_letter"]
            assert not refused, refused
            if not changes:
                continue
            made = after.states[state.channel]
            assert made.roster == state.roster
            for error, wanted in zip(made.errors, state.errors, strict=True):
                denominator = state.roster.error_denominator
                assert abs(Fraction(error - wanted, denominator)) <= Fraction(1, 10**6)
            moved += any(state.errors)
    assert moved > 20


def test_corrections_of_a_recovery_move_all_errors_and_are_never_too_large() -> None:
    """More than 100,000 leads go in several corrections."""
    names, errors = ["A", "B", "C"], [250_000_000_000, -1, -249_999_999_999]
    found = dict.fromkeys(names, 0)
    for ahead, owed, amount in moves(names, errors):
        assert 0 < amount <= 100_000_000_000
        found[ahead] += amount
        found[owed] -= amount
    assert list(found.values()) == errors
