"""One installation under load with faults, from its start to the verdict; a context manager.

    with Run(variant, seed, servers, directory) as run:
        run.start_dispatchers(2)
        run.load()
        ...                                  # the fault
        result = run.finish()

``perform`` does just that with a variant of the catalogue.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self, TypeVar

from tests.support import oracle
from tests.support.dispatchers import DispatcherProcess
from tests.support.installation import Installation
from tests.support.kafka_proxy import KafkaProxy
from tests.support.waiting import wait_until

from .catalogue.registry import Variant
from .figures import Figures, figures
from .load import Load, Rates
from .result import Result
from .servers import Servers
from .watcher import Watcher

Entered = TypeVar("Entered")
QUICK_RECOVERY = {
    "session_timeout_ms": 3_000,
    "kafka__heartbeat_interval_ms": 300,
    "transaction_timeout_ms": 5_000,
    "redis_timeout_ms": 250,
    "status_interval_ms": 200,
}
"""Settings of all dispatchers: what a fault costs is mostly one of these, and tests are many."""

SWARM: Mapping[str, Sequence[int]] = {
    "poll_records_max": (12, 60, 500),
    "transaction_records_max": (120, 10_000),
    "transaction_max_ms": (10, 100),
    "restore_slice_records": (100, 5_000),
}
"""Settings that change how the work falls into pieces: a run draws one of each, by its seed."""

PROGRESS_S = 60.0
PROCESSED_S = 60.0
LOG_CHARACTERS = 1_500
ENDED_BY_US = (None, 0, -9, -15)
"""Running, stopped, killed; or stopped before it could listen to that."""


class Run:
    """See the head of this file.

    Attributes:
        variant, seed, servers: As given.
        rng: For whatever the variant leaves to chance.
        swarm: The settings of `SWARM` that were drawn.
        installation: Topics, dispatchers, Redis keys.
        watcher: What a reader of the outputs has seen so far.
        loads: What was sent, once `load` was called.
        refused: See `oracle.check`.
        proxy: Through which dispatchers reach Kafka, once `put_proxy` was called.
        spared: Dispatchers that mixtures leave alone.
        forgiven: A dispatcher whose log says this may have ended by itself; nothing if empty.
        inflicted: What mixtures did, and how often.
    """

    def __init__(self, variant: Variant, seed: int, servers: Servers, directory: Path) -> None:
        self.variant = variant
        self.seed = seed
        self.servers = servers
        self.rng = Random(seed)
        self.swarm = {name: self.rng.choice(values) for name, values in SWARM.items()}
        self.refused: dict[tuple[str, int, int], str] = {}
        self._directory = directory
        self._ends = ExitStack()
        self._excused: set[DispatcherProcess] = set()
        self.proxy: KafkaProxy | None = None
        self.spared: set[DispatcherProcess] = set()
        self.inflicted: Counter[str] = Counter()
        self.forgiven = ""
        self._load: Load | None = None
        self._noted: list[str] = []

    def __enter__(self) -> Self:
        """Create the topics and begin to watch."""
        with ExitStack() as opened:
            self.installation = opened.enter_context(
                Installation(
                    self.servers.bootstrap_servers,
                    self.servers.redis_url,
                    self._directory,
                    replicas=self.servers.replicas,
                )
            )
            self.watcher = Watcher(self.installation)
            opened.callback(self.watcher.stop)
            self._ends.push(opened.pop_all())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End everything, whatever state it is in, and remove the topics."""
        with suppress(AssertionError):
            if self._load is not None:
                self._load.abandon()
        with suppress(Exception):
            names = [name for name, _ in self.installation.topics.table()]
            self.installation.flush_redis()
            self.installation.admin.delete_topics(names, request_timeout=5)
        self._ends.close()

    # -- what variants use

    @property
    def dispatchers(self) -> list[DispatcherProcess]:
        """All dispatchers that were ever started, in that order."""
        return self.installation.dispatchers

    def enter(self, context: AbstractContextManager[Entered]) -> Entered:
        """Something that has to last until the verdict: a proxy, a forwarder."""
        return self._ends.enter_context(context)

    def callback(self, call: Callable[[], object]) -> None:
        """To be called when all is over."""
        self._ends.callback(call)

    @property
    def directory(self) -> Path:
        """For whatever the variant needs; removed with the run."""
        return self._directory

    def put_proxy(self) -> KafkaProxy:
        """Between Kafka and the dispatchers that are started from now on, until the verdict."""
        host, _, port = self.servers.bootstrap_servers.partition(":")
        self.proxy = self.enter(KafkaProxy((host, int(port))))
        return self.proxy

    def start(
        self, slot: str, /, failpoint: str = "", code: Path | None = None, **settings: object
    ) -> DispatcherProcess:
        """Start one dispatcher with the variant's settings and these; don't wait for it.

        `failpoint`: see `tests.support.failpoints`; `code`: another version's packages.
        """
        chosen = {**QUICK_RECOVERY, **self.swarm, **self.variant.settings, **settings}
        if self.proxy is not None:
            chosen["kafka__bootstrap_servers"] = self.proxy.address
        if failpoint:
            chosen["test_failpoint"] = failpoint
        return self.installation.start(slot, code=code, **chosen)

    def start_dispatchers(self, count: int, **settings: object) -> list[DispatcherProcess]:
        """Start dispatchers in the slots "0", "1", ..., and wait until all partitions run."""
        started = [self.start(str(number), **settings) for number in range(count)]
        self.wait_until_shared()
        return started

    def restart(self, dispatcher: DispatcherProcess, **settings: object) -> DispatcherProcess:
        """Start a process in the slot of one that has ended."""
        assert not dispatcher.is_running, "two processes would have one slot"
        return self.start(dispatcher.slot, **settings)

    def load(self, **rates: float) -> Load:
        """Begin to send; see `load.Rates`."""
        assert self._load is None, "one load at a time"
        # Where Redis is taken away, leads have to be assigned all the same.
        chosen = Rates(sticky=not self.variant.own_redis)._replace(**rates)  # type: ignore[arg-type]
        self._load = Load(self.installation, self.seed, chosen)
        self._load.start()
        return self._load

    @property
    def sending(self) -> Load:
        """The load, to hold it or to ask what was sent."""
        assert self._load is not None, "no load yet"
        return self._load

    def wait_for_progress(self, leads: int = 100, timeout_s: float = PROGRESS_S) -> None:
        """Wait until a reader of the outputs has seen so many assignments more."""
        wanted = self.watcher.leads + leads
        wait_until(
            lambda: self.watcher.leads >= wanted,
            lambda: f"{leads} leads more, {self.watcher.leads} of {wanted}; {self._logs()}",
            timeout_s,
        )

    def pause(self, least_s: float, most_s: float) -> None:
        """Let it run for a while."""
        time.sleep(self.rng.uniform(least_s, most_s))

    def shares(self) -> dict[str, set[int]]:
        """The partitions that each dispatcher says it runs, those that stand still left out.

        They say so in Redis.
        """
        owned = {}
        for dispatcher in self.dispatchers:
            if dispatcher.is_running and not dispatcher.is_held:
                status = self.installation.status(dispatcher.slot)
                # What stands there may be of a process that had this slot before.
                states = status["partitions"] if status.get("pid") == dispatcher.pid else {}
                owned[dispatcher.slot] = {int(n) for n, life in states.items() if life == "running"}
        return owned

    def is_shared(self) -> bool:
        """Whether the running dispatchers run all partitions, and each of them some."""
        owned = self.shares()
        together = sorted(number for numbers in owned.values() for number in numbers)
        return all(owned.values()) and together == list(range(self.installation.partitions))

    def wait_until_shared(self, timeout_s: float = PROGRESS_S) -> None:
        """Wait until the running dispatchers run all partitions, and each of them some."""
        wait_until(self.is_shared, lambda: f"shared: {self.shares()}; {self._logs()}", timeout_s)

    def wait_until_ended(
        self, dispatcher: DispatcherProcess, timeout_s: float = PROGRESS_S
    ) -> None:
        """Wait until a dispatcher has killed itself at its failpoint."""
        dispatcher.wait(timeout_s)

    def excuse(self, dispatcher: DispatcherProcess) -> bool:
        """This one may end by itself, with a status other than 0, without being a problem.

        Returns whether it had not been excused before.
        """
        known = dispatcher in self._excused
        self._excused.add(dispatcher)
        return not known

    def note(self, problem: str) -> None:
        """Something that is not as it has to be."""
        self._noted.append(problem)

    def _logs(self) -> str:
        return "\n".join(
            f"[slot {dispatcher.slot}] {dispatcher.log_tail()[-LOG_CHARACTERS:]}"
            for dispatcher in self.dispatchers[-3:]
        )

    # -- the verdict

    def finish(self) -> Result:
        """The faults are over: wait until all is processed, then look at everything."""
        for dispatcher in self.dispatchers:
            dispatcher.go_on()
        self._noted += self._ended_by_themselves()
        if not any(dispatcher.is_running for dispatcher in self.dispatchers):
            self.start("last")
        try:
            self.sending.stop()
        except AssertionError as error:
            self.note(f"load: {error}")
        counted, problems = self.verdict()
        return Result(
            self.variant.fault,
            self.variant.name,
            self.seed,
            counted.leads,
            counted.lost,
            counted.duplicated,
            counted.stale,
            max(counted.waits_s.values(), default=0.0),
            list(counted.waits_s.values()),
            problems,
        )

    def verdict(self) -> tuple[Figures, list[str]]:
        """What all that was sent came to, once it is processed; and everything that is wrong.

        Nothing may be sent meanwhile: the load has ended, or it rests.
        """
        problems = self._noted + self.sending.failures
        outcome, found = oracle.examine(self.installation, self.refused, timeout_s=PROCESSED_S)
        problems += found
        problems += self.watcher.problems(outcome.assignments + outcome.decisions)
        problems += [text for text in self._ended_by_themselves() if text not in problems]
        if problems:
            problems.append(f"settings: {self.swarm}")
            problems.append(f"logs: {self._logs()}")
        return figures(outcome, self.sending, self.watcher), problems

    def _ended_by_themselves(self) -> list[str]:
        return [
            f"slot {dispatcher.slot} ended with status {dispatcher.status}: "
            f"{dispatcher.log_tail()[-LOG_CHARACTERS:]}"
            for dispatcher in self.dispatchers
            if dispatcher not in self._excused
            and dispatcher.status not in ENDED_BY_US
            and not (self.forgiven and dispatcher.says(self.forgiven))
        ]
