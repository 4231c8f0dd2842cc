"""`partidor replay`: a file of events, decided without a broker."""

import gc
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from streams.cli.configuration import load_settings
from streams.cli.files import InputFile, is_stdin
from streams.failure import Failed

CHUNK_BYTES: Final = 1 << 20
GARBAGE_THRESHOLD: Final = 500_000
LINE_BYTES_MAX: Final = 64 << 20
"""A file without line breaks must not fill the memory; far above what an event may have."""


def replay(
    file: InputFile,
) -> None:
    """Decide a file of events without a broker, exactly as the dispatcher does.

    FILE holds events of the input topics as JSON Lines. Several channels may be
    mixed; the order of the lines is the order of events. Every output event is
    a line, in the order in which they are decided; decided_at is the event's
    created_at. What would be a dead letter is a line of type dead_letter, and
    the rest goes on.

    Examples:
      partidor replay events.jsonl > outputs.jsonl
      make-events | partidor replay - | grep lead_assigned
    """
    from streams.replay import Replay

    replay = Replay(load_settings().limits.limits())
    # Next to nothing here is cyclic: the collector would take a third of the time to find that out.
    thresholds = gc.get_threshold()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        if is_stdin(file):
            _replay_all(replay.outputs, sys.stdin.buffer)
        else:
            with file.open("rb") as source:
                _replay_all(replay.outputs, source)
    finally:
        gc.set_threshold(*thresholds)


def _replay_all(outputs: Callable[[bytes, int], list[bytes]], source: BinaryIO) -> None:
    """What came in one piece goes out in one, so that a pipe sees each answer at once."""
    sys.stdout.flush()
    target = sys.stdout.buffer
    number = 0
    for lines in _pieces(source):
        written: list[bytes] = []
        for number, line in enumerate(lines, start=number + 1):  # noqa: B020 - it counts on
            text = line.strip(b" \t\r\n")
            if text:
                written += outputs(text, number)
        if written:
            written.append(b"")
            target.write(b"\n".join(written))
            target.flush()


def _pieces(source: BinaryIO) -> Iterator[list[bytes]]:
    """The whole lines of what can be read at once, again and again; line breaks are left out."""
    rest: list[bytes] = []
    rest_bytes = 0
    while piece := source.read1(CHUNK_BYTES):  # type: ignore[attr-defined]
        first, *more = piece.split(b"\n")
        rest.append(first)
        rest_bytes += len(first)
        if rest_bytes > LINE_BYTES_MAX:
            raise Failed(f"a line of more than {LINE_BYTES_MAX} bytes; events are one a line")
        if more:
            yield [b"".join(rest), *more[:-1]]
            rest, rest_bytes = [more[-1]], len(more[-1])
    if rest_bytes:
        yield [b"".join(rest)]
