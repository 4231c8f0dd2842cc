import json

import msgspec
import pytest

from dispatcher.times import milliseconds
from schemas.outputs import DECISION
from streams.views.activity import Activity
from streams.views.decisions import Unreadable, read_decision, type_of
from streams.views.documents import (
    channel_document,
    channel_facts,
    channel_summary,
    member_document,
    promise_document,
)
from streams.views.folding import fold, folded
from streams.views.partitions import PartitionStandings
from streams.views.standings import LAST_DECISIONS_MAX, ChannelStanding, MemberStanding
from tests.views_process.material import batch, decisions_of, joined, random_decisions, replay_of


def test_a_document_says_it_in_decimals_and_exactly() -> None:
    """The seed's first batch, as the views show it."""
    events = replay_of(joined("A", "0.8"), joined("B", "1"), joined("C", "1.2"), batch("b1", 100))
    shown = channel_facts(folded(events)["web"])
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


@pytest.mark.parametrize("seed", range(10))
def test_decisions_are_read_as_the_models_say(seed: int) -> None:
    """Every field that the views read has the value that `schemas.outputs` gives it."""
    for value in random_decisions(seed):
        model = DECISION.validate_json(value)
        read = read_decision(value)
        assert type_of(read) == model.type
        for name in read.__struct_fields__:
            seen, meant = getattr(read, name), getattr(model, name, None)
            if name == "shares":
                for share, whole in zip(seen, meant, strict=True):
                    for field in share.__struct_fields__:
                        default = 0 if field == "assigned" else None
                        assert getattr(share, field) == getattr(whole, field, default)
            elif name == "rules":
                by = getattr(seen, "value_attribute", None)
                assert by == getattr(meant, "value_attribute", None)
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
    shown = channel_facts(before)
    assert fold(before, events[2]) is not before
    assert channel_facts(before) == shown
    with pytest.raises(AttributeError):
        before.leads = 0  # type: ignore[misc]
    assert isinstance(before.members["A"], MemberStanding)
    assert isinstance(before, msgspec.Struct)


NOON_MS = milliseconds("2026-11-21T12:00:00Z")
DAY_MS = 86_400_000


def at_times(*timed: tuple[str, dict[str, object]]) -> tuple[ChannelStanding, Activity]:
    """A channel after events at these times."""
    held = PartitionStandings(0)
    events = [{"created_at": at, **event} for at, event in timed]
    for offset, value in enumerate(decisions_of(events)):
        held.receive(offset, value, milliseconds(json.loads(value)["decided_at"]) + 40)
    (standing,), (activity,) = held.channels.values(), held.activities.values()
    return standing, activity


def event(kind: str, name: str, **fields: object) -> dict[str, object]:
    """One event of the channel `web`."""
    own = "batch_id" if kind == "lead_batch" else "change_id"
    return {"type": kind, "schema_version": 1, "channel": "web", own: name, **fields}


def leads(count: int) -> list[dict[str, object]]:
    """So many."""
    return [{"lead_id": f"L{number}", "attributes": {}} for number in range(count)]


ROSTER = event(
    "roster_replaced",
    "r",
    members=[{"assignee_id": "A", "weight": "1"}, {"assignee_id": "B", "weight": "2"}],
)


def test_today_is_what_came_on_top_since_midnight() -> None:
    """Of the channel's day; leads, fair shares and batches; nothing of it on the next day."""
    standing, activity = at_times(
        ("2026-11-20T22:00:00Z", ROSTER),
        ("2026-11-20T23:00:00Z", event("lead_batch", "b1", leads=leads(10))),
        ("2026-11-21T08:00:00Z", event("lead_batch", "b2", leads=leads(4))),
        ("2026-11-21T09:00:00Z", event("lead_batch", "b3", leads=leads(3))),
    )
    summary = channel_summary(standing, activity, 0, NOON_MS)
    assert summary["today"] == {
        "date": "2026-11-21", "time_zone": "UTC", "batches": 2, "leads": 7,
    }  # fmt: skip
    whole = {name: member_document(standing, name, NOON_MS) for name in "AB"}
    assert sum(each["leads"] for each in whole.values()) == 17
    assert sum(each["today"]["leads"] for each in whole.values()) == 7
    assert whole["A"]["today"]["fair_share"] == "2.333333333334"
    assert whole["B"]["today"]["fair_share"] == "4.666666666666"
    later = channel_summary(standing, activity, 0, NOON_MS + DAY_MS)
    assert later["today"] == {
        "date": "2026-11-22", "time_zone": "UTC", "batches": 0, "leads": 0,
    }  # fmt: skip
    tomorrow = member_document(standing, "A", NOON_MS + DAY_MS)["today"]
    assert tomorrow == {"leads": 0, "fair_share": "0.000000000000"}


def test_a_day_is_one_of_the_channels_time_zone() -> None:
    """In Sydney it is tomorrow already."""
    standing, activity = at_times(
        ("2026-11-21T01:00:00Z", ROSTER),
        ("2026-11-21T01:00:00Z", event("channel_configured", "c", time_zone="Australia/Sydney")),
        ("2026-11-21T12:30:00Z", event("lead_batch", "b1", leads=leads(3))),
        ("2026-11-21T13:30:00Z", event("lead_batch", "b2", leads=leads(6))),
    )
    today = channel_summary(standing, activity, 0, milliseconds("2026-11-21T14:00:00Z"))["today"]
    assert today == {
        "date": "2026-11-22", "time_zone": "Australia/Sydney", "batches": 1, "leads": 6,
    }  # fmt: skip
    assert sum(
        member_document(standing, name, NOON_MS + DAY_MS // 12)["today"]["leads"] for name in "AB"
    ) == 6  # fmt: skip


def test_a_source_whose_clock_is_ahead_brings_no_tomorrow() -> None:
    """A decision counts when it was written, if its event says later."""
    held = PartitionStandings(0)
    events = [
        {**ROSTER, "created_at": "2026-11-21T09:00:00Z"},
        {**event("lead_batch", "b1", leads=leads(5)), "created_at": "2027-11-21T09:00:00Z"},
    ]
    for offset, value in enumerate(decisions_of(events)):
        held.receive(offset, value, NOON_MS)
    summary = channel_summary(held.channels["web"], held.activities["web"], 0, NOON_MS)
    assert summary["today"]["leads"] == 5
    assert summary["leads_last"] == {"minute": 5, "hour": 5, "day": 5}


def test_windows_say_when_leads_came() -> None:
    """The last minute, hour and day; minute by minute; the delay of the last decision."""
    standing, activity = at_times(
        ("2026-11-20T11:30:00Z", ROSTER),
        ("2026-11-20T11:30:00Z", event("lead_batch", "b1", leads=leads(100))),
        ("2026-11-21T02:00:00Z", event("lead_batch", "b2", leads=leads(30))),
        ("2026-11-21T11:10:00Z", event("lead_batch", "b3", leads=leads(7))),
        ("2026-11-21T11:59:30Z", event("lead_batch", "b4", leads=leads(2))),
    )
    summary = channel_summary(standing, activity, 3, NOON_MS)
    assert summary["partition"] == 3
    assert summary["leads_last"] == {"minute": 2, "hour": 9, "day": 39}
    assert summary["batches_last"] == {"minute": 1, "hour": 2, "day": 3}
    assert (len(summary["leads_per_minute"]), sum(summary["leads_per_minute"])) == (60, 9)
    assert summary["delay_ms"] == {"last": 40, "most_last_hour": 40}


def test_the_history_has_no_holes() -> None:
    """Oldest first, up to now; where nothing happened there are no errors to show."""
    standing, activity = at_times(
        ("2026-11-20T22:00:00Z", ROSTER),
        ("2026-11-21T11:59:30Z", event("lead_batch", "b", leads=leads(10))),
    )
    history = channel_document(standing, activity, 0, NOON_MS)["history"]
    for name, count, last in (
        ("minutes", 60, "2026-11-21T12:00:00.000Z"),
        ("hours", 48, "2026-11-21T12:00:00.000Z"),
        ("days", 60, "2026-11-21T00:00:00Z"),
    ):
        points = history[name]
        assert (len(points), points[-1]["from"]) == (count, last)
        assert sorted(point["from"] for point in points) == [point["from"] for point in points]
        (busy,) = (point for point in points if point["leads"])
        assert (busy["batches"], busy["leads"]) == (1, 10)
        assert busy["most_ahead"] == "0.333333333333"
        assert busy["most_owed"] == "-0.333333333333"
        assert busy["delay_ms_most"] == 40
    assert history["minutes"][0]["most_ahead"] is None


def test_the_promise_is_told_with_what_it_depends_on() -> None:
    """Who is furthest from their fair share, and how much of the bound that is."""
    standing, activity = at_times(
        ("2026-11-21T09:00:00Z", ROSTER),
        ("2026-11-21T09:00:00Z", event("lead_batch", "b", leads=leads(10))),
    )
    summary = channel_summary(standing, activity, 0, NOON_MS)
    assert summary["promise"] == {
        "in_force": True,
        "low": "-0.500000000000",
        "high": "0.500000000000",
        "used": 0.666667,
        "kept": True,
        "corrected": False,
        "members_most": 2,
        "somebody_was_paused": False,
    }
    assert summary["most_ahead"] == {"assignee_id": "B", "cumulative_error": "0.333333333333"}
    assert summary["most_owed"] == {"assignee_id": "A", "cumulative_error": "-0.333333333333"}


def test_a_log_that_begins_late_promises_nothing_until_all_is_even() -> None:
    """How many there were at once isn't known before."""
    events = replay_of(
        joined("A", "1"), joined("B", "1"), batch("b1", 1), batch("b2", 2), batch("b3", 1)
    )
    standing = None
    told = []
    for decision in events[2:]:
        standing = fold(standing, decision)
        told.append(promise_document(standing))
    assert told[0] is None
    assert told[1] is None
    assert told[2] is not None
    assert told[2]["members_most"] == 2
