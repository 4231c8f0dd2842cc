"""What a cluster's controllers do while a broker is away: they take its partitions from it.

The local stack's one process is broker and controller. Killed with transactions in flight it comes
back believing that it still leads what it led, becomes the transactions' coordinator on that
belief, is fenced by its own controller before it listens, and then Kafka (4.3.1) completes those
transactions without writing their markers: "Couldn't find leader endpoint for partitions ...,
these partitions are likely deleted already and hence can be skipped". They hang for ever, or are
torn by the marker of the next one. With controllers of their own, or a second replica, brokers
don't get there: the first thing that a broker learns is that it doesn't lead.
"""

import os

from streams.local.jars import class_path
from streams.local.java import find_java
from streams.local.kafka_server import LOGGING, KafkaServer
from streams.local.process import ServerProcess

FENCED = "handleBrokerFenced"
"""What the controller logs when it has taken a silent broker's partitions."""
LEFT_OUT = ("advertised.listeners", "inter.broker.listener.name")


def fence(broker: KafkaServer) -> None:
    """Run the controller of a broker that was killed, without the broker, until it has fenced it.

    That takes the broker's session timeout (`broker.session.timeout.ms`) and a start.
    """
    directory = broker.directory / "controller-alone"
    directory.mkdir(exist_ok=True)
    (directory / "controller.log").unlink(missing_ok=True)
    path = directory / "server.properties"
    path.write_text(_properties((broker.directory / "server.properties").read_text()))
    controller = ServerProcess(
        "controller",
        [
            os.fspath(find_java().program),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={LOGGING}",
            "kafka.Kafka",
            os.fspath(path),
        ],
        directory,
        lambda: FENCED in (directory / "controller.log").read_text(errors="replace"),
        environment={"CLASSPATH": os.pathsep.join(map(str, class_path()))},
        remove_when_orphaned=directory,
    )
    controller.start()
    controller.stop()


def _properties(of_both: str) -> str:
    """The same node, as a controller only."""
    given = dict(line.split("=", 1) for line in of_both.splitlines() if "=" in line)
    listeners = given["listeners"].split(",")
    (given["listeners"],) = (one for one in listeners if one.startswith("CONTROLLER:"))
    given["process.roles"] = "controller"
    for name in LEFT_OUT:
        given.pop(name, None)
    return "".join(f"{name}={value}\n" for name, value in given.items())
