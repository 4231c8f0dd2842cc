"""A run of a variant, from its servers to its verdict."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from .catalogue.registry import Variant
from .result import Result
from .run import Run
from .servers import Servers, own_kafka, own_redis, three_brokers


def perform(variant: Variant, seed: int, shared: Servers) -> Result:
    """Start what it wants for itself and the rest of it, inflict the fault, and judge.

    `shared` are the servers for what the variant doesn't hurt.
    """
    directory = Path(tempfile.mkdtemp(prefix="partidor-faults-"))
    with ExitStack() as opened:
        opened.callback(shutil.rmtree, directory, ignore_errors=True)
        servers = shared
        if variant.brokers > 1:
            servers = opened.enter_context(three_brokers(variant.kafka_properties))
        elif variant.own_kafka:
            servers = opened.enter_context(own_kafka(variant.kafka_properties))
        elif variant.own_redis:
            servers = opened.enter_context(own_redis(shared))
        run = opened.enter_context(Run(variant, seed, servers, directory))
        if variant.dispatchers:
            run.start_dispatchers(variant.dispatchers)
            run.load()
            run.wait_for_progress()
        try:
            variant.inflict(run)
        except AssertionError as error:
            run.note(f"while the fault was inflicted: {error}")
        return run.finish()
