import json

import msgspec
import pytest

from schemas.outputs import DECISION
from streams.views.decisions import Unreadable, read_decision, type_of
from streams.views.documents import channel_facts
from streams.views.folding import fold, folded
from streams.views.standings import LAST_DECISIONS_MAX, MemberStanding
from tests.views_process.material import batch, joined, random_decisions, replay_of


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
