"""Dead letters counted by reason, over all that the topic has.

In: records of the topic of dead letters. Out: counts, and when the last one came. They are counted
anew at every start: there are few of them, or something is wrong that somebody has to look at.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from confluent_kafka import Message

from streams.dead_letters import HEADER_PREFIX
from streams.settings import Settings
from streams.views.topic_follower import TopicFollower

REASON_HEADER: Final = HEADER_PREFIX + "reason"
UNKNOWN: Final = "unknown"
REASONS_MAX: Final = 200
"""Kinds that are told apart; others can only come from strangers, and count as unknown."""


class Refused(NamedTuple):
    """Dead letters of one reason; `last_at_ms` since 1970."""

    letters: int
    last_at_ms: int


class RefusalSink:
    """Counts."""

    def __init__(self) -> None:
        """None yet."""
        self._by_partition: dict[int, dict[str, Refused]] = {}

    def begin(self, partition: int, first_offset: int, _end_offset: int) -> int:
        """Everything is counted from the beginning."""
        self._by_partition.setdefault(partition, {})
        return first_offset

    def take(self, partition: int, records: Sequence[Message], _next_offset: int) -> None:
        """Count them."""
        counted = dict(self._by_partition[partition])
        for message in records:
            reason = _reason(message)
            if reason not in counted and len(counted) >= REASONS_MAX:
                reason = UNKNOWN
            known = counted.get(reason, Refused(0, 0))
            at_ms = max(known.last_at_ms, message.timestamp()[1])
            counted[reason] = Refused(known.letters + 1, at_ms)
        self._by_partition[partition] = counted

    def end(self, partition: int) -> None:
        """Forget the partition."""
        self._by_partition.pop(partition, None)

    def by_reason(self) -> dict[str, Refused]:
        """Of all partitions together."""
        found: dict[str, Refused] = {}
        for counted in list(self._by_partition.values()):
            for reason, refused in counted.items():
                known = found.get(reason, Refused(0, 0))
                last_at_ms = max(known.last_at_ms, refused.last_at_ms)
                found[reason] = Refused(known.letters + refused.letters, last_at_ms)
        return found


def _reason(message: Message) -> str:
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    value = dict(headers).get(REASON_HEADER)
    return UNKNOWN if value is None else value.decode(errors="replace")[:100]


def refusal_follower(settings: Settings, sink: RefusalSink) -> TopicFollower:
    """Follows the dead letters into the sink."""
    return TopicFollower(settings, settings.topics.dead_letters, sink, ())
