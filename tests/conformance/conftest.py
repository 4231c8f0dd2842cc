"""The sides. The model is asked under several seeds: each draws other latencies."""

from collections.abc import Iterator

import pytest

from tests.conformance.kafka_side import KafkaSide
from tests.conformance.model_side import ModelSide
from tests.conformance.sides import Side

SEEDS = range(5)


@pytest.fixture(params=["kafka", *(f"model-{seed}" for seed in SEEDS)])
def side(request: pytest.FixtureRequest, application_id: str) -> Iterator[Side]:
    """One of the sides, with topics and a group of its own."""
    _, model, seed = request.param.partition("model-")
    opened: Side
    if model:
        opened = ModelSide(int(seed))
    else:
        servers = request.getfixturevalue("bootstrap_servers")
        opened = KafkaSide(servers, application_id)
    yield opened
    opened.close()
