"""A partition's records outside of memory: the copy in Redis, and how records are sorted out."""

from dispatcher.state_records import APPLIED_OFFSETS_KEY, AppliedOffsets, channel_of
from dispatcher.store import RestorePoint
from schemas.partitioning import partition_of


class RedisCopy:
    """What a task knows of its partition's copy in Redis.

    Attributes:
        point: the restore point that this owner read or wrote last.
        attempted: one that it tried to write without getting an answer.
        unflushed: records committed and not applied; the newest of each key.
        unflushed_since: when the oldest of them was committed, monotonic seconds.
        whole: a whole copy has to be written, on top of `point`.
    """

    def __init__(self) -> None:
        """Nothing known, nothing to write."""
        self.point: RestorePoint | None = None
        self.attempted: RestorePoint | None = None
        self.unflushed: dict[bytes, bytes | None] = {}
        self.unflushed_since: float | None = None
        self.whole = False


def group_by_channel(records: dict[bytes, bytes]) -> dict[str, dict[bytes, bytes]]:
    """{channel: {key: value}} of a partition's records, without the partition's own."""
    grouped: dict[str, dict[bytes, bytes]] = {}
    for key, value in records.items():
        if key != APPLIED_OFFSETS_KEY:
            grouped.setdefault(channel_of(key), {})[key] = value
    return grouped


def only_at_home(
    channels: dict[str, dict[bytes, bytes]], partition: int, recorded: AppliedOffsets | None
) -> dict[str, dict[bytes, bytes]]:
    """Without the channels whose keys don't hash here by the recorded count: they moved away."""
    if recorded is None:
        return channels
    count = recorded.partition_count
    return {
        channel: parts
        for channel, parts in channels.items()
        if partition_of(channel.encode(), count) == partition
    }


def is_busy(parts: dict[bytes, bytes]) -> bool:
    """Whether a channel counts for its partition: parked leads, a release, or rules with timers."""
    return any(
        b"/parked/" in key
        or (b"/" not in key and (b'"release":null' not in value or b',"eligibility":{' in value))
        for key, value in parts.items()
    )
