"""F5: Redis loses what it had, comes back with what it had long ago, is slow, full or away."""

import redis as client

from streams.local.redis_server import RedisServer
from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.forwarder import Forwarder
from tests.support.waiting import wait_until

SLOW_MS = 60.0
"""In each direction: a round trip is about half of the time-out for a call."""
TOO_SLOW_MS = 200.0
"""In each direction: what is asked is carried out, and its answer comes too late."""


def taken_over(run: Run) -> None:
    """Some partitions have to be restored: from whatever Redis holds then."""
    victim = run.rng.choice([found for found in run.dispatchers if found.is_running])
    victim.kill() if run.rng.random() < 0.5 else victim.stop()
    run.restart(victim)
    run.wait_until_shared()


@variant("F5", "flushed again and again", own_redis=True)
def flushed(run: Run) -> None:
    """FLUSHALL while it is written, and while partitions are restored from it."""
    for _ in range(6):
        run.installation.redis.flushall()
        run.pause(0.05, 0.5)
    taken_over(run)
    run.installation.redis.flushall()
    run.wait_for_progress(100)


@variant("F5", "one partition's hash is gone", quick=False)
def one_hash(run: Run) -> None:
    """The others are still there."""
    for _ in range(4):
        partition = run.rng.randrange(run.installation.partitions)
        run.installation.redis.delete(run.installation.redis_key(partition))
        run.pause(0.05, 0.3)
    taken_over(run)
    run.wait_for_progress(100)


@variant("F5", "killed and empty", own_redis=True, quick=False)
def killed(run: Run) -> None:
    """Away for a moment; what it had is gone."""
    run.servers.redis.kill()
    run.wait_for_progress(100)
    run.servers.redis.start()
    run.wait_for_progress(50)
    taken_over(run)
    run.wait_for_progress(50)


@variant("F5", "away while partitions are restored", own_redis=True)
def away_while_restored(run: Run) -> None:
    """From the changelog alone, then."""
    run.servers.redis.kill()
    victim = run.rng.choice(run.dispatchers)
    victim.kill()
    run.restart(victim)
    run.wait_for_progress(300)
    run.servers.redis.start()
    run.wait_until_shared()
    run.wait_for_progress(50)


@variant("F5", "back with an old snapshot", own_redis=True)
def old_snapshot(run: Run) -> None:
    """While it is written; and again, just before partitions are restored from it."""
    run.installation.redis.save()
    run.wait_for_progress(300)
    run.servers.redis.kill()
    run.servers.redis.start()
    run.wait_for_progress(100)
    run.servers.redis.kill()
    run.servers.redis.start()
    taken_over(run)
    run.wait_for_progress(100)


def held(run: Run, seconds: float) -> None:
    """It keeps its connections and answers nothing; leads are assigned all the same."""
    run.servers.redis.pause()
    run.wait_for_progress(200, timeout_s=seconds)
    run.pause(seconds, seconds)
    run.servers.redis.resume()
    run.wait_for_progress(100)
    taken_over(run)


@variant("F5", "held still for 4 s", own_redis=True, quick=False)
def held_shortly(run: Run) -> None:
    """See `held`."""
    held(run, 4)


@variant("F5", "held still for 20 s", own_redis=True, quick=False)
def held_long(run: Run) -> None:
    """See `held`."""
    held(run, 20)


@variant("F5", "full", own_redis=True)
def full(run: Run) -> None:
    """It answers, and refuses every write (OOM)."""
    run.installation.redis.config_set("maxmemory", 1)
    run.wait_for_progress(200)
    victim = run.rng.choice(run.dispatchers)
    victim.kill()
    run.restart(victim)
    run.wait_for_progress(200)
    run.installation.redis.config_set("maxmemory", 0)
    run.wait_until_shared()


def behind_a_network(run: Run) -> Forwarder:
    """Dispatchers reach Redis through a network that can be slow; two run, under load."""
    network = run.enter(Forwarder(("127.0.0.1", run.servers.redis.port)))
    run.start_dispatchers(2, redis_url=f"redis://{network.address}/0")
    run.load()
    run.wait_for_progress()
    return network


@variant("F5", "slow", dispatchers=0, own_redis=True, quick=False)
def slow(run: Run) -> None:
    """Each call takes half of its time-out."""
    network = behind_a_network(run)
    network.latency_ms = SLOW_MS
    run.wait_for_progress(300)
    taken_over_through(run, network)
    network.latency_ms = 0


@variant("F5", "slower than the time-out", dispatchers=0, own_redis=True, quick=False)
def too_slow(run: Run) -> None:
    """Scripts are carried out, and nobody hears of it: late writes of earlier owners among them."""
    network = behind_a_network(run)
    for _ in range(3):
        network.latency_ms = TOO_SLOW_MS
        run.pause(0.3, 0.8)
        network.latency_ms = 0
        run.pause(0.1, 0.5)
    network.latency_ms = TOO_SLOW_MS
    taken_over_through(run, network)
    network.latency_ms = 0
    run.wait_for_progress(100)


def taken_over_through(run: Run, network: Forwarder) -> None:
    """As `taken_over`; whoever comes reaches Redis through the network too."""
    victim = run.rng.choice([found for found in run.dispatchers if found.is_running])
    victim.kill()
    run.restart(victim, redis_url=f"redis://{network.address}/0")
    run.wait_for_progress(300)


@variant("F5", "connections cut and half open", dispatchers=0, own_redis=True, quick=False)
def cut(run: Run) -> None:
    """A script was sent, and its answer never comes."""
    network = behind_a_network(run)
    for _ in range(5):
        network.cut()
        run.pause(0.05, 0.4)
    network.lose()
    run.wait_for_progress(200)
    network.find()
    run.wait_for_progress(100)


@variant("F5", "a replica is promoted that lost writes", dispatchers=0, own_redis=True)
def promoted(run: Run) -> None:
    """The primary dies while its replica is behind; clients are sent to the replica."""
    primary = run.servers.redis
    replica = RedisServer(run.directory / "replica")
    run.callback(replica.kill)
    replica.start()
    between = run.enter(Forwarder(("127.0.0.1", primary.port)))
    network = behind_a_network(run)
    with client.Redis.from_url(replica.url) as follower:
        follower.execute_command("REPLICAOF", "127.0.0.1", between.port)
        wait_until(
            lambda: follower.info("replication").get("master_link_status") == "up",
            "the replica follows",
        )
        run.wait_for_progress(100)
        between.lose()
        run.wait_for_progress(200)
        primary.kill()
        follower.execute_command("REPLICAOF", "NO", "ONE")
    network.target = ("127.0.0.1", replica.port)
    network.cut()
    run.installation.use_redis(replica.url)
    run.wait_for_progress(100)
    taken_over_through(run, network)
