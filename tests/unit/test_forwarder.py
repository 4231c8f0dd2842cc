"""The network of the fault tests does to connections just what it says."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.forwarder import Forwarder, Way


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Send back what comes."""
        while data := self.request.recv(1024):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections are cut here."""


@pytest.fixture
def network() -> Iterator[Forwarder]:
    """A forwarder in front of a server that sends back what comes."""
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        with Forwarder((str(host), port)) as opened:
            yield opened
        server.shutdown()


@pytest.fixture
def client(network: Forwarder) -> Iterator[socket.socket]:
    """A connection through it."""
    with connected(network) as opened:
        yield opened


def connected(network: Forwarder) -> socket.socket:
    """A new connection."""
    return socket.create_connection(("127.0.0.1", network.port), timeout=10)


def echo(client: socket.socket, said: bytes = b"hello") -> bytes:
    """What comes back."""
    client.sendall(said)
    return client.recv(1024)


def test_bytes_pass_both_ways(client: socket.socket) -> None:
    """As if it weren't there."""
    assert echo(client) == b"hello"


def test_latency_is_added_in_each_direction(network: Forwarder, client: socket.socket) -> None:
    """A round trip takes twice as long."""
    network.latency_ms = 50
    began = time.monotonic()
    assert echo(client) == b"hello"
    assert time.monotonic() - began >= 0.1


def test_cut_connections_are_reset_and_new_ones_pass(
    network: Forwarder, client: socket.socket
) -> None:
    """As after a router was switched off and on."""
    assert echo(client) == b"hello"
    assert network.cut() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1024)
    with connected(network) as another:
        assert echo(another) == b"hello"


def test_what_is_lost_stays_lost(network: Forwarder, client: socket.socket) -> None:
    """A half-open connection says nothing, and is reset when the peer is back."""
    assert echo(client) == b"hello"
    network.lose(Way.TO_CLIENT)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        echo(client)
    network.find()
    client.settimeout(10)
    with pytest.raises(ConnectionResetError):
        client.recv(1024)


def test_what_is_stalled_arrives_later_in_order(network: Forwarder, client: socket.socket) -> None:
    """Nothing is lost by it."""
    network.stall(Way.TO_SERVER)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        echo(client, b"one ")
    client.sendall(b"two")
    network.flow()
    client.settimeout(10)
    received = b""
    while len(received) < len(b"one two"):
        received += client.recv(1024)
    assert received == b"one two"


def test_refused_connections_are_reset_at_once(network: Forwarder) -> None:
    """And so are those to a server that is not there."""
    network.refuses = True
    with pytest.raises(ConnectionResetError), connected(network) as client:
        client.recv(1024)
    network.refuses, network.target = False, ("127.0.0.1", 1)
    with pytest.raises(ConnectionResetError), connected(network) as client:
        client.recv(1024)
