"""F7: a slow network, connections that are reset, connections that are half open.

Between the dispatchers and Kafka; Redis behind such a network is among the faults of Redis.
"""

from tests.faults.catalogue.f06_proxy import behind_a_proxy
from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.forwarder import Way
from tests.support.kafka_proxy import KafkaProxy

# A client gives a silent connection up after this; librdkafka's default for consumers is a minute.
SILENCE = {"kafka__socket_timeout_ms": 3_000}
SILENT_S = 6.0


@variant("F7", "latency of 100 ms", dispatchers=0, quick=False)
def latency(run: Run) -> None:
    """Each way: every transaction takes a second and more, and is right."""
    proxy = behind_a_proxy(run)
    proxy.latency_ms = 100
    run.wait_for_progress(400)
    proxy.latency_ms = 0


@variant("F7", "latency that comes and goes", dispatchers=0, quick=False)
def uneven_latency(run: Run) -> None:
    """From nothing to 400 ms each way, and back."""
    proxy = behind_a_proxy(run)
    for _ in range(8):
        proxy.latency_ms = run.rng.choice((0, 20, 100, 400))
        run.pause(0.3, 0.8)
    proxy.latency_ms = 0


@variant("F7", "all connections reset again and again", dispatchers=0)
def resets(run: Run) -> None:
    """Whatever was on its way is lost on the way there or on the way back."""
    proxy = behind_a_proxy(run)
    for _ in range(10):
        proxy.cut()
        run.pause(0.1, 0.9)


@variant("F7", "no connection for a while", dispatchers=0, quick=False)
def refused(run: Run) -> None:
    """All are reset, and none is taken, for longer than a session."""
    proxy = behind_a_proxy(run)
    proxy.refuses = True
    proxy.cut()
    run.pause(4.0, 5.0)
    proxy.refuses = False


@variant("F7", "half open both ways", dispatchers=0, settings=SILENCE)
def half_open(run: Run) -> None:
    """Nothing arrives anywhere and nobody is told, for longer than a session."""
    lose_for_a_while(run).find()


@variant("F7", "half open towards Kafka", dispatchers=0, settings=SILENCE, quick=False)
def deaf_broker(run: Run) -> None:
    """Requests are lost; Kafka's answers to earlier ones arrive."""
    lose_for_a_while(run, Way.TO_SERVER).find()


@variant("F7", "half open towards the dispatchers", dispatchers=0, settings=SILENCE, quick=False)
def deaf_dispatchers(run: Run) -> None:
    """Kafka does what it is asked, and the answers are lost."""
    lose_for_a_while(run, Way.TO_CLIENT).find()


@variant("F7", "dead connections that nobody resets", dispatchers=0, settings=SILENCE, quick=False)
def never_reset(run: Run) -> None:
    """The network is well again, but for the old connections: clients find out by themselves."""
    lose_for_a_while(run).find(reset_lossy=False)


def lose_for_a_while(run: Run, *ways: Way) -> KafkaProxy:
    """Dispatchers under load, and what is sent is lost for six seconds."""
    proxy = behind_a_proxy(run)
    proxy.lose(*ways)
    run.pause(SILENT_S, SILENT_S)
    return proxy
