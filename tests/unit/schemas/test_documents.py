"""The published documents are made from the models, and old messages stay readable."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from schemas.documents import EVENTS, EVENTS_ON, asyncapi, json_schemas
from schemas.reasons import MEANINGS, Reason
from schemas.topics import TOPICS

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED = files("schemas") / "published"
REMAKE = "remake it with `partidor schemas export schemas/published`"


@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("*/*.json")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_every_message_of_every_earlier_version_is_still_read(path: Path) -> None:
    """Full transitive compatibility: golden files are added, never changed."""
    text = path.read_bytes()
    model = EVENTS[path.stem]
    event = TypeAdapter(model).validate_json(text)
    kept = event.model_dump(mode="json", exclude_unset=True)
    assert json.loads(text) == kept


def test_every_event_has_a_golden_message() -> None:
    """So that none can change unnoticed."""
    assert set(EVENTS) == {path.stem for path in (GOLDEN / "version-1").glob("*.json")}


def test_the_published_json_schemas_are_those_of_the_models() -> None:
    """What others have read is what is validated."""
    for name, schema in json_schemas():
        published = json.loads((PUBLISHED / f"{name}.schema.json").read_text())
        assert schema == published, f"{name}: {REMAKE}"


def test_the_published_asyncapi_document_is_that_of_the_models() -> None:
    """The same for the topics."""
    assert json.loads((PUBLISHED / "asyncapi.json").read_text()) == asyncapi(), REMAKE


def test_the_asyncapi_document_names_every_topic_and_message_once() -> None:
    """Each reference in it leads somewhere."""
    document = asyncapi()
    assert document["asyncapi"] == "3.1.0"
    assert set(document["channels"]) == {topic.name for topic in TOPICS} == set(EVENTS_ON)
    for channel in document["channels"].values():
        for reference in channel["messages"].values():
            name = reference["$ref"].removeprefix("#/components/messages/")
            assert name in document["components"]["messages"]
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


def test_every_reason_has_a_meaning() -> None:
    """The README's table is made of them."""
    assert list(MEANINGS) == list(Reason)


def test_all_topics_but_dead_letters_are_copartitioned() -> None:
    """Only dead letters stand apart."""
    assert [t.copartitioned for t in TOPICS] == [True] * 7 + [False]
    assert [t.cleanup_policy for t in TOPICS] == [
        *["delete"] * 5,
        "compact",
        "compact,delete",
        "delete",
    ]
