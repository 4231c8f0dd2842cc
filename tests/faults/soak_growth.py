"""Memory and open files of processes over time: sampled, judged, drawn."""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import psutil

from streams.local.errors import LocalStackError

EVERY_S = 2.0
MIB = 1024 * 1024
GROWTH_MOST = 1.15
"""Of the median of the last quarter of the time against that of the second: the first is warming
up, and windows of duplicates fill."""
FILES_MORE_MOST = 24
"""The same for open files: a client that waits to be closed has so many."""


class Watched(Protocol):
    """A process, or a server that is a process at times."""

    @property
    def is_running(self) -> bool:
        """Whether there is one now."""
        ...

    @property
    def pid(self) -> int:
        """Its id."""
        ...


class Sample(NamedTuple):
    """What a process held: `at_s` since the start, resident memory in MiB."""

    name: str
    at_s: float
    resident_mib: float
    open_files: int


class Growth:
    """Samples processes from a thread of its own, every two seconds; a context manager."""

    def __init__(self, watched: Mapping[str, Watched]) -> None:
        """`watched` by the names that the report calls them."""
        self._watched = watched
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began = time.monotonic()
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take no more samples."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for name, watched in self._watched.items():
                try:
                    if watched.is_running:
                        process = psutil.Process(watched.pid)
                        resident_mib = process.memory_info().rss / MIB
                        at_s = time.monotonic() - self._began
                        self.samples.append(Sample(name, at_s, resident_mib, process.num_fds()))
                except (psutil.Error, LocalStackError):
                    continue  # it ended meanwhile

    def said(self, name: str) -> str:
        """How much of both there was early and late, in words."""
        early, late = _quarters(self.samples, name)
        return (
            f"{name}: {early.resident_mib:.0f} MiB and {early.open_files} files in the second "
            f"quarter, {late.resident_mib:.0f} MiB and {late.open_files} files in the last"
        )


def _quarters(samples: Sequence[Sample], name: str) -> tuple[Sample, Sample]:
    """The medians of the second quarter of the time and of the last."""
    own = [sample for sample in samples if sample.name == name]
    quarter = max(1, len(own) // 4)
    return _medians(name, own[quarter : 2 * quarter] or own), _medians(name, own[-quarter:])


def _medians(name: str, samples: Sequence[Sample]) -> Sample:
    return Sample(
        name,
        median(sample.at_s for sample in samples),
        median(sample.resident_mib for sample in samples),
        round(median(sample.open_files for sample in samples)),
    )


def growth_problems(samples: Sequence[Sample], name: str) -> list[str]:
    """What has grown beyond its bound."""
    early, late = _quarters(samples, name)
    problems = []
    if late.resident_mib > GROWTH_MOST * early.resident_mib:
        problems.append(
            f"growth: {name} from {early.resident_mib:.0f} to {late.resident_mib:.0f} MiB"
        )
    if late.open_files > early.open_files + FILES_MORE_MOST:
        problems.append(f"growth: {name} from {early.open_files} to {late.open_files} open files")
    return problems


def plotted(
    samples: Sequence[Sample], marks_s: Sequence[float], leads: Sequence[int], directory: Path
) -> None:
    """`soak.png`: memory, open files and leads over time; quiet points are the marks."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (memory, files, count) = plt.subplots(3, 1, sharex=True, figsize=(9, 8))
    for name in dict.fromkeys(sample.name for sample in samples):
        own = [sample for sample in samples if sample.name == name]
        minutes = [sample.at_s / 60 for sample in own]
        memory.plot(minutes, [sample.resident_mib for sample in own], label=name)
        files.plot(minutes, [sample.open_files for sample in own], label=name)
    count.plot([mark / 60 for mark in marks_s], leads, marker="o", color="tab:gray")
    memory.set_ylabel("resident memory, MiB")
    files.set_ylabel("open files")
    count.set_ylabel("leads, all checked")
    count.set_xlabel("minutes")
    memory.legend(loc="center right")
    for axes in (memory, files, count):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.suptitle("Load and random faults")
    figure.tight_layout()
    figure.savefig(directory / "soak.png", dpi=120)
    plt.close(figure)
