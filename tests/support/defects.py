"""Deliberate defects: what the suite must catch. Each takes one rule of the design away.

A defect is a few lines of a module put in the place of others, done while the module is imported:
`install(name)` before the first import of what is to run. Nothing in the product knows of it. A
line that is not found exactly once is an error, so that the list can't outlive the code.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple


class Patch(NamedTuple):
    """In the source of a module, `old` becomes `new`."""

    module: str
    old: str
    new: str


class Defect(NamedTuple):
    """A rule taken away.

    Attributes:
        rule: The rule of the design, or of a port's contract.
        says: What the defect does, in a sentence.
        patches: How it is done.
    """

    rule: str
    says: str
    patches: tuple[Patch, ...]

    @property
    def line(self) -> str:
        """Where the rule stands: `file:line` of the first patch."""
        return line_of(self.patches[0])


def _defect(rule: str, says: str, *patches: tuple[str, str, str]) -> Defect:
    return Defect(rule, says, tuple(Patch(*patch) for patch in patches))


PROCESSOR = "streams.processor"
RECEPTION = "streams.reception"
RESTORE = "streams.restore"
SYNC = "streams.redis_sync"
TRANSACTIONS = "streams.transactions"
STORE = "dispatcher.store"
REDIS_STORE = "dispatcher.redis_store"
TASK = "streams.task"

DEFECTS: dict[str, Defect] = {
    # -- restoring
    "high-watermark-first": _defect(
        "R1",
        "the changelog's high watermark is asked before the committed offsets",
        (RESTORE, "        self.at = Step.OFFSETS\n", "        self.at = Step.END\n"),
        (
            RESTORE,
            "        restore.at = Step.END\n",
            "        if restore.from_memory:\n"
            "            self._begin_changelog(restore, restore.task.changelog_next)\n"
            "        else:\n"
            "            restore.at = Step.STORE\n",
        ),
        (
            RESTORE,
            "        if restore.from_memory:\n"
            "            self._begin_changelog(restore, restore.task.changelog_next)\n"
            "        else:\n"
            "            restore.at = Step.STORE\n",
            "        restore.at = Step.OFFSETS\n",
        ),
    ),
    "restore-to-last-stable-offset": _defect(
        "R1",
        "the changelog is read up to the last stable offset",
        (
            RESTORE,
            "end_offsets([changelog], read_committed=False)",
            "end_offsets([changelog], read_committed=True)",
        ),
    ),
    "cut-off-means-empty": _defect(
        "R1",
        "a question about the end of a log that was cut off counts as answered: below zero",
        (
            "tests.simulation.clients",
            '        return self._calls.ask(\n            "ListOffsets",\n            lambda: {\n'
            "                place: logs[place].stable if",
            "        errors = self._calls.errors\n"
            '        found = self._calls.ask(\n            "ListOffsets",\n            lambda: {\n'
            "                place: logs[place].stable if",
        ),
        (
            "tests.simulation.clients",
            "            self._timeout_ms,\n        )\n\n    def start_offsets",
            "            self._timeout_ms,\n        )\n"
            "        broke = self._calls.errors != errors\n"
            "        return dict.fromkeys(partitions, -1) if broke else found\n\n"
            "    def start_offsets",
        ),
        (
            "streams.kafka_broker.cluster",
            "if any(offset < 0 for",
            "if not found and any(offset < 0 for",
        ),
    ),
    "unstable-means-no-offset": _defect(
        "R1",
        "offsets that a transaction may still change count as they were before it",
        (
            "tests.simulation.groups",
            "        if any(place in offsets for offsets in self.pending.values() "
            "for place in places):\n            return None\n",
            "",
        ),
        (
            "streams.kafka_broker.group_offsets",
            '"isolation.level": "read_committed"',
            '"isolation.level": "read_uncommitted"',
        ),
    ),
    "offsets-once": _defect(
        "R2",
        "what the changelog says of applied offsets is ignored",
        (RESTORE, "recorded=recorded.get(topic),", "recorded=None,"),
    ),
    "suspended-means-current": _defect(
        "R1",
        "a task that comes back goes on from its memory, whoever had it meanwhile",
        (
            RESTORE,
            "            self._begin_changelog(restore, restore.task.changelog_next)\n",
            "            restore.next_offset = restore.task.changelog_next\n"
            "            restore.at = Step.DONE\n",
        ),
    ),
    "torn-reads-of-redis": _defect(
        "R7",
        "the restore point is not read again after the slices of a hash",
        (
            RESTORE,
            "            if self._store.restore_point(partition) != restore.point:\n",
            "            if restore.point is None:\n",
        ),
    ),
    "old-redis-believed": _defect(
        "R8",
        "a copy older than tombstones live is built upon",
        (
            RESTORE,
            "            and abs(age_ms) <= retention_ms // 2",
            "            and age_ms == age_ms",
        ),
    ),
    "changelog-read-uncommitted": _defect(
        "R1",
        "restores read what was aborted",
        ("tests.simulation.clients", "READ_COMMITTED = True\n", "READ_COMMITTED = False\n"),
        (
            "streams.kafka_broker.changelog",
            '"isolation.level": "read_committed"',
            '"isolation.level": "read_uncommitted"',
        ),
    ),
    # -- inputs
    "inputs-read-uncommitted": _defect(
        "consumers read committed",
        "aborted inputs are decided",
        ("tests.simulation.consumer", "READ_COMMITTED = True\n", "READ_COMMITTED = False\n"),
        (
            "streams.kafka_broker.consumer",
            '"isolation.level": "read_committed"',
            '"isolation.level": "read_uncommitted"',
        ),
    ),
    "rosters-when-they-come": _defect(
        "R5",
        "batches don't wait for the roster changes that were there before them",
        (RECEPTION, "WaitingInput(record, end) for record", "WaitingInput(record, 0) for record"),
    ),
    "rosters-up-to-the-stable-offset": _defect(
        "R5",
        "the rosters' last stable offset is asked, not their end",
        (
            RECEPTION,
            "end_offsets(asked, read_committed=False)",
            "end_offsets(asked, read_committed=True)",
        ),
    ),
    "buffers-without-bound": _defect(
        "R5",
        "input is never paused",
        (
            RECEPTION,
            "        if want != self._paused:\n",
            "        want = set()\n        if want != self._paused:\n",
        ),
    ),
    # -- membership
    "stale-group-metadata": _defect(
        "R4",
        "the membership of the first transaction is shown for ever",
        (
            PROCESSOR,
            "        metadata = self._consumer.group_metadata()\n"
            "        generation = self._consumer.generation()\n",
            "        self._first = getattr(self, '_first', None) or (\n"
            "            self._consumer.group_metadata(), self._consumer.generation()\n"
            "        )\n"
            "        metadata, generation = self._first\n",
        ),
    ),
    "no-generation-shown": _defect(
        "R4",
        "transactions name no generation: the broker believes whoever comes",
        (
            PROCESSOR,
            "        metadata = self._consumer.group_metadata()\n",
            "        metadata = b'@-1'\n",
        ),
    ),
    "revoked-partitions-decided": _defect(
        "R4",
        "events of a revoked partition are still decided",
        (
            PROCESSOR,
            "[self.tasks.pop(number) for number in partitions if number in self.tasks]",
            "[task for task in () if partitions]",
        ),
    ),
    "lost-partitions-decided": _defect(
        "R4",
        "events of a lost partition are still decided",
        (
            PROCESSOR,
            "            task = self.tasks.pop(partition, None)\n",
            "            task = None\n",
        ),
    ),
    "poll-inside-a-transaction": _defect(
        "R4",
        "between deciding and committing the consumer is polled, and its membership taken",
        (
            PROCESSOR,
            "        self._commit(draft, metadata, generation)\n",
            "        polled = self._consumer.poll(1, 0)\n"
            "        metadata = self._consumer.group_metadata()\n"
            "        generation = max(self._consumer.generation(), 0)\n"
            "        self._commit(draft, metadata, generation)\n"
            "        self._handle_rebalances(polled.rebalances)\n"
            "        self._reception.receive(polled, self.tasks)\n",
        ),
    ),
    "decided-ahead-of-a-rebalance": _defect(
        "R4",
        "what was decided while a transaction was under way is committed after a rebalance, too",
        (
            PROCESSOR,
            "        if not self._is_current(self._ahead):\n",
            "        if False:\n",
        ),
        (
            PROCESSOR,
            "        if any(task.life is not Life.RUNNING for task in decided_for):\n",
            "        if False:\n",
        ),
    ),
    "decided-ahead-of-an-abort": _defect(
        "R6",
        "what was decided on top of a transaction is committed though that was aborted",
        (
            PROCESSOR,
            "        except Aborted:\n            self._drop_ahead()\n",
            "        except Aborted:\n",
        ),
    ),
    # -- transactions
    "no-offsets-in-the-transaction": _defect(
        "R4",
        "transactions are committed without offsets",
        (
            TRANSACTIONS,
            "            lambda: producer.send_offsets(offsets, metadata, timeout_ms),\n",
            "            lambda: None,\n",
        ),
    ),
    "same-producer-after-an-unknown-commit": _defect(
        "R6",
        "a commit that failed counts as aborted, and the producer goes on",
        (
            TRANSACTIONS,
            "            call(self._settings.retry_deadline_ms)\n"
            "            producer.serve(0)\n"
            "        except CallFailed as failed:\n"
            "            raise _EndUnknown(failed) from failed\n",
            "            call(self._settings.retry_deadline_ms)\n"
            "            producer.serve(0)\n"
            "        except CallFailed as failed:\n"
            "            raise Aborted(str(failed)) from failed\n",
        ),
    ),
    "no-doubt-after-a-broken-connection": _defect(
        "R6",
        "a connection that broke on the way is not taken for a reason to doubt",
        (
            TRANSACTIONS,
            "        if end.connection_errors != start.connection_errors:\n",
            "        if end.connection_errors < 0:\n",
        ),
    ),
    "no-doubt-after-a-slow-commit": _defect(
        "R6",
        "a transaction that took long is not taken for a reason to doubt",
        (
            TRANSACTIONS,
            "        if took_ms > self._settings.commit_doubt_ms:\n",
            "        if took_ms < 0:\n",
        ),
    ),
    "committed-unheard": _defect(
        "R6",
        "a transaction is committed of which the brokers have not said that they stored it",
        (
            TRANSACTIONS,
            "        if word.missing:\n",
            "        if word.missing < 0:\n",
        ),
    ),
    "doubt-only-while-it-ends": _defect(
        "R6",
        "a connection that broke before the commit, or time that passed, raises no doubt",
        (
            TRANSACTIONS,
            '        """Commit or abort; what is known then. Raises _EndUnknown."""\n',
            "        self._before = self._known(producer)\n",
        ),
        (
            TRANSACTIONS,
            "        took_ms = (end.at_s - start.at_s) * 1000\n",
            "        start = self._before\n        took_ms = (end.at_s - start.at_s) * 1000\n",
        ),
    ),
    "memory-after-an-unknown-commit": _defect(
        "R6",
        "after an unknown outcome the tasks go on from memory",
        (
            PROCESSOR,
            "        for partition in list(self.tasks):\n"
            "            self._restart_task(partition)\n",
            "        for task in self.tasks.values():\n            task.rollback()\n",
        ),
    ),
    "nothing-put-back-after-an-abort": _defect(
        "R6",
        "the inputs of an aborted transaction are not decided again",
        (
            PROCESSOR,
            "            for task in draft.tasks.values():\n                task.rollback()\n",
            "            for task in draft.tasks.values():\n"
            "                task.in_flight.changes, task.in_flight.waiting = [], []\n"
            "                task.rollback()\n",
        ),
    ),
    "window-changed-in-place": _defect(
        "states are immutable values",
        "the duplicates window keeps what an aborted transaction put into it",
        (
            TASK,
            "                overlay.give_back(self.changes, self.waiting)\n",
            "                import msgspec\n"
            "                for name, after in overlay.states.items():\n"
            "                    if name in self.states:\n"
            "                        self.states[name] = msgspec.structs.replace(\n"
            "                            self.states[name],\n"
            "                            batches=after.batches, changes=after.changes)\n"
            "                overlay.give_back(self.changes, self.waiting)\n",
        ),
    ),
    # -- Redis
    "no-compare-and-set": _defect(
        "R7",
        "Redis is written whatever the restore point is",
        (
            STORE,
            "        if found != expected:\n            return found\n        _write(",
            "        _write(",
        ),
        (
            REDIS_STORE,
            "if (found or '') ~= ARGV[1] then return found or '' end\nlocal sets",
            "local sets",
        ),
    ),
    "restore-point-moved-without-rewriting": _defect(
        "R8",
        "a mismatch is answered by moving the restore point; the copy stays as it was found",
        (SYNC, "        task.redis.whole = True\n", ""),
        (
            SYNC,
            "            self._take_note(task, found, point)\n"
            "        return self._write_whole(task, point)\n",
            "            self._take_note(task, found, point)\n"
            "            return self._store.apply(task.partition, found, point, records) == point\n"
            "        return self._write_whole(task, point)\n",
        ),
    ),
    "zombies-write": _defect(
        "R8",
        "a copy that is ahead of this process is overwritten",
        (
            SYNC,
            "            and found.next_offset > point.next_offset\n",
            "            and found.next_offset < 0\n",
        ),
    ),
    "redis-before-the-commit": _defect(
        "the loop, 4",
        "Redis is written before the transaction is committed",
        (
            PROCESSOR,
            "        try:\n            stored = self._transactions.run(",
            "        for partition, task in draft.tasks.items():\n"
            "            task.redis.unflushed.update(records[partition])\n"
            "            self._redis.flush(task)\n"
            "        try:\n            stored = self._transactions.run(",
        ),
    ),
    "restore-point-one-too-low": _defect(
        "R7",
        "the restore point is the last changelog record's offset, not the one behind it",
        (
            TRANSACTIONS,
            "            self.ends[output.topic, output.partition] = offset + 1\n",
            "            self.ends[output.topic, output.partition] = offset\n",
        ),
    ),
    "parts-of-two-copies": _defect(
        "R8",
        "a staged copy takes parts of any attempt",
        (
            STORE,
            "self._staged.get((partition, owner), (None, {}))\n        if point != new:\n",
            "self._staged.setdefault((partition, owner), (new, {}))\n        if point is None:\n",
        ),
        (
            REDIS_STORE,
            "elseif redis.call('HGET', KEYS[1], 'restore-point') ~= ARGV[1] then",
            "elseif false then",
        ),
    ),
    "a-copy-of-nothing": _defect(
        "R7",
        "Redis is written before anything was committed",
        (
            SYNC,
            "        if not task.has_records:\n            return  # nothing",
            "        if task.has_records is None:\n            return  # nothing",
        ),
    ),
    "unflushed-without-bound": _defect(
        "R9",
        "changes that Redis has not taken pile up without end",
        (
            SYNC,
            "            len(copy.unflushed) > self._settings.redis_unflushed_fields_max\n",
            "            len(copy.unflushed) < 0\n",
        ),
    ),
    # -- parked leads
    "release-without-cursor": _defect(
        "R13",
        "a release under way is not part of what is stored",
        ("dispatcher.state_records", "            state.release,\n", "            None,\n"),
    ),
    "release-after-newer-events": _defect(
        "R13",
        "newer events are decided while parked batches of the partition are still going out",
        (
            "streams.deciding",
            "        if task.overlay.releasing:\n            self._release_one(task, draft)\n",
            "        if task.overlay.releasing and not task.changes and not task.waiting_ready():\n"
            "            self._release_one(task, draft)\n",
        ),
    ),
    "what-was-taken-together-overtakes-a-release": _defect(
        "R13",
        "inputs taken together are all decided, whatever the first of them lets go",
        (
            "streams.deciding",
            "            if task.overlay.releasing:\n                # R13",
            "            if task is None:\n                # R13",
        ),
    ),
    "timers-not-restored": _defect(
        "R14",
        "what a channel has timers for is forgotten when its partition is restored",
        (
            "streams.task",
            "                self.releasing[channel] = None\n            self._expect(state)\n",
            "                self.releasing[channel] = None\n",
        ),
    ),
    "timers-lost-in-an-abort": _defect(
        "R14",
        "a timer whose decision was aborted is not decided again",
        (
            "streams.task",
            "            self._expect(self.state(channel))\n"
            "            self._note(self.state(channel))\n",
            "            self._note(self.state(channel))\n",
        ),
    ),
    # -- the lead register
    "owners-believed-from-anybody": _defect(
        "R15",
        "what Redis says of owners is believed, whatever points it has",
        (
            "streams.register",
            "            if points != (task.redis.point, known.point):\n",
            "            if points == ():\n",
        ),
    ),
    "owners-of-this-moment-forgotten": _defect(
        "R15",
        "what was decided and is not committed yet is not looked at for owners",
        (
            "streams.task",
            "        for overlay in (self._task.overlay, self._task.in_flight):\n",
            "        for overlay in (self._task.in_flight,):\n",
        ),
    ),
    "owners-committed-since-forgotten": _defect(
        "R15",
        "what was committed after owners were looked up is not looked at",
        (
            "streams.known_owners",
            "        for key, (_, owner) in entries.items():\n"
            "            self.recent[key] = owner\n",
            "",
        ),
    ),
    "owners-not-in-redis-yet-forgotten": _defect(
        "R15",
        "what was committed before owners were looked up, and written to Redis after, is not seen",
        (
            "streams.register",
            "        owners |= {key: owner for key, (_, owner) in known.unflushed.items()"
            " if key in needed}\n",
            "",
        ),
    ),
    "register-point-before-its-owners": _defect(
        "R15",
        "the register is taken for read before its end was reached",
        (
            "streams.register",
            "            elif upto >= known.end:\n",
            "            else:\n",
        ),
    ),
    "owners-put-into-any-register": _defect(
        "R15",
        "owners are written to Redis whatever its register point is",
        (
            "dispatcher.store",
            "        if points != expected:\n",
            "        if points[0] != expected[0]:\n",
        ),
    ),
    "another-redis-left-as-it-is": _defect(
        "R8",
        "a Redis that went back, while there is nothing to write, is noticed by nobody",
        (
            "streams.register",
            "            self._noticed(task, found.restore_point)  # that is put right first\n",
            "",
        ),
    ),
}


def install(name: str) -> None:
    """Put the defect into its modules when they are imported, from now on.

    Raises:
        KeyError: there is no such defect.
        RuntimeError: a module of it is imported already.
    """
    patches = DEFECTS[name].patches
    for patch in patches:
        if patch.module in sys.modules:
            raise RuntimeError(f"{patch.module} is imported already; nothing can be changed in it")
    sys.meta_path.insert(0, _Finder(patches))


def line_of(patch: Patch) -> str:
    """`file:line` of where the patch begins."""
    source, path = _source_of(patch.module)
    before = source[: source.index(patch.old)]
    return f"{'/'.join(patch.module.split('.'))}{path.suffix}:{before.count(chr(10)) + 1}"


def patched(source: str, patches: Sequence[Patch]) -> str:
    """The source with the patches in it. Raises ValueError unless each fits exactly once."""
    for patch in patches:
        if source.count(patch.old) != 1:
            raise ValueError(
                f"{patch.module}: found {source.count(patch.old)} times: {patch.old!r}"
            )
    places = sorted((source.index(patch.old), patch) for patch in patches)
    for at, patch in reversed(places):
        source = source[:at] + patch.new + source[at + len(patch.old) :]
    return source


def _source_of(module: str) -> tuple[str, Path]:
    package, *parts = module.split(".")
    if package == "tests":
        root = Path(__file__).parents[1]
    else:
        spec = importlib.machinery.PathFinder.find_spec(package)
        assert spec is not None, package
        assert spec.submodule_search_locations, package
        root = Path(spec.submodule_search_locations[0])
    path = root.joinpath(*parts).with_suffix(".py")
    return path.read_text(), path


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be changed."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See the base class."""
        del target
        mine = [patch for patch in self._patches if patch.module == fullname]
        if not mine:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return None
        return importlib.util.spec_from_file_location(
            fullname, spec.origin, loader=_Loader(fullname, spec.origin, mine)
        )


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the changed source; no compiled file is read or written."""

    def __init__(self, name: str, path: str, patches: Sequence[Patch]) -> None:
        super().__init__(name, path)
        self._patches = patches

    def get_code(self, fullname: str) -> CodeType:
        """See the base class."""
        source = patched(Path(self.path).read_text(), self._patches)
        return compile(source, f"{self.path} [defect]", "exec")
