"""F8: the broker's disk is full: it dies, somebody makes room, it is started again."""

import shutil
import tempfile
from pathlib import Path

from streams.local.kafka_server import KafkaServer
from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.controller_alone import fence
from tests.support.machine import LeftOut
from tests.support.small_disk import SmallDisk, can_mount
from tests.support.waiting import wait_until

DISK_MEGABYTES = 64
DIES_S = 30.0


@variant("F8", "the disk is full", own_kafka=True, dispatchers=0)
def disk_full(run: Run) -> None:
    """Half-written records are cut off by the broker's own recovery; the rest is kept."""
    disk = on_a_small_disk(run)
    run.start_dispatchers(2)
    run.load()
    run.wait_for_progress()
    broker: KafkaServer = run.servers.kafka
    disk.fill()
    wait_until(lambda: not broker.is_running, "the broker dies of its full disk", DIES_S)
    disk.free()
    fence(broker)
    broker.start()
    run.wait_for_progress()


def on_a_small_disk(run: Run) -> SmallDisk:
    """Move the broker's data to a file system of its own, where nothing else is written."""
    with tempfile.TemporaryDirectory() as directory:
        if not can_mount(Path(directory) / "mounted"):
            raise LeftOut("no file system can be mounted here", "run the tests as root")
    broker: KafkaServer = run.servers.kafka
    broker.stop()
    data, aside = broker.directory / "data", broker.directory / "data-before"
    data.rename(aside)
    disk = run.enter(SmallDisk(data, DISK_MEGABYTES))
    shutil.copytree(aside, data, dirs_exist_ok=True)
    broker.start()
    return disk
