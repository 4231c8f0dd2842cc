"""How the adapter reads what the client raises."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.broker import CallFailed, Remedy
from streams.kafka_broker.producer import _failures
from tests.support.interpreter import output_of

FENCED = KafkaException(KafkaError(KafkaError._FENCED, fatal=True))


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


CALLS_AND_CLOSES = """
import gc, logging, sys, time
import psutil
from streams.broker import CallFailed
from streams.kafka_broker.producer import KafkaProducer
from streams.settings import Settings

gc.disable()
process = psutil.Process()
threads = process.num_threads()
settings = Settings(kafka={"bootstrap.servers": "127.0.0.1:9"})
made = KafkaProducer(settings, logger=logging.getLogger("nobody"))
call, arguments = sys.argv[1], ({("leads.batches", 0): 1}, b"")
assert process.num_threads() > threads
try:
    getattr(made, call)(*arguments[: 2 * (call == "send_offsets")], 100)
except CallFailed:
    pass
made.close()
deadline = time.monotonic() + 10
while process.num_threads() > threads and time.monotonic() < deadline:
    time.sleep(0.01)
print(process.num_threads() - threads)
"""


@pytest.mark.parametrize("call", ["commit", "abort", "send_offsets"])
def test_a_producer_that_failed_ends_when_it_is_closed(call: str) -> None:
    """Not when Python next looks for what nobody can reach, which may be never."""
    assert output_of(CALLS_AND_CLOSES, call) == "0\n"


HOARDS_AND_HEARS = """
import logging, time
from streams.kafka_broker.producer import KafkaProducer
from streams.settings import Settings

made = KafkaProducer(
    Settings(kafka={"bootstrap.servers": "127.0.0.1:9"}), logger=logging.getLogger("nobody")
)
deadline = time.monotonic() + 10
while len(made._producer) < 10 and time.monotonic() < deadline:
    time.sleep(0.01)
print(len(made._producer) >= 10)
made.serve(0)
print(len(made._producer) < 10)
while not made.connection_errors() and time.monotonic() < deadline:
    made.serve(10)
print(made.connection_errors() > 0)
made.close()
"""


def test_what_an_idle_client_has_to_say_of_its_connections_waits_until_it_is_heard() -> None:
    """So it has to be heard when there is no transaction, too."""
    assert output_of(HOARDS_AND_HEARS) == "True\n" * 3
