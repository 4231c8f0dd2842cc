"""From bytes to events: the quick reading is what the models say, the rest is refused."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dispatcher.events import BatchReceived, InputRef
from dispatcher.limits import Limits
from schemas.inputs import LeadBatch
from schemas.reasons import Reason
from streams import intake
from streams.intake import Refused, read_batch, read_change
from tests import reading

REF = InputRef("leads.batches", 0, 0)
LIMITS = Limits(input_bytes_max=100_000)
ENVELOPE = {
    "type": "lead_batch",
    "schema_version": 1,
    "batch_id": "b",
    "channel": "web",
    "created_at": "2026-11-21T09:00:00Z",
}


def batch_bytes(leads: Any, **fields: Any) -> bytes:
    """A lead batch with other fields where given."""
    return json.dumps({**ENVELOPE, "leads": leads, **fields}).encode()


def read(value: bytes | None, limits: Limits = LIMITS) -> BatchReceived:
    """Read a batch."""
    return read_batch(value, limits, REF, "2026-11-21T10:00:00.000Z")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.NOT_JSON),
        (b"", Reason.NOT_JSON),
        (b"\xff\xfe", Reason.NOT_JSON),
        (b'{"type": "lead_batch"', Reason.NOT_JSON),
        (b"{} {}", Reason.NOT_JSON),
        (b'{"a": NaN}', Reason.NOT_JSON),
        (b'{"a": "\\ud800"}', Reason.NOT_JSON),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", Reason.NOT_JSON),
        (b'{"a":' + b"[" * 50_000, Reason.NOT_JSON),
        (b"x" * 100_001, Reason.TOO_LARGE),
        (b"null", Reason.INVALID_EVENT),
        (b"[]", Reason.INVALID_EVENT),
        (b"{}", Reason.INVALID_EVENT),
        (batch_bytes([], type="lead_batches"), Reason.INVALID_EVENT),
        (batch_bytes([], schema_version=0), Reason.INVALID_EVENT),
        (batch_bytes([], schema_version=True), Reason.INVALID_EVENT),
        (batch_bytes([], schema_version="1"), Reason.INVALID_EVENT),
        (batch_bytes([], channel=""), Reason.INVALID_EVENT),
        (batch_bytes([], channel="c" * 201), Reason.INVALID_EVENT),
        (batch_bytes([], channel="a\tb"), Reason.INVALID_EVENT),
        (batch_bytes([], batch_id=7), Reason.INVALID_EVENT),
        (batch_bytes([], created_at="yesterday"), Reason.INVALID_EVENT),
        (batch_bytes([], created_at=None), Reason.INVALID_EVENT),
        (batch_bytes({}), Reason.INVALID_EVENT),
        (batch_bytes(None), Reason.INVALID_EVENT),
        (json.dumps(ENVELOPE).encode(), Reason.INVALID_EVENT),
        (b'{"schema_version": 1e999}', Reason.INVALID_EVENT),
    ],
)
def test_a_bad_envelope_is_refused_with_its_reason(value: bytes | None, reason: Reason) -> None:
    """The first reason that applies."""
    with pytest.raises(Refused) as refused:
        read(value)
    assert reason is refused.value.reason
    assert refused.value.detail


@pytest.mark.parametrize(
    ("lead", "reason"),
    [
        ({"attributes": {}}, Reason.INVALID_LEAD),
        ({"lead_id": ""}, Reason.INVALID_LEAD),
        ({"lead_id": "x" * 201}, Reason.INVALID_LEAD),
        ({"lead_id": "a\x00b"}, Reason.INVALID_LEAD),
        ({"lead_id": "a\x85b"}, Reason.INVALID_LEAD),
        ({"lead_id": 5}, Reason.INVALID_LEAD),
        ({"lead_id": "L", "attributes": None}, Reason.INVALID_LEAD),
        ({"lead_id": "L", "attributes": []}, Reason.INVALID_LEAD),
        ({"lead_id": "L", "attributes": {"x": "y" * 17_000}}, Reason.INVALID_LEAD),
        ("L", Reason.INVALID_LEAD),
        (None, Reason.INVALID_LEAD),
        ({"lead_id": "good-1"}, Reason.DUPLICATE_LEAD),
    ],
)
def test_one_bad_lead_among_good_ones_is_rejected_alone(lead: Any, reason: Reason) -> None:
    """The others are dispatched; its place is told, and its bytes are kept."""
    good = [{"lead_id": "good-1"}, {"lead_id": "good-2", "attributes": {"a": 1}}]
    event = read(batch_bytes([good[0], lead, good[1]]))
    assert ["good-1", "good-2"] == list(event.lead_ids)
    (rejected,) = event.rejected_leads
    assert (2, reason) == (rejected.place, rejected.reason)
    assert lead == json.loads(rejected.raw)
    assert event.leads_in_event == 3


def test_a_detail_never_quotes_attributes() -> None:
    """They may be personal data; a detail travels in a header and in logs."""
    secret = "+61 400 000 000"
    event = read(
        batch_bytes([{"lead_id": "L", "attributes": [secret]}, {"lead_id": {"x": secret}}])
    )
    assert [secret in lead.detail for lead in event.rejected_leads] == [False, False]


def test_attributes_pass_through_to_the_byte() -> None:
    """Numbers beyond 64 bits, odd spacing, escapes: nothing is decoded."""
    given = b'{"n": 123456789012345678901234567890, "e":1e999,"s":"\\u00e9\\/"}'
    event = read(
        batch_bytes([{"lead_id": "L"}]).replace(
            b'{"lead_id": "L"}', b'{"lead_id": "L", "attributes": ' + given + b"}"
        )
    )
    assert [given.decode()] == list(event.attributes)
    spoiled = b'[{"lead_id":"L","attributes":' + given + b'},{"lead_id":""}]'
    event = read(batch_bytes("HERE").replace(b'"HERE"', spoiled))
    assert [given.decode()] == list(event.attributes)


def test_a_batch_over_several_lines_is_put_on_one() -> None:
    """An output event has to stay on one line."""
    text = json.dumps(
        {**ENVELOPE, "leads": [{"lead_id": "L", "attributes": {"a": [1, "\n"]}}]}, indent=2
    )
    event = read(text.encode())
    assert ['{"a":[1,"\\n"]}'] == list(event.attributes)
    with pytest.raises(Refused):
        read(b"{\n")


def test_fields_that_are_not_known_are_ignored() -> None:
    """So that a source may send more than this version knows."""
    event = read(
        batch_bytes([{"lead_id": "L", "extra": 1e300}], extra={"x": [1]}, schema_version=2)
    )
    assert ["L"] == list(event.lead_ids)


def test_the_content_of_a_batch_is_its_sequence_of_lead_ids() -> None:
    """Those of bad leads too; not their attributes, not the time."""
    one = read(batch_bytes([{"lead_id": "L1"}, {"lead_id": ""}]))
    same = read(
        batch_bytes(
            [{"lead_id": "L1", "attributes": {"a": 1}}, {"lead_id": ""}],
            created_at="2027-01-01T00:00:00Z",
        )
    )
    mended = read(batch_bytes([{"lead_id": "L1"}, {"lead_id": "L2"}]))
    swapped = read(batch_bytes([{"lead_id": ""}, {"lead_id": "L1"}]))
    lines = read(batch_bytes([{"lead_id": "L1\nL2"}]))
    assert one.content_hash == same.content_hash
    assert len({e.content_hash for e in (one, mended, swapped, lines)}) == 4


def test_the_content_of_a_change_is_all_but_its_time() -> None:
    """Unknown fields don't count."""
    common = {"type": "assignee_left", "schema_version": 1, "change_id": "c", "channel": "web"}
    first = {**common, "assignee_id": "A", "created_at": "2026-11-21T09:00:00Z"}

    def content_hash(**fields: Any) -> str:
        return read_change(json.dumps({**first, **fields}).encode(), LIMITS, REF, None).content_hash

    assert content_hash() == content_hash(created_at="2026-11-22T09:00:00Z", more=1, reason=None)
    assert len({content_hash(), content_hash(assignee_id="B"), content_hash(reason="x")}) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "assignee_joined", "weight": "NaN"},
        {"type": "assignee_joined", "weight": "Infinity"},
        {"type": "assignee_joined", "weight": "-1"},
        {"type": "assignee_joined", "weight": "0.1234567"},
        {"type": "assignee_joined", "weight": "1000001"},
        {"type": "assignee_joined", "weight": 1.0},
        {"type": "assignee_joined"},
        {"type": "assignee_vanished"},
        {"type": "assignee_left", "assignee_id": ""},
        {"type": "assignee_left", "changed_by": 7},
        {"type": "cumulative_error_corrected", "amount": "100001"},
        {"type": "roster_replaced", "members": [{"assignee_id": "A", "weight": "1"}] * 2},
        {"type": "roster_replaced", "members": [{"assignee_id": "A", "weight": "1", "paused": 1}]},
        {"type": "roster_replaced", "members": {}},
    ],
)
def test_a_change_that_is_no_change_is_refused(fields: dict[str, Any]) -> None:
    """By the models, with the field named."""
    content = {"schema_version": 1, "change_id": "c", "channel": "web", "assignee_id": "A"}
    value = json.dumps({**content, "created_at": "2026-11-21T09:00:00Z", **fields}).encode()
    with pytest.raises(Refused) as refused:
        read_change(value, LIMITS, REF, None)
    assert refused.value.reason is Reason.INVALID_EVENT
    assert ("web", "c") == (refused.value.channel, refused.value.change_id)


# -- the quick reading against the models

odd_text = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", "L1", "L2", "\x00", "\x7f", "\x85", "\u2028", " ", "é", "x" * 201, "\n"]),
)
odd_value = st.one_of(
    odd_text,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just([]),
    st.just({}),
    st.just({"a": {"b": []}}),
)
odd_lead = st.one_of(
    st.fixed_dictionaries(
        {"lead_id": odd_text},
        optional={"attributes": st.dictionaries(odd_text, odd_value, max_size=2)},
    ),
    st.dictionaries(st.sampled_from(["lead_id", "attributes", "x"]), odd_value, max_size=3),
    odd_value,
)
odd_batch = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["lead_batch", "lead_batch", "lead_batch", "x", 1]),
        "schema_version": st.sampled_from([1, 1, 1, 2, 0, "1", True, 1.0]),
        "batch_id": st.one_of(st.just("b"), odd_value),
        "channel": st.one_of(st.just("web"), odd_value),
        "created_at": st.one_of(st.just(ENVELOPE["created_at"]), odd_value),
        "leads": st.one_of(st.lists(odd_lead, max_size=4), odd_value),
    },
    optional={"extra": odd_value},
)


def outcome(value: bytes) -> object:
    """The event, or the reason why there is none."""
    try:
        return read(value)
    except Refused as refused:
        return refused.reason


@settings(max_examples=1_500, deadline=None)
@given(odd_batch, st.sampled_from([None, 1]))
def test_the_quick_reading_gives_what_the_models_give(
    content: dict[str, Any], indent: int | None
) -> None:
    """Valid and invalid alike: with the quick reading switched off nothing changes."""
    value = json.dumps(content, indent=indent, allow_nan=True).encode("utf-8", "surrogatepass")
    quick = outcome(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "read_plain_batch", lambda *_: None)
        by_model = outcome(value)
    assert quick == by_model
    if isinstance(quick, BatchReceived) and not quick.rejected_leads:
        model = LeadBatch.model_validate_json(value)
        assert [lead.lead_id for lead in model.leads] == list(quick.lead_ids)
        assert [lead.attributes for lead in model.leads] == [
            json.loads(a) for a in quick.attributes
        ]
    elif quick is Reason.INVALID_EVENT:
        with pytest.raises(ValidationError):
            LeadBatch.model_validate_json(value)


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_read_odd_and_damaged_batches_alike(seed: int) -> None:
    """`tests/run reading` does the same with millions."""
    assert reading.search(5_000, seed, Counter()) is None


def test_empty_attributes_are_no_reason_to_read_slowly() -> None:
    """However many there are; those of whoever writes them out as of whoever leaves them out."""
    leads = [{"lead_id": f"L{place}", "attributes": {}} for place in range(1_000)]
    value = batch_bytes(leads)
    plain = intake.read_plain_batch(value, Limits())
    assert plain is not None
    assert plain.attributes == ["{}"] * 1_000
    for levels in (94, 95, 96, 97, 98):
        deep = b"[" * levels + b"{}" + b"]" * levels
        nested = value.replace(b'"attributes":{}', b'"attributes":{"a":' + deep + b"}", 1)
        assert reading.difference(nested, Limits()) is None


def test_what_is_nested_too_deep_is_found_by_both_ways() -> None:
    """The event, the list, a lead and its attributes are four levels."""
    for levels, limit in ((3, 7), (4, 7), (96, 100), (97, 100)):
        deep = "[" * levels + "]" * levels
        value = (
            json.dumps({**ENVELOPE, "leads": [{"lead_id": "L", "attributes": {"a": 0}}] * 2})
            .replace('"L"', '"M"', 1)
            .replace("0}}]", deep + "}}]")
        )
        limits = Limits(nesting_max=limit)
        assert reading.difference(value.encode(), limits) is None
        if 4 + levels <= limit:
            assert read(value.encode(), limits).lead_ids == ["M", "L"]
        else:
            with pytest.raises(Refused, match="nested deeper"):
                read(value.encode(), limits)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 400), st.binary(max_size=3))
def test_broken_bytes_are_read_alike_by_both_ways(seed: int, at: int, junk: bytes) -> None:
    """A valid batch with some bytes replaced."""
    whole = batch_bytes(
        [{"lead_id": f"L{seed}", "attributes": {"a": [seed, "é"]}}, {"lead_id": "M"}]
    )
    value = whole[: at % len(whole)] + junk + whole[at % len(whole) + len(junk) :]
    quick = outcome(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "read_plain_batch", lambda *_: None)
        assert quick == outcome(value)
