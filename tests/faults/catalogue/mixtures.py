"""FX: everything at random, two or three things at a time, from a seed.

An action is a generator: it inflicts something, yields while that lasts, and heals it.
"""

from collections.abc import Callable, Generator

from tests.faults.catalogue.f06_proxy import behind_a_proxy
from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.controller_alone import fence
from tests.support.dispatchers import DispatcherProcess
from tests.support.failpoints import STEPS
from tests.support.forwarder import Way
from tests.support.kafka_proxy import Api, KafkaProxy, Side

Action = Callable[[Run], Generator[None, None, None]]
AT_ONCE_MOST = 3
KAFKA_HELD_S = 2.0
GUEST = "guest-"
NO_BROKER = ("no answer from Kafka", "no transactional producer")
"""Why a dispatcher may not start."""


def one_awake(run: Run) -> list[DispatcherProcess]:
    """One of the dispatchers that run and don't stand still, if there is any; spared ones apart."""
    awake = [
        found
        for found in run.dispatchers
        if found.is_running and not found.is_held and found not in run.spared
    ]
    return run.rng.sample(awake, min(1, len(awake)))


def start_again(run: Run, ended: DispatcherProcess) -> None:
    """Take its slot again, unless another action has: two at once would fence each other.

    Guests don't come back.
    """
    if not ended.slot.startswith(GUEST) and not _in_slot(run, ended.slot):
        run.restart(ended)


def _in_slot(run: Run, slot: str) -> list[DispatcherProcess]:
    return [found for found in run.dispatchers if found.is_running and found.slot == slot]


def supervise(run: Run) -> None:
    """Start again what could not start while there was no broker, as a supervisor does."""
    for dispatcher in list(run.dispatchers):
        said = dispatcher.log("cannot start") if dispatcher.status == 1 else []
        without_broker = said and said[-1]["why"].startswith(NO_BROKER)
        if without_broker and run.excuse(dispatcher):
            start_again(run, dispatcher)


def process_killed(run: Run) -> Generator[None, None, None]:
    """A dispatcher is killed; its slot is taken again."""
    for victim in one_awake(run):
        victim.kill()
        yield
        start_again(run, victim)


def process_stopped(run: Run) -> Generator[None, None, None]:
    """A dispatcher is stopped; its slot is taken again."""
    for leaver in one_awake(run):
        leaver.stop()
        yield
        start_again(run, leaver)


def process_held(run: Run) -> Generator[None, None, None]:
    """A dispatcher stands still, perhaps long enough to be a zombie."""
    for sleeper in one_awake(run):
        sleeper.hold()
        yield
        sleeper.go_on()


def process_at_failpoint(run: Run) -> Generator[None, None, None]:
    """A dispatcher is killed or held at a step of its work, if it comes there."""
    for old in one_awake(run):
        old.kill()
        step = run.rng.choice(sorted(STEPS))
        action = run.rng.choice(("kill", "stop", "sleep=4"))
        victim = run.restart(old, failpoint=f"{step}:{run.rng.randint(1, 8)}:{action}")
        yield
        victim.go_on()
        if not victim.is_running:
            start_again(run, victim)


def guest(run: Run) -> Generator[None, None, None]:
    """One more dispatcher, for a while."""
    slot = run.start(f"{GUEST}{len(run.dispatchers)}").slot
    yield
    # Another action may have put another process in its place.
    for visitor in _in_slot(run, slot):
        visitor.go_on()
        visitor.stop()


def redis_flushed(run: Run) -> Generator[None, None, None]:
    """All of Redis is gone."""
    if run.servers.redis.is_running:
        run.installation.flush_redis()
    yield


def redis_killed(run: Run) -> Generator[None, None, None]:
    """Redis is away, then empty."""
    run.servers.redis.kill()
    yield
    run.servers.redis.start()


def redis_held(run: Run) -> Generator[None, None, None]:
    """Redis answers nothing."""
    run.servers.redis.pause()
    yield
    run.servers.redis.resume()


def kafka_killed(run: Run) -> Generator[None, None, None]:
    """The broker is killed, and started on the same data; its controller has missed it."""
    run.servers.kafka.kill()
    yield
    fence(run.servers.kafka)
    run.servers.kafka.start()


def kafka_held(run: Run) -> Generator[None, None, None]:
    """The broker answers nothing, for less than its own session with its controller.

    A lone broker that was held for longer may lose markers of transactions, as one that was killed
    may (``tests.support.controller_alone``).
    """
    run.servers.kafka.pause()
    run.pause(0.5, KAFKA_HELD_S)
    run.servers.kafka.resume()
    yield


def connections_reset(run: Run) -> Generator[None, None, None]:
    """All connections to Kafka break, again and again."""
    proxy = _proxy(run)
    for _ in range(run.rng.randint(1, 6)):
        proxy.cut()
        run.pause(0.0, 0.5)
    yield


def network_slow(run: Run) -> Generator[None, None, None]:
    """Everything to and from Kafka is late."""
    _proxy(run).latency_ms = run.rng.choice((20, 100, 300))
    yield
    _proxy(run).latency_ms = 0


def network_half_open(run: Run) -> Generator[None, None, None]:
    """What is sent to Kafka is lost, or what Kafka answers, or both; nobody is told."""
    proxy = _proxy(run)
    proxy.lose(*run.rng.choice([(Way.TO_SERVER,), (Way.TO_CLIENT,), tuple(Way)]))
    yield
    proxy.find()


def end_txn_lost(run: Run) -> Generator[None, None, None]:
    """Of some commits and aborts the request is lost, or the answer."""
    proxy = _proxy(run)
    proxy.lose_frames(Api.END_TXN, run.rng.choice(list(Side)), times=run.rng.randint(1, 3))
    yield
    proxy.clear()


def _proxy(run: Run) -> KafkaProxy:
    assert run.proxy is not None, "a mixture needs a proxy before Kafka"
    return run.proxy


PROCESSES: tuple[Action, ...] = (
    process_killed,
    process_stopped,
    process_held,
    process_at_failpoint,
    guest,
)
REDIS: tuple[Action, ...] = (redis_flushed, redis_killed, redis_held)
KAFKA: tuple[Action, ...] = (kafka_killed, kafka_held)
NETWORK: tuple[Action, ...] = (connections_reset, network_slow, network_half_open, end_txn_lost)
MIXED = {"fenced_most": 10}
"""Settings: zombies and slots taken again fence one another more often than in a year."""


def mix(run: Run, rounds: int) -> None:
    """So many rounds: things begin one after the other, and end in another order.

    Of Redis, of Kafka and of the network one action at a time: what is killed can't be held.
    """
    for _ in range(rounds):
        pool = [*PROCESSES, *(run.rng.choice(kind) for kind in (REDIS, KAFKA, NETWORK))]
        chosen = run.rng.sample(pool, run.rng.randint(1, AT_ONCE_MOST))
        under_way = [action(run) for action in chosen]
        for name, action in zip([found.__name__ for found in chosen], under_way, strict=True):
            next(action, None)
            run.inflicted[name.replace("_", " ")] += 1
            run.pause(0.0, 1.5)
        run.rng.shuffle(under_way)
        for action in under_way:
            run.pause(0.0, 2.5)
            next(action, None)
        for sleeper in run.dispatchers:
            sleeper.go_on()  # one may have come to its failpoint behind its action
        supervise(run)
        run.wait_for_progress(20)
    supervise(run)


@variant("FX", "two rounds of everything", dispatchers=0, own_kafka=True, settings=MIXED)
def two_rounds(run: Run) -> None:
    """Two or three faults overlap."""
    behind_a_proxy(run)
    mix(run, 2)


@variant(
    "FX",
    "ten rounds of everything",
    dispatchers=0,
    own_kafka=True,
    settings=MIXED,
    quick=False,
)
def ten_rounds(run: Run) -> None:
    """For longer."""
    behind_a_proxy(run)
    mix(run, 10)
