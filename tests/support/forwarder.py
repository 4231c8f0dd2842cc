"""A TCP forwarder on the loopback address: a network that can be slow, cut, stalled or half open.

In: an address to forward to. Out: an address for clients, the same for as long as it lives. What
it is told takes effect on open connections too; it runs in a thread of its own.

    with Forwarder(("127.0.0.1", 6379)) as network:
        network.latency_ms = 100

Bytes arrive in order or, once some were lost in a direction of a connection, never again in that
direction: a byte stream with a hole in it is nothing that a network does.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Any, Self

from streams.local.ports import HOST, free_ports

CHUNK_BYTES = 64 * 1024
# Of each direction of each connection, in units that were read: chunks or whole requests.
UNITS_WAITING_MAX = 1_000
CONTROL_S = 10.0
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)

Address = tuple[str, int]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Enum):
    """The two directions of a connection."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


BOTH_WAYS = (Way.TO_SERVER, Way.TO_CLIENT)


class Link:
    """One connection of a client, and the one behind it."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self.readers = {Way.TO_SERVER: client[0], Way.TO_CLIENT: server[0]}
        self.writers = {Way.TO_SERVER: server[1], Way.TO_CLIENT: client[1]}
        self.deaf: set[Way] = set()
        """Directions in which something was lost."""

    def reset(self) -> None:
        """End both connections as a crashed peer would: by RST."""
        for writer in self.writers.values():
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    opened = writer.get_extra_info("socket")
    if opened is not None:
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    writer.transport.abort()


class Forwarder:
    """Forwards connections; a context manager.

    Args:
        target: Host and port of the server. It need not be there yet.
        port: Where to listen; a free one if not given.

    Attributes:
        target: May be changed: for connections from then on.
        latency_ms: How long each byte takes in each direction; a round trip takes twice that.
        refuses: Whether new connections are reset at once.
    """

    def __init__(self, target: Address, port: int | None = None) -> None:
        self.target = target
        self.port = port if port is not None else free_ports(1)[0]
        self.latency_ms = 0.0
        self.refuses = False
        self._losing: set[Way] = set()
        self._open = {way: asyncio.Event() for way in Way}
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def address(self) -> str:
        """For clients, `host:port`."""
        return f"{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._links)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._control(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Reset what is open, and listen no more."""
        self._control(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CONTROL_S)
        self._loop.close()

    # -- faults

    def cut(self) -> int:
        """Reset every open connection; returns how many. New ones are forwarded as before."""

        async def cut() -> int:
            links = list(self._links)
            for link in links:
                link.reset()
            return len(links)

        return int(self._control(cut))

    def lose(self, *ways: Way) -> None:
        """Half open: what is sent from now on never arrives, and nobody is told. Both ways unless
        given; new connections are accepted and treated alike.
        """
        self._losing = set(ways or BOTH_WAYS)

    def find(self, *, reset_lossy: bool = True) -> None:
        """Lose nothing any more. Connections with a hole in them stay dead; they are reset, as by a
        peer that is back and doesn't know them, unless the client is to find out by itself.
        """

        async def find() -> None:
            self._losing = set()
            for link in list(self._links):
                if link.deaf and reset_lossy:
                    link.reset()

        self._control(find)

    def stall(self, *ways: Way) -> None:
        """Hold what is sent back, in order, until `flow`. Both ways unless given."""
        self._gates(ways or BOTH_WAYS, asyncio.Event.clear)

    def flow(self) -> None:
        """Let everything on its way arrive."""
        self._gates(BOTH_WAYS, asyncio.Event.set)

    def _gates(self, ways: Iterable[Way], change: Callable[[asyncio.Event], object]) -> None:
        async def all_of_them() -> None:
            for way in ways:
                change(self._open[way])

        self._control(all_of_them)

    # -- in its own thread

    def _control(self, what: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what(), self._loop).result(CONTROL_S)

    async def _listen(self) -> None:
        for gate in self._open.values():
            gate.set()
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def _end(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.refuses:
                reset(writer)
                return
            try:
                server = await asyncio.open_connection(*self.target)
            except OSError:
                reset(writer)
                return
            await self._forward(Link((reader, writer), server))
        except asyncio.CancelledError:
            pass  # by `_end`; asyncio's own callback would report it
        finally:
            self._tasks.discard(task)

    async def _forward(self, link: Link) -> None:
        self._links.add(link)
        pumps = [asyncio.ensure_future(self._pump(link, way)) for way in Way]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._links.discard(link)
            for writer in link.writers.values():
                writer.close()

    async def _pump(self, link: Link, way: Way) -> None:
        """Move one direction until it ends or breaks."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNITS_WAITING_MAX)
        delivery = asyncio.ensure_future(self._deliver(link, way, waiting))
        try:
            while unit := await self._read(link.readers[way]):
                await waiting.put((self._loop.time(), unit))
            await waiting.put((self._loop.time(), b""))
            await delivery
        except (OSError, asyncio.IncompleteReadError):
            link.reset()
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)

    async def _deliver(
        self, link: Link, way: Way, waiting: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        while True:
            read_at, unit = await waiting.get()
            if not unit:
                return
            late_s = read_at + self.latency_ms / 1000 - self._loop.time()
            if late_s > 0:
                await asyncio.sleep(late_s)
            await self._open[way].wait()
            if way in self._losing:
                link.deaf.add(way)
            if way not in link.deaf and (passed := await self._passes(link, way, unit)):
                try:
                    link.writers[way].write(passed)
                    await link.writers[way].drain()
                except OSError:
                    link.reset()
                    return

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next unit of a direction; nothing at its end."""
        return await reader.read(CHUNK_BYTES)

    async def _passes(self, link: Link, way: Way, unit: bytes) -> bytes:
        """What is delivered of a unit, perhaps nothing; it may take its time."""
        return unit
