"""The log that a ledger is added up from: `dispatch.decisions` and `leads.assignments`, committed.

In: the settings, a ledger, where it stopped the last time. Out: the ledger up to date; positions,
and a file that keeps both together, so that nothing counts twice after a restart.

Reads ahead at most `FETCHED_KIB_MAX` of both topics together.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Literal, Self

import msgspec
from confluent_kafka import KafkaError, TopicPartition

from streams.failure import Failed
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    first_offsets,
    partition_counts,
    problem,
    reader,
)
from streams.planning.ledger import Ledger, Totals
from streams.settings import Settings
from streams.whole_files import write_whole

FETCHED_KIB_MAX: Final = 16 * 1024
_RECORDS_AT_ONCE: Final = 1_000
_FETCH_WAIT_MS: Final = 20
_SILENT_MAX: Final = 50
"""Polls without a record while some are known to be there."""
_POLL_S: Final = 0.2


Begin = Literal["whole", "what is there", "now"] | Mapping[Place, int]
"""Where to begin: with the first record ever, which has to be there still; with the first one that
is there; with the next one that comes; or where it stopped."""


_Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}\Z")]


class _File(msgspec.Struct, frozen=True):
    type: Literal["partidor_plan_ledger"]
    schema_version: int
    application_id: str
    hub: str
    positions: dict[str, dict[_Number, int]]
    totals: Totals


class Kept(msgspec.Struct, frozen=True):
    """A ledger as it was kept, and where its log goes on."""

    totals: Totals
    positions: dict[Place, int]


def read_kept(path: Path, settings: Settings, hub: str) -> Kept | None:
    """What the file keeps; None where there is none yet. Raises Failed."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failed(f"can't read {path}: {error}") from None
    try:
        kept = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(f"{path} is no state of `partidor plan follow`: {error}") from None
    if (kept.schema_version, kept.application_id, kept.hub) != (1, settings.application_id, hub):
        raise Failed(
            f"{path} is of channel {kept.hub!r} of application {kept.application_id!r}, version"
            f" {kept.schema_version}: name another file with --state"
        )
    positions = {
        (topic, int(number)): offset
        for topic, offsets in kept.positions.items()
        for number, offset in offsets.items()
    }
    return Kept(kept.totals, positions)


def keep(path: Path, settings: Settings, hub: str, kept: Kept) -> None:
    """Totals and positions of one moment, all or nothing. Raises Failed."""
    positions: dict[str, dict[str, int]] = {}
    for (topic, number), offset in sorted(kept.positions.items()):
        positions.setdefault(topic, {})[str(number)] = offset
    file = _File("partidor_plan_ledger", 1, settings.application_id, hub, positions, kept.totals)
    try:
        write_whole(path, msgspec.json.encode(file) + b"\n")
    except OSError as error:
        raise Failed(f"can't write {path}: {error}") from None


class LoanLog:
    """Reads into a ledger; a context manager."""

    def __init__(self, settings: Settings, ledger: Ledger, begin: Begin) -> None:
        """Finds where to begin. Raises Failed."""
        self._settings = settings
        self._ledger = ledger
        self._admin = admin_client(settings)
        self._decisions = settings.topics.decisions
        topics = (self._decisions, settings.topics.assignments)
        counts = partition_counts(self._admin, settings, topics)
        self._places = [(topic, n) for topic in topics for n in range(counts[topic])]
        firsts = first_offsets(self._admin, settings, self._places)
        ends = end_offsets(self._admin, settings, self._places)
        if begin == "whole" and any(firsts.values()):
            raise Failed(_CUT)
        if isinstance(begin, str):
            self.positions = dict(ends if begin == "now" else firsts)
        else:
            self.positions = {place: begin.get(place, firsts[place]) for place in self._places}
        for place, offset in self.positions.items():
            if offset < firsts[place]:
                raise Failed(_CUT)
            if offset > ends[place]:
                raise Failed(
                    f"{place[0]} ends before where this stopped reading it: the topic is not the"
                    " one of before; begin anew with --booked and another --state"
                )
        self._consumer = reader(settings, fetch_wait_ms=_FETCH_WAIT_MS, ahead_kib=FETCHED_KIB_MAX)
        self._consumer.assign(
            [TopicPartition(*place, offset) for place, offset in self.positions.items()]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Read no more."""
        self._consumer.close()

    def catch_up(self) -> None:
        """Read to where the log ends now. Raises Failed."""
        ends = end_offsets(self._admin, self._settings, self._places)
        silent = 0
        while any(self.positions[place] < end for place, end in ends.items()):
            silent = 0 if self.read(_POLL_S) else silent + 1
            if silent > _SILENT_MAX:
                raise problem(self._settings, "nothing can be read of the log", None)

    def read(self, seconds: float) -> int:
        """What came meanwhile, waiting so long for the first of it; how far that goes on.

        Raises Failed.
        """
        before = sum(self.positions.values())
        messages = self._consumer.consume(1, seconds)
        if messages:
            messages += self._consumer.consume(_RECORDS_AT_ONCE, 0)
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            offset = message.offset() or 0
            if (error := message.error()) is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise problem(self._settings, f"can't read {place[0]}", error)
                self.positions[place] = max(self.positions[place], offset)
                continue
            value = message.value() or b""
            if place[0] == self._decisions:
                self._ledger.decision(value)
            else:
                self._ledger.assignment(value)
            self.positions[place] = offset + 1
        return sum(self.positions.values()) - before


_CUT: Final = (
    "the log doesn't reach back to where this would begin: what was decided before is deleted; say"
    " what each branch has got so far with --booked FILE.csv (branch_id, booked)"
)
