"""Where variants of faults register, and in which order they stand.

    @variant("F2", "held still past the session timeout", dispatchers=2)
    def held_still(run: Run) -> None:
        ...

The function inflicts the fault while the load runs, and returns when it is over. Everything before
and after is the run's: servers, topics, dispatchers, load, waiting, the verdict.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.faults.run import Run

Inflict = Callable[["Run"], None]


class Variant(NamedTuple):
    """One way in which a fault is inflicted.

    Attributes:
        fault: "F1" to "F15" as the catalogue counts them; "FX" for mixtures.
        name: Unique within the fault; a phrase.
        inflict: Does it.
        dispatchers: How many run before it is called, in the slots "0", "1", ...; with 0 it starts
            them itself.
        settings: Of all dispatchers, by their names as for `Installation.start`.
        own_kafka: Whether Kafka is hurt: then it is one of this run's own, with a Redis.
        own_redis: Whether Redis is hurt.
        brokers: 3 for three brokers of its own, each record on all of them, two in sync.
        kafka_properties: Of brokers of its own, beyond the harness's.
        quick: Whether it belongs to what every change is tested with.
    """

    fault: str
    name: str
    inflict: Inflict
    dispatchers: int
    settings: Mapping[str, object]
    own_kafka: bool
    own_redis: bool
    brokers: int
    kafka_properties: Mapping[str, str]
    quick: bool

    @property
    def title(self) -> str:
        """`F2 held still past the session timeout`."""
        return f"{self.fault} {self.name}"


_variants: dict[tuple[str, str], Variant] = {}


def variant(
    fault: str,
    name: str,
    *,
    dispatchers: int = 2,
    settings: Mapping[str, object] | None = None,
    own_kafka: bool = False,
    own_redis: bool = False,
    brokers: int = 1,
    kafka_properties: Mapping[str, str] | None = None,
    quick: bool = True,
) -> Callable[[Inflict], Inflict]:
    """Register a function as a variant of a fault; see `Variant` for the arguments."""

    def register(inflict: Inflict) -> Inflict:
        assert (fault, name) not in _variants, f"{fault} {name} is registered twice"
        _variants[fault, name] = Variant(
            fault,
            name,
            inflict,
            dispatchers,
            settings or {},
            own_kafka,
            own_redis,
            brokers,
            kafka_properties or {},
            quick,
        )
        return inflict

    return register


def registered() -> list[Variant]:
    """All variants, by the number of their fault, then as they were registered."""
    return sorted(_variants.values(), key=lambda found: _number(found.fault))


def _number(fault: str) -> int:
    digits = fault[1:]
    return int(digits) if digits.isdigit() else 1_000
