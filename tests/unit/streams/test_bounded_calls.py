"""A call that outlasts its own time-out is given up; its client is left alone until it returns."""

import threading

import pytest

from streams.broker import CallFailed, Remedy
from streams.kafka_broker import bounded_calls
from streams.kafka_broker.bounded_calls import BoundedCalls

WAIT_S = 30.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_calls, "GRACE_S", 0.05)


class Client:
    """Whose calls return when they are let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.returned = threading.Event()

    def wait(self) -> str:
        """Until then."""
        self.let_go.wait(WAIT_S)
        self.returned.set()
        return "late"


def test_what_a_call_returns_or_raises_is_handed_on() -> None:
    """In order, by one thread."""
    calls = BoundedCalls()
    assert calls.run("max", 1.0, max, 2, 3) == 3
    with pytest.raises(ZeroDivisionError):
        calls.run("divmod", 1.0, divmod, 1, 0)
    first = calls.run("ident", 1.0, threading.get_ident)
    assert calls.run("ident", 1.0, threading.get_ident) == first != threading.get_ident()
    calls.close()


def test_a_stuck_call_asks_for_another_client() -> None:
    """It says which; once it has returned after all, nothing is kept."""
    client, calls = Client(), BoundedCalls()
    with pytest.raises(CallFailed, match="wait is stuck") as failed:
        calls.run("wait", 0.0, client.wait)
    assert failed.value.remedy is Remedy.REPLACE
    assert calls.is_stuck
    calls.close()
    client.let_go.set()
    assert client.returned.wait(WAIT_S)
    for _ in range(100):
        if not calls.is_stuck:
            return
        threading.Event().wait(0.05)
    pytest.fail("it is kept for ever")


def test_with_too_many_stuck_clients_the_process_has_to_end() -> None:
    """Each holds threads and connections."""
    clients = [Client() for _ in range(bounded_calls.STUCK_MAX + 1)]
    remedies = []
    for client in clients:
        with pytest.raises(CallFailed) as failed:
            BoundedCalls().run("wait", 0.0, client.wait)
        remedies.append(failed.value.remedy)
    for client in clients:
        client.let_go.set()
    assert remedies == [Remedy.REPLACE] * bounded_calls.STUCK_MAX + [Remedy.STOP]
