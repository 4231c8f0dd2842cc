"""How the adapter reads what the client raises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.broker import CallFailed, Remedy
from streams.kafka_broker.producer import KafkaProducer
from streams.settings import Settings

FENCED = KafkaException(KafkaError(KafkaError._FENCED, fatal=True))


@contextmanager
def producer() -> Iterator[KafkaProducer]:
    """One that reaches nobody."""
    settings = Settings(kafka={"bootstrap.servers": "127.0.0.1:9"})
    made = KafkaProducer(settings, logger=logging.getLogger("nobody"))
    try:
        yield made
    finally:
        made.close()


def raise_through_a_callback() -> None:
    """As the C code does when it has raised an error and calls back before it returns."""
    raise SystemError("log returned a result with an exception set") from FENCED


def raise_at_once() -> None:
    """The usual way."""
    raise FENCED


@pytest.mark.parametrize("call", [raise_at_once, raise_through_a_callback])
def test_a_fatal_error_is_known_however_it_comes(call: object) -> None:
    """Also inside the error of a callback that found it raised already."""
    with producer() as made, pytest.raises(CallFailed) as failed:
        made._call(call)
    assert failed.value.remedy is Remedy.FENCED


def test_an_error_of_the_interpreter_s_own_stays_what_it_is() -> None:
    """It is nobody's to explain away."""

    def break_down() -> None:
        raise SystemError("bad argument")

    with producer() as made, pytest.raises(SystemError):
        made._call(break_down)
