"""Free ports on the loopback address.

A port is taken from below the range that the system hands to outgoing connections (Linux: 32768 and
up): a server that is down for a moment must find its port still free when it is started again.
"""

import random
import socket
from contextlib import ExitStack

from streams.local.errors import LocalStackError

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS_MAX = 200


def free_ports(count: int) -> list[int]:
    """As many different ports as asked for, nothing listening on any of them now."""
    chosen: list[int] = []
    with ExitStack() as held:
        for _ in range(ATTEMPTS_MAX):
            if len(chosen) == count:
                return chosen
            candidate = held.enter_context(socket.socket())
            # As servers do: ports that merely wait out old connections are free.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.SystemRandom().randint(FIRST_PORT, LAST_PORT)
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
            if port in chosen:
                continue  # drawn twice; both may be bound before either listens
            chosen.append(port)
    raise LocalStackError(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT} on {HOST}")


def accepts_connections(port: int) -> bool:
    """Whether something listens on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False
