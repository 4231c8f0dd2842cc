"""What a command takes for acknowledged."""

from unittest.mock import Mock

import pytest
from confluent_kafka import Message

from streams.delivery import Delivery
from streams.failure import Failed
from streams.settings import Settings

SETTINGS = Settings(kafka={"bootstrap.servers": "127.0.0.1:9"})


def report(offset: int | None) -> Message:
    """Of a record that the client takes for stored."""
    made = Mock(spec=Message)
    made.topic.return_value, made.partition.return_value = "leads.batches", 3
    made.offset.return_value = offset
    return made


def test_a_record_with_an_offset_is_acknowledged() -> None:
    """It stands there."""
    delivery = Delivery(SETTINGS, {"leads.batches": 4})
    delivery._on_delivery(None, report(7))
    delivery.flush()
    assert delivery.last == ("leads.batches", 3, 7)
    assert delivery.acknowledged == 1


def test_a_record_that_no_broker_said_it_stored_is_not_acknowledged() -> None:
    """The client says so of a first record that came before the leader led."""
    delivery = Delivery(SETTINGS, {"leads.batches": 4})
    delivery._on_delivery(None, report(None))
    with pytest.raises(Failed, match=r"0 of 0 records are acknowledged.*send all of them again"):
        delivery.flush()
