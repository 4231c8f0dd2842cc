"""What goes wrong in a run. Each seed draws which faults it has, and how often they come.

Kinds that a seed leaves out make room for the others: a mixture of everything all the time hides
what needs a quiet moment.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from .network import ENDINGS, OFFSETS
from .processes import EPOCH_MS, Process

if TYPE_CHECKING:
    from .world import World

PAUSE_MS = 900.0
RESTART_MS = (20.0, 4_000.0)
SLOTS_MOST = 4
DAY_MS = 86_400_000.0
REQUESTS = (
    "AddOffsetsToTxn",
    "TxnOffsetCommit",
    "EndTxn",
    "OffsetFetch",
    "ListOffsets",
    "Metadata",
)
POINTS = (
    *(f"{when} {kind}" for kind in REQUESTS for when in ("before", "after")),
    "before a write to Redis",
    "after a write to Redis",
    "partitions revoked",
)
HOLDING_POINTS = (
    "before TxnOffsetCommit",
    "after TxnOffsetCommit",
    "before EndTxn",
    "before a write to Redis",
    "partitions revoked",
)


class Faults:
    """Draws and inflicts them, and takes them back at the end.

    Attributes:
        inflicted: How often each kind came.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._rng = world.clockwork.rng
        self._on = True
        self.inflicted: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], None]] = {
            "killed": self._kill,
            "killed at a call": self._kill_at_a_call,
            "killed at a point": self._kill_at_a_point,
            "held still": self._hold,
            "held still at a point": self._hold_at_a_point,
            "dispatcher added": self._add,
            "dispatcher stopped": self._stop,
            "same slot twice": self._twin,
            "broker away": self._broker_away,
            "EndTxn lost or late": self._lose_endings,
            "offsets lost or late": self._lose_offsets,
            "connections lost": self._lose_anything,
            "slow network": self._slow,
            "Redis flushed": self._flush_redis,
            "Redis rolled back": self._roll_back_redis,
            "Redis away": self._redis_away,
            "Redis full": self._redis_full,
            "Redis slow": self._redis_slow,
            "Redis answers lost": self._redis_lossy,
            "clock jumps": self._jump,
            "changelog compacted": self._compact,
            "transaction timed out": self._time_out,
            "committed offsets expired": self._expire_offsets,
            "sends refused": self._refuse_sends,
            "leaders named early": self._name_leaders_early,
            "a member missed": self._miss_a_member,
            "held with its offsets sent": self._hold_with_offsets_sent,
            "held while the group goes on": self._hold_while_the_group_goes_on,
            "EndTxn late in silence": self._end_late_in_silence,
            "Redis hurt in the middle": self._hurt_redis_in_the_middle,
            "Redis from long ago": self._redis_from_long_ago,
        }

    def begin(self) -> None:
        """Draw the kinds of this run, and inflict them from now on."""
        names = sorted(self._kinds)
        if self._world.retention_ms < DAY_MS:
            names.remove("clock jumps")  # within half the retention they may well be
        count = self._rng.choice((1, 2, 3, 5, 8, len(names)))
        self.chosen = self._rng.sample(names, min(count, len(names)))
        self._pause_ms = PAUSE_MS * self._rng.choice((0.3, 1.0, 3.0))
        self._world.clockwork.after(self._rng.uniform(0, 1_500), self._next)
        self._world.clockwork.after(200.0, self._watch)
        self._world.clockwork.after(300.0, self._snapshot)

    def _next(self) -> None:
        if not self._on:
            return
        name = self._rng.choice(self.chosen)
        self.inflicted[name] += 1
        self._world.trace.say(f"FAULT {name}")
        self._kinds[name]()
        self._world.clockwork.after(self._rng.expovariate(1 / self._pause_ms), self._next)

    def end(self) -> None:
        """Nothing goes wrong any more; what was hurt is mended."""
        self._on = False
        world = self._world
        world.network.calm()
        world.redis.calm()
        world.kafka.up = True
        world.traffic.skew_ms = 0.0
        for process in world.living:
            process.skew_ms = 0.0
            process.kill_at(10**9)
            process.thread.clear_traps()
            if process.thread.held:
                process.thread.let_go()

    def _watch(self) -> None:
        """Whoever looks after the processes starts what ended, by itself or not."""
        world = self._world
        slots = {process.slot for process in world.living}
        for slot in ("0",) if world.healing or self._rng.random() < 0.5 else ():
            if slot not in slots:
                world.start(slot)
        world.clockwork.after(self._rng.uniform(*RESTART_MS), self._watch)

    def _snapshot(self) -> None:
        self._world.redis.snapshot()
        self._world.clockwork.after(self._rng.uniform(100, 4_000), self._snapshot)

    def _after(self, delay_ms: float, action: Callable[[], None]) -> None:
        self._world.clockwork.after(delay_ms, action)

    def _someone(self) -> Process | None:
        living = self._world.living
        return self._rng.choice(living) if living else None

    # -- processes

    def _kill(self) -> None:
        if process := self._someone():
            process.kill()
            self._start_again(process)

    def _kill_at_a_call(self) -> None:
        if process := self._someone():
            process.kill_at(self._rng.randint(0, 60))
            self._start_again(process)

    def _start_again(self, process: Process) -> None:
        """Sometimes at once, sometimes later, sometimes never: others go on."""
        if self._rng.random() < 0.8:
            self._after(self._rng.uniform(*RESTART_MS), lambda: self._start(process.slot))

    def _start(self, slot: str) -> None:
        if slot not in {process.slot for process in self._world.living}:
            self._world.start(slot)

    def _kill_at_a_point(self) -> None:
        if process := self._someone():
            process.thread.trap(self._rng.choice(POINTS), process.kill)
            self._start_again(process)

    def _hold(self) -> None:
        if process := self._someone():
            self._hold_for_a_while(process)

    def _hold_for_a_while(self, process: Process) -> None:
        process.trace.say("held still")
        process.thread.hold()
        base = self._world.base
        # Just longer than what others wait for is where it gets interesting.
        edges_ms = (base.session_timeout_ms, base.max_poll_interval_ms, base.transaction_timeout_ms)
        held_ms = self._rng.choice((300.0, *edges_ms, 15_000.0))
        self._after(self._rng.uniform(0.9, 1.6) * held_ms, process.thread.let_go)

    def _hold_at_a_point(self) -> None:
        if process := self._someone():
            point = self._rng.choice(HOLDING_POINTS)
            if point == "partitions revoked":
                self._miss_a_member()
            process.thread.trap(point, lambda: self._hold_for_a_while(process))

    def _busy(self) -> Process | None:
        """One that owns partitions; another one is there to take them."""
        self._add()
        owners = [
            process
            for process in self._world.living
            if process.processor is not None and process.processor.tasks
        ]
        return self._rng.choice(owners) if owners else None

    def _hold_with_offsets_sent(self) -> None:
        """Until somebody else restores what it is about to commit; its records go out later."""
        if process := self._busy():
            network, linger_ms = self._world.network, self._world.network.linger_ms
            network.linger_ms = 300.0

            def hold() -> None:
                network.linger_ms = linger_ms
                process.trace.say("held with its offsets sent")
                process.thread.hold()
                held_ms = self._world.base.session_timeout_ms + self._rng.uniform(0, 1_000)
                self._after(held_ms, process.thread.let_go)

            process.thread.trap("after TxnOffsetCommit", hold)

    def _hold_while_the_group_goes_on(self) -> None:
        """From the moment its partitions are revoked, until others have had them for a while."""
        if process := self._busy():

            def hold() -> None:
                process.trace.say("held while the group goes on")
                process.thread.hold()
                base = self._world.base
                wait_ms = min(base.session_timeout_ms, base.max_poll_interval_ms)
                self._after(wait_ms + self._rng.uniform(200, 3_000), process.thread.let_go)

            process.thread.trap("partitions revoked", hold)
            self._after(self._rng.uniform(0, 800), self._miss_a_member)

    def _end_late_in_silence(self) -> None:
        """The first copy comes after the second, and no connection broke."""
        network = self._world.network
        network.late = network.silent = 1.0
        network.late_ms = 250.0
        network.lossy["EndTxn"] = 0.7
        self._after(self._rng.uniform(50, 500), lambda: network.lossy.pop("EndTxn", None))

    def _add(self) -> None:
        if len(self._world.living) < SLOTS_MOST:
            self._start(str(self._rng.randrange(SLOTS_MOST)))

    def _stop(self) -> None:
        if process := self._someone():
            process.stopping = True
            self._start_again(process)

    def _twin(self) -> None:
        if (process := self._someone()) and len(self._world.living) < SLOTS_MOST:
            self._world.start(process.slot)

    # -- brokers and the way to them

    def _broker_away(self) -> None:
        kafka = self._world.kafka
        kafka.up = False
        self._after(self._rng.uniform(50, 5_000), lambda: setattr(kafka, "up", True))

    def _lose(self, kinds: tuple[str, ...], most: float) -> None:
        network = self._world.network
        network.late = self._rng.choice((0.0, 0.5, 1.0))
        network.late_ms = self._rng.choice((30.0, 300.0, 3_000.0))
        network.silent = self._rng.choice((0.0, 0.1, 0.9))
        for kind in kinds:
            network.lossy[kind] = self._rng.uniform(0.05, most)
        self._after(
            self._rng.uniform(200, 5_000), lambda: [network.lossy.pop(k, None) for k in kinds]
        )  # type: ignore[arg-type, func-returns-value, return-value]

    def _lose_endings(self) -> None:
        self._lose(ENDINGS, 0.9)

    def _lose_offsets(self) -> None:
        self._lose(OFFSETS, 0.9)

    def _lose_anything(self) -> None:
        self._lose(("",), 0.4)

    def _slow(self) -> None:
        network = self._world.network
        network.latency_ms = self._rng.choice((20.0, 100.0))
        network.slow = self._rng.choice((0.0, 0.02, 0.1))

        def over() -> None:
            network.latency_ms, network.slow = 2.0, 0.0

        self._after(self._rng.uniform(500, 5_000), over)

    def _refuse_sends(self) -> None:
        network = self._world.network
        network.refusing = self._rng.uniform(0.05, 0.4)
        self._after(self._rng.uniform(200, 3_000), lambda: setattr(network, "refusing", 0.0))

    def _name_leaders_early(self) -> None:
        """The first records of new producers get lost, and nobody is told."""
        network = self._world.network
        network.early = self._rng.uniform(0.1, 0.9)
        self._after(self._rng.uniform(200, 3_000), lambda: setattr(network, "early", 0.0))
        if process := self._someone():
            process.kill()
            self._start_again(process)

    def _time_out(self) -> None:
        """As if a transaction had been open for too long: the next call finds itself fenced."""
        for known in self._world.kafka.transactions.values():
            if known.state == "ongoing" and self._rng.random() < 0.7:
                known.began_ms = -1e9

    def _miss_a_member(self) -> None:
        """The coordinator hears nothing of a member for too long; it is there, and finds out."""
        members = sorted(self._world.kafka.group.members)
        if members:
            self._world.kafka.group.leave(self._rng.choice(members))

    def _expire_offsets(self) -> None:
        """As after a week without members; or the group was renamed, or reset by hand."""
        self._world.kafka.group.offsets.clear()

    def _compact(self) -> None:
        world = self._world
        tombstones_before_ms = EPOCH_MS + world.clockwork.now_ms - world.retention_ms
        for number in range(world.partitions):
            log = world.kafka.logs[world.topics.changelog, number]
            log.compact(self._rng.choice((0, 5, 30)), tombstones_before_ms)

    # -- Redis

    def _flush_redis(self) -> None:
        self._world.redis.flush()

    def _roll_back_redis(self) -> None:
        self._world.redis.roll_back()

    def _hurt_redis_in_the_middle(self) -> None:
        """While somebody reads it, or writes a whole copy, part by part."""
        redis = self._world.redis
        redis.trap = self._rng.choice((redis.flush, redis.roll_back))
        redis.trap_after = self._rng.randint(1, 6)
        if self._rng.random() < 0.5:
            redis.flush()
        elif process := self._someone():
            process.kill()
            self._start_again(process)

    def _redis_from_long_ago(self) -> None:
        """An old copy comes back, and the changelog has forgotten what was taken back since."""
        for process in self._world.living:
            process.kill()
            self._start_again(process)
        self._compact()
        self._world.redis.roll_back(far=True)

    def _redis_away(self) -> None:
        redis = self._world.redis
        redis.away = True
        if self._rng.random() < 0.3:
            redis.flush()
        self._after(self._rng.uniform(50, 6_000), lambda: setattr(redis, "away", False))

    def _redis_full(self) -> None:
        redis = self._world.redis
        redis.full = True
        self._after(self._rng.uniform(50, 4_000), lambda: setattr(redis, "full", False))

    def _redis_slow(self) -> None:
        redis = self._world.redis
        redis.slow_ms = self._rng.choice((30.0, 80.0))
        self._after(self._rng.uniform(500, 4_000), lambda: setattr(redis, "slow_ms", 1.0))

    def _redis_lossy(self) -> None:
        redis = self._world.redis
        redis.lossy = self._rng.uniform(0.05, 0.5)
        self._after(self._rng.uniform(500, 4_000), lambda: setattr(redis, "lossy", 0.0))

    # -- clocks

    def _jump(self) -> None:
        jump_ms = self._rng.choice((-DAY_MS, -60_000.0, 60_000.0, 3_600_000.0, DAY_MS))
        if process := self._someone():
            process.skew_ms += jump_ms
        self._world.traffic.skew_ms = self._rng.choice((0.0, jump_ms, -3_600_000.0))
