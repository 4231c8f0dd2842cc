"""What becomes of a request on its way to the brokers and back."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

ENDINGS = ("EndTxn",)
OFFSETS = ("AddOffsetsToTxn", "TxnOffsetCommit")
SILENCE_MS = 3_000.0
"""After so long without an answer a client sends again (librdkafka's `socket.timeout.ms`)."""


class Fate(NamedTuple):
    """How long request and answer take, which of them is lost, and if a lost request comes late.

    `silent`: no connection broke; the client sends again after its own time-out.
    """

    request_ms: float
    answer_ms: float
    loses: str = ""
    late_ms: float | None = None
    silent: bool = False


@dataclass
class Network:
    """Latencies and losses, drawn for each request.

    Attributes:
        latency_ms: The most that a request, or an answer, usually takes.
        slow: The share of requests that take up to `slow_ms`.
        lossy: Per kind of request, the share that is lost, or whose answer is.
        late: The share of lost requests that arrive after all, up to `late_ms` later.
        silent: The share of losses that break no connection.
        refusing: The share of sends of a producer that fail for good.
        early: The share of first records of a producer that come before the partition's leader
            leads, while others that were sent with them come after.
        linger_ms: The most that a producer waits before it sends.
    """

    rng: Random
    latency_ms: float = 2.0
    slow: float = 0.0
    slow_ms: float = 7_000.0
    lossy: dict[str, float] = field(default_factory=dict)
    late: float = 0.0
    late_ms: float = 3_000.0
    silent: float = 0.1
    refusing: float = 0.0
    early: float = 0.0
    linger_ms: float = 8.0

    def fate(self, kind: str) -> Fate:
        """Of one request."""
        rng = self.rng
        request_ms = rng.uniform(0.05, self.latency_ms)
        answer_ms = rng.uniform(0.05, self.latency_ms)
        if rng.random() < self.slow:
            request_ms += rng.uniform(0, self.slow_ms)
        share = self.lossy.get(kind, self.lossy.get("", 0.0))
        if share and rng.random() < share:
            silent = rng.random() < self.silent
            if rng.random() < 0.5:
                return Fate(request_ms, answer_ms, "answer", silent=silent)
            late_ms = rng.uniform(0, self.late_ms) if rng.random() < self.late else None
            if silent and late_ms is not None:
                late_ms += SILENCE_MS
            return Fate(request_ms, answer_ms, "request", late_ms, silent)
        return Fate(request_ms, answer_ms)

    def calm(self) -> None:
        """Nothing is lost any more."""
        self.latency_ms, self.slow, self.late, self.refusing = 2.0, 0.0, 0.0, 0.0
        self.early = 0.0
        self.lossy.clear()
