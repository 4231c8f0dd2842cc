"""Topics are created when their leaders take records, not when their names are known."""

import pytest
from confluent_kafka.admin import AdminClient

from streams import topic_admin
from streams.failure import Failed
from streams.settings import Settings

SETTINGS = Settings(application_id="leads", slot="0", call_timeout_ms=200)


@pytest.fixture
def admin() -> AdminClient:
    """A client that is never asked: what it would answer is said here."""
    return AdminClient({"bootstrap.servers": "127.0.0.1:9", "log_level": 0})


@pytest.mark.parametrize("refusals", [0, 1, 3])
def test_leaders_are_asked_until_all_answer(
    refusals: int, admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every partition of every topic, again and again."""
    questions: list[list[tuple[str, int]]] = []

    def asked(_admin: AdminClient, _settings: Settings, places: list[tuple[str, int]]) -> None:
        questions.append(places)
        if len(questions) <= refusals:
            raise Failed("not a leader")

    monkeypatch.setattr(topic_admin, "partition_counts", lambda *_: {"a": 2, "b": 1})
    monkeypatch.setattr(topic_admin, "end_offsets", asked)
    topic_admin.wait_until_led(admin, SETTINGS, ["a", "b"])
    assert questions == [[("a", 0), ("a", 1), ("b", 0)]] * (refusals + 1)


def test_leaders_that_never_answer_are_named(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `call_timeout_ms`, with the last question's own words."""

    def refused(*_: object) -> None:
        raise Failed("not a leader")

    monkeypatch.setattr(topic_admin, "partition_counts", lambda *_: {"a": 1})
    monkeypatch.setattr(topic_admin, "end_offsets", refused)
    with pytest.raises(Failed, match="not a leader"):
        topic_admin.wait_until_led(admin, SETTINGS, ["a"])
