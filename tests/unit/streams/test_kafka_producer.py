"""How the adapter reads what the client raises."""

import gc
import logging
from collections.abc import Callable

import psutil
import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.broker import CallFailed, Remedy
from streams.kafka_broker.producer import KafkaProducer, _failures
from streams.settings import Settings
from tests.support.waiting import wait_until

FENCED = KafkaException(KafkaError(KafkaError._FENCED, fatal=True))


def opened() -> KafkaProducer:
    """One that reaches nobody."""
    settings = Settings(kafka={"bootstrap.servers": "127.0.0.1:9"})
    return KafkaProducer(settings, logger=logging.getLogger("nobody"))


def raise_through_a_callback() -> None:
    """As the C code does when it has raised an error and calls back before it returns."""
    raise SystemError("log returned a result with an exception set") from FENCED


def raise_at_once() -> None:
    """The usual way."""
    raise FENCED


@pytest.mark.parametrize("call", [raise_at_once, raise_through_a_callback])
def test_a_fatal_error_is_known_however_it_comes(call: Callable[[], None]) -> None:
    """Also inside the error of a callback that found it raised already."""
    with pytest.raises(CallFailed) as failed, _failures():
        call()
    assert failed.value.remedy is Remedy.FENCED


def test_an_error_of_the_interpreter_s_own_stays_what_it_is() -> None:
    """It is nobody's to explain away."""
    with pytest.raises(SystemError), _failures():
        raise SystemError("bad argument")


@pytest.mark.parametrize("call", ["commit", "abort", "send_offsets"])
def test_a_producer_that_failed_ends_when_it_is_closed(call: str) -> None:
    """Not when Python next looks for what nobody can reach, which may be never."""
    threads = psutil.Process().num_threads()
    arguments = ({("leads.batches", 0): 1}, b"") if call == "send_offsets" else ()
    gc.collect()
    gc.disable()
    try:
        made = opened()
        assert psutil.Process().num_threads() > threads
        with pytest.raises(CallFailed):
            getattr(made, call)(*arguments, 100)
        made.close()
        wait_until(lambda: psutil.Process().num_threads() <= threads, "its threads end", 10)
    finally:
        gc.enable()
