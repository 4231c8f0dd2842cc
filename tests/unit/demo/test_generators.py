import itertools
import json
from collections import Counter

import pytest

from schemas.inputs import ROSTER_CHANGE, LeadBatch
from streams.demo.story import CHAPTERS
from streams.generators import Event, channel_names, lead_stream
from tests.support.deciding import decided

SEEDS = range(12)


def story() -> list[Event]:
    """All events of the examples."""
    return [event for chapter in CHAPTERS for event in chapter.events]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_holds_as_many_leads_as_asked_for_each_once(seed: int) -> None:
    """In batches of all sizes, none outside the channels."""
    batches = [event for event in lead_stream(5_000, seed) if event["type"] == "lead_batch"]
    leads = [lead["lead_id"] for batch in batches for lead in batch["leads"]]
    assert len(leads) == len(set(leads)) == 5_000
    assert {batch["channel"] for batch in batches} <= set(channel_names(20))
    assert min(len(batch["leads"]) for batch in batches) == 1
    assert max(len(batch["leads"]) for batch in batches) > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_begins_with_the_rosters_and_changes_them_on_the_way(seed: int) -> None:
    """Every kind of change that a supervisor makes comes up over a few streams."""
    events = list(lead_stream(5_000, seed))
    rosters, rest = events[:20], events[20:]
    assert [event["channel"] for event in rosters] == channel_names(20)
    assert {event["type"] for event in rosters} == {"roster_replaced"}
    changes = Counter(event["type"] for event in rest if event["type"] != "lead_batch")
    assert changes.total() == 60
    assert changes["assignee_paused"] == 10
    assert changes["assignee_resumed"] == 5


def test_all_kinds_of_changes_come_up() -> None:
    """No kind is forgotten; corrections belong to the examples."""
    kinds = {event["type"] for seed in SEEDS for event in lead_stream(100, seed)}
    kinds |= {event["type"] for event in story()}
    assert kinds == {
        "lead_batch", "assignee_joined", "assignee_left", "weight_changed", "assignee_paused",
        "assignee_resumed", "roster_replaced", "cumulative_error_corrected",
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_generated_can_be_processed(seed: int) -> None:
    """Events are valid, changes fit the roster, and somebody is there to take every lead."""
    decisions = decided(itertools.chain(story(), lead_stream(2_000, seed)))
    assert {decision.type for decision in decisions} == {"batch_dispatched", "roster_changed"}


def test_events_are_what_the_schemas_say_and_name_their_type_first() -> None:
    """As all publishers write them."""
    for event in [*story(), *lead_stream(500, 0)]:
        assert list(event)[:2] == ["type", "schema_version"]
        if event["type"] == "lead_batch":
            LeadBatch.model_validate(event)
        else:
            ROSTER_CHANGE.validate_python(event)


def test_the_same_seed_is_the_same_stream_and_another_one_is_not() -> None:
    """To the byte."""
    first, again, other = (json.dumps(list(lead_stream(1_000, seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("count", [1, 5, 20, 21, 100])
def test_channels_have_different_names(count: int) -> None:
    """However many there are."""
    assert len(set(channel_names(count))) == len(channel_names(count)) == count


def test_the_smallest_stream_is_one_lead() -> None:
    """It still has its rosters and all its changes."""
    events = list(lead_stream(1, 0, channels=1))
    assert [len(event.get("leads", "")) for event in events if "leads" in event] == [1]
    assert len(events) == 1 + 3 + 1
