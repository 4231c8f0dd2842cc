"""States, decisions, assignments and dead letters of a system, as files (`partidor export`).

In: the settings, what to leave out, a directory. Out: the files, and the manifest. Nothing on the
cluster is changed; dispatchers go on.

- The changelog is read first, each other log up to an end that is asked for later: every decision
  that led to an exported state is in the export, as far as its topic keeps it.
- One partition after another, each in order. In memory is a partition's state at most, as in the
  dispatcher that owns it; decisions and assignments pass through.
- Attributes of leads are left out unless they are asked for: of assignments and of what waits.
  Dead letters are told by where they stood and why; their bytes are a lead source's, and may hold
  anything.
"""

import base64
import time
from collections.abc import Callable, Collection, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from dispatcher.state_records import APPLIED_OFFSETS_KEY, channel_of, read_state
from dispatcher.times import milliseconds, timestamp_text
from streams.audit.export_files import (
    FORMAT,
    FileSeen,
    Filters,
    LinesFile,
    Manifest,
    PartitionSeen,
    TopicSeen,
    write_manifest,
)
from streams.audit.recovery import recovery_changes
from streams.dead_letters import HEADER_PREFIX
from streams.failure import Failed
from streams.kafka_clients import (
    admin_client,
    described,
    first_offsets,
    high_watermarks,
    partition_counts,
)
from streams.partition_log import LogRecord, PartitionLog
from streams.settings import Settings
from streams.whole_files import whole_directory

STATES: Final = "states.jsonl.gz"
RECOVERY: Final = "recovery.jsonl"
DECISIONS: Final = "decisions.jsonl.gz"
ASSIGNMENTS: Final = "assignments.jsonl.gz"
DEAD_LETTERS: Final = "dead-letters.jsonl.gz"

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOTHING: Final = msgspec.Raw(b"{}")


class _Head(msgspec.Struct):
    channel: str
    decided_at: str


class _ParkedLeads(msgspec.Struct):
    leads: list[tuple[str, msgspec.Raw]]


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_parked = msgspec.json.Decoder(_ParkedLeads).decode


class Wanted(NamedTuple):
    """What to export; channels none: all. Times in milliseconds since 1970, both included."""

    channels: Collection[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    with_attributes: bool = False

    def takes(self, value: bytes) -> bool:
        """Whether a decision or assignment is wanted; what is neither isn't."""
        try:
            head = _decode_head(value)
            at_ms = milliseconds(head.decided_at)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            return False
        if self.channels and head.channel not in self.channels:
            return False
        if self.since_ms is not None and at_ms < self.since_ms:
            return False
        return self.until_ms is None or at_ms <= self.until_ms


def export(
    settings: Settings,
    directory: Path,
    wanted: Wanted,
    begins: Callable[[int], Callable[[int], None]] | None = None,
) -> tuple[Manifest, str]:
    """Write an export to a directory that isn't there yet, or is empty.

    Returns: its manifest, and the SHA-256 of that. Raises Failed; then nothing is there.
    """
    with whole_directory(directory) as beside:
        exporting = _Exporting(settings, beside, wanted)
        manifest = exporting.run(begins or (lambda _: lambda _: None))
        return manifest, write_manifest(beside, manifest)


class _Exporting:
    def __init__(self, settings: Settings, directory: Path, wanted: Wanted) -> None:
        self._settings = settings
        self._directory = directory
        self._wanted = wanted
        self._exported_at = timestamp_text(time.time_ns() // 10**6)
        self._files: dict[str, FileSeen] = {}
        self._topics: dict[str, TopicSeen] = {}
        self._admin = admin_client(settings)

    def run(self, begins: Callable[[int], Callable[[int], None]]) -> Manifest:
        names = self._settings.topics
        topics = (names.changelog, names.decisions, names.assignments, names.dead_letters)
        self._counts = partition_counts(self._admin, self._settings, topics)
        found = described(self._admin, self._settings, topics)
        self._ids = {name: str(each.topic_id) for name, each in found.items()}
        places = [(topic, n) for topic in topics for n in range(self._counts[topic])]
        self._starts = first_offsets(self._admin, self._settings, places)
        now = high_watermarks(self._admin, self._settings, places)
        self._advance = begins(sum(now[place] - self._starts[place] for place in places))
        self._states()
        self._lines(names.decisions, DECISIONS, self._decision)
        self._lines(names.assignments, ASSIGNMENTS, self._assignment)
        self._lines(names.dead_letters, DEAD_LETTERS, self._dead_letter)
        return Manifest(
            FORMAT,
            version("partidor"),
            self._settings.application_id,
            self._exported_at,
            self._filters(),
            self._topics,
            self._files,
        )

    def _filters(self) -> Filters:
        wanted = self._wanted
        times = (wanted.since_ms, wanted.until_ms)
        since, until = (None if each is None else timestamp_text(each) for each in times)
        return Filters(sorted(wanted.channels), since, until, wanted.with_attributes)

    def _ends(self, topic: str) -> dict[int, int]:
        places = [(topic, n) for n in range(self._counts[topic])]
        ends = high_watermarks(self._admin, self._settings, places)
        return {partition: end for (_, partition), end in ends.items()}

    # -- logs

    def _lines(self, topic: str, name: str, line: Callable[[LogRecord], bytes | None]) -> None:
        """A topic as a file: a line for each record that gives one."""
        ends, partitions = self._ends(topic), []
        file = LinesFile(self._directory / name)
        with PartitionLog(self._settings, topic, self._advance) as log:
            for partition, end in sorted(ends.items()):
                start, records, written = self._starts[topic, partition], 0, 0
                for record in log.read(partition, start, end):
                    records += 1
                    text = line(record)
                    if text is not None:
                        file.write(text)
                        written += 1
                partitions.append(PartitionSeen(partition, start, end, records, written))
        self._files[name] = file.close()
        self._topics[topic] = TopicSeen(self._ids[topic], partitions)

    def _decision(self, record: LogRecord) -> bytes | None:
        value = record.value or b""
        return _one_line(value) if self._wanted.takes(value) else None

    def _assignment(self, record: LogRecord) -> bytes | None:
        value = record.value or b""
        if not self._wanted.takes(value):
            return None
        if self._wanted.with_attributes:
            return _one_line(value)
        fields = _decode_fields(value)
        fields["attributes"] = _NOTHING
        return _encode(fields)

    def _dead_letter(self, record: LogRecord) -> bytes | None:
        """Where it stood and why; by its key for what is the channel's, as it came."""
        key = (record.key or b"").decode(errors="replace")
        if self._wanted.channels and key not in self._wanted.channels:
            return None
        given = cast("list[tuple[str, bytes | None]]", record.message.headers() or [])
        told: dict[str, Any] = {
            name.removeprefix(HEADER_PREFIX): (value or b"").decode(errors="replace")
            for name, value in given
            if name.startswith(HEADER_PREFIX)
        }
        told |= {"key": key, "dead_letter_offset": record.offset}
        if self._wanted.with_attributes:
            told["value_base64"] = base64.b64encode(record.value or b"").decode()
        return _encode(told)

    # -- states

    def _states(self) -> None:
        """The changelog as compaction leaves it, and the events that make its channels anew."""
        topic = self._settings.topics.changelog
        ends, partitions = self._ends(topic), []
        states = LinesFile(self._directory / STATES)
        recovery = LinesFile(self._directory / RECOVERY)
        with PartitionLog(self._settings, topic, self._advance) as log:
            for partition, end in sorted(ends.items()):
                start, records = self._starts[topic, partition], 0
                kept: dict[bytes, bytes] = {}
                for record in log.read(partition, start, end):
                    records += 1
                    if record.value is None:
                        kept.pop(record.key or b"", None)
                    else:
                        kept[record.key or b""] = record.value
                written = 0
                for key, value in self._wanted_states(kept):
                    states.write(_state_line(partition, key, self._without_attributes(key, value)))
                    written += 1
                for line in self._recovery_lines(kept):
                    recovery.write(line)
                partitions.append(PartitionSeen(partition, start, end, records, written))
        self._files[STATES] = states.close()
        self._files[RECOVERY] = recovery.close()
        self._topics[topic] = TopicSeen(self._ids[topic], partitions)

    def _wanted_states(self, kept: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(kept):
            wanted = self._wanted.channels
            if key == APPLIED_OFFSETS_KEY or not wanted or channel_of(key) in wanted:
                yield key, kept[key]

    def _without_attributes(self, key: bytes, value: bytes) -> bytes:
        if self._wanted.with_attributes or b"/parked/" not in key:
            return value
        fields = _decode_fields(value)
        leads = [(lead_id, _NOTHING) for lead_id, _ in _decode_parked(value).leads]
        fields["leads"] = msgspec.Raw(_encode(leads))
        return _encode(fields)

    def _recovery_lines(self, kept: dict[bytes, bytes]) -> Iterator[bytes]:
        grouped: dict[str, dict[bytes, bytes]] = {}
        for key, value in self._wanted_states(kept):
            if key != APPLIED_OFFSETS_KEY:
                grouped.setdefault(channel_of(key), {})[key] = value
        for channel, records in grouped.items():
            try:
                state = read_state(records)
            except (msgspec.DecodeError, KeyError, StopIteration) as error:
                raise Failed(
                    f"the state of channel {channel!r} in the changelog can't be read: {error!r};"
                    " `partidor verify` says more"
                ) from None
            for change in recovery_changes(state, self._exported_at):
                yield _encode(change)


def _state_line(partition: int, key: bytes, value: bytes) -> bytes:
    line = {"partition": partition, "key": key.decode(), "value": msgspec.Raw(_one_line(value))}
    return _encode(line)


def _one_line(value: bytes) -> bytes:
    """JSON as it came, unless there are line breaks between its parts."""
    return msgspec.json.format(value, indent=-1) if b"\n" in value else value
