"""A proxy that knows Kafka's protocol: it delays, loses or holds single requests, or answers only.

It reads of each request its length, kind (`api_key`), version and correlation id, and of each
answer the correlation id, by which it knows what was asked (Kafka protocol guide, "Protocol
Primitives" and "Requests"; checked against Kafka 4.3.1).

    with KafkaProxy(("127.0.0.1", 9092)) as proxy:  # clients bootstrap at proxy.address
        proxy.lose_frames(Api.END_TXN, Side.ANSWER, times=1)

Clients go on where a broker says that it is reached. So in what it says (metadata, coordinators)
its port becomes the proxy's: host and port stand side by side in all versions of these answers,
and one port is as long as another. Whoever bootstraps at the broker itself stays there.

Rules are asked in the order in which they were made; each that applies does its part. A rule for
answers may be made while the request is on its way.
"""

import asyncio
import struct
import threading
from asyncio import StreamReader
from collections import Counter
from enum import Enum, IntEnum
from typing import NamedTuple

from .forwarder import Address, Forwarder, Link, Way
from .produce_requests import target_of, to_nobody

FRAME_BYTES_MAX = 100 * 1024 * 1024
"""Brokers take no larger request (`socket.request.max.bytes`)."""
HOLD_S = 60.0
STRAY_S = 8.0


class Api(IntEnum):
    """The kinds of requests that the faults are about, by their `api_key`."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_CLUSTER = 60


SAY_WHERE = frozenset({Api.METADATA, Api.FIND_COORDINATOR, Api.DESCRIBE_CLUSTER})
"""The kinds of answers that tell clients where to go."""


class Side(Enum):
    """What of an exchange a rule is about."""

    REQUEST = Way.TO_SERVER
    ANSWER = Way.TO_CLIENT


class Frame(NamedTuple):
    """A request or an answer: its bytes with the length before them, and what was asked."""

    data: bytes
    api_key: int
    api_version: int


class Rule:
    """What is done to some requests or answers, as long as it isn't `over`.

    Attributes:
        seen: How many it was applied to.
        frames: Those that were lost or held, the oldest first.
        links: The connections that all of them came on, in the same order.
    """

    def __init__(
        self,
        api: Api,
        side: Side,
        *,
        times: int | None,
        what: str,
        delay_ms: float = 0,
        after: int = 0,
    ) -> None:
        self.api = api
        self.side = side
        self.delay_ms = delay_ms
        self.what = what
        self.seen = 0
        self.frames: list[Frame] = []
        self.links: list[Link] = []
        self._left = times
        self._before = after
        self._over = False
        self._first = threading.Event()
        self._let_go = asyncio.Event()
        self.loses_held = False

    def applies(self, api_key: int, way: Way) -> bool:
        """Whether it takes this one; then it counts."""
        if self._over or self.side.value is not way or api_key != self.api or self._left == 0:
            return False
        if self._before:
            self._before -= 1
            return False
        if self._left is not None:
            self._left -= 1
        self.seen += 1
        return True

    def wait(self, timeout_s: float = HOLD_S) -> "Rule":
        """Wait until it was applied to a first one."""
        assert self._first.wait(timeout_s), f"no {self.api.name} came to be {self.what}"
        return self

    def stop(self) -> None:
        """Apply it to no more."""
        self._over = True

    async def apply(self, link: Link, frame: Frame) -> bytes:
        """Returns what is to be delivered, perhaps nothing."""
        self.links.append(link)
        if self.what != "delayed":
            self.frames.append(frame)
        self._first.set()
        if self.what == "delayed":
            await asyncio.sleep(self.delay_ms / 1000)
        elif self.what == "held":
            await self._let_go.wait()
        return b"" if self.what == "lost" or self.loses_held else frame.data

    def let_go(self) -> None:
        """In the proxy's thread: what is held goes on, or is dropped if it `loses_held`."""
        self._let_go.set()


class EarlyRule(Rule):
    """The first produce request for each partition finds that its leader doesn't lead yet."""

    def __init__(self) -> None:
        super().__init__(Api.PRODUCE, Side.REQUEST, times=None, what="early")
        self._known: set[tuple[bytes, int]] = set()

    async def apply(self, link: Link, frame: Frame) -> bytes:
        """As `Rule.apply`."""
        target = target_of(frame.data)
        place = (target.topic, target.partition)
        if place in self._known:
            return frame.data
        self._known.add(place)
        self._first.set()
        return to_nobody(frame.data, target)


class KafkaProxy(Forwarder):
    """Forwards to the only broker of a cluster.

    What a `Forwarder` does (latency, cut, half-open connections) it can do too.

    Args:
        target: Host and port, just as the broker advertises them.
        port: See `Forwarder`.

    Attributes:
        requests, answers: How many came through or were kept back, by `api_key`.
    """

    def __init__(self, target: Address, port: int | None = None) -> None:
        super().__init__(target, port)
        self.requests: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()
        self._rules: list[Rule] = []
        self._asked: dict[Link, dict[int, tuple[int, int]]] = {}
        host = target[0].encode()
        self._theirs = host + struct.pack(">i", target[1])
        self._ours = host + struct.pack(">i", self.port)

    # -- rules

    def delay(self, api: Api, side: Side, ms: float, *, times: int | None = None) -> Rule:
        """Deliver later; what comes behind it on the same connection waits too."""
        return self._add(Rule(api, side, times=times, delay_ms=ms, what="delayed"))

    def lose_frames(self, api: Api, side: Side, *, times: int | None = None) -> Rule:
        """Never deliver; what comes behind it is delivered."""
        return self._add(Rule(api, side, times=times, what="lost"))

    def hold(self, api: Api, side: Side, *, times: int | None = 1, after: int = 0) -> Rule:
        """Keep back, and all behind it on the same connection, until `release` or `discard`.

        `after`: so many pass first.
        """
        return self._add(Rule(api, side, times=times, after=after, what="held"))

    def name_leaders_early(self) -> Rule:
        """Have the first produce request for each partition refused, and no later one."""
        return self._add(EarlyRule())

    def _add(self, rule: Rule) -> Rule:
        async def add() -> Rule:
            self._rules.append(rule)
            return rule

        self._control(add)
        return rule

    def release(self, rule: Rule) -> None:
        """Deliver what it holds."""
        rule.stop()
        self._loop.call_soon_threadsafe(rule.let_go)

    def discard(self, rule: Rule) -> list[Frame]:
        """Drop what it holds, so that it may come to the broker in another way; returns it."""
        rule.loses_held = True
        self.release(rule)
        return rule.frames

    def cut_at(self, rule: Rule) -> None:
        """Reset the connections on which the rule was applied; what it holds of them is dropped."""

        async def cut() -> None:
            for link in rule.links:
                link.reset()

        self._control(cut)

    def clear(self) -> None:
        """No rules any more; what is held is delivered."""
        for rule in self._rules:
            self.release(rule)

        async def clear() -> None:
            self._rules.clear()

        self._control(clear)

    def deliver_late(self, frame: Frame) -> bytes:
        """Give a request to the broker on a connection of its own, as a network does that kept a
        packet for a while. Returns the answer, from its correlation id on.
        """

        async def deliver() -> bytes:
            reader, writer = await asyncio.open_connection(*self.target)
            try:
                writer.write(frame.data)
                answer = await asyncio.wait_for(self._read(reader), STRAY_S)
                return answer[4:]
            finally:
                writer.close()

        return bytes(self._control(deliver))

    # -- in its own thread

    async def _read(self, reader: StreamReader) -> bytes:
        """A whole request or answer with its length; nothing at the end."""
        try:
            length = await reader.readexactly(4)
        except asyncio.IncompleteReadError as broken:
            if broken.partial:
                raise
            return b""
        (size,) = struct.unpack(">i", length)
        assert 0 < size <= FRAME_BYTES_MAX, f"no Kafka request: {size} bytes"
        return length + await reader.readexactly(size)

    async def _passes(self, link: Link, way: Way, unit: bytes) -> bytes:
        frame = self._known(link, way, unit)
        counter = self.requests if way is Way.TO_SERVER else self.answers
        counter[frame.api_key] += 1
        for rule in list(self._rules):
            if rule.applies(frame.api_key, way):
                unit = await rule.apply(link, frame)
                if not unit:
                    return b""
        if way is Way.TO_CLIENT and frame.api_key in SAY_WHERE:
            return unit.replace(self._theirs, self._ours)
        return unit

    def _known(self, link: Link, way: Way, unit: bytes) -> Frame:
        """What a unit is; remembers requests so that their answers are known."""
        asked = self._asked.setdefault(link, {})
        if way is Way.TO_SERVER:
            api_key, api_version, correlation = struct.unpack_from(">hhi", unit, 4)
            asked[correlation] = (api_key, api_version)
        else:
            (correlation,) = struct.unpack_from(">i", unit, 4)
            api_key, api_version = asked.pop(correlation, (-1, -1))
        return Frame(unit, api_key, api_version)

    async def _forward(self, link: Link) -> None:
        try:
            await super()._forward(link)
        finally:
            self._asked.pop(link, None)


def error_of_end_txn(frame: Frame, answer: bytes) -> int:
    """The error code in the answer to an EndTxn; 0 is success.

    The answer is correlation id, since version 3 an empty tag section, throttle time, error code.
    """
    assert frame.api_key == Api.END_TXN
    (code,) = struct.unpack_from(">h", answer, 9 if frame.api_version >= 3 else 8)
    return int(code)
