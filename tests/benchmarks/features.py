"""What each feature costs while it is on: a lead read, decided and written, without a broker.

The same events with one feature on at a time, round by round, in one process; a feature's figure is
the median of its ratios to the plain channel of the same round. Events that a feature needs beside
the batches (outcomes) count as part of its leads' cost.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dispatcher.limits import Limits
from streams.replay import Replay

Json = dict[str, Any]

LEADS: Final = 20_000
MEMBERS: Final = 10
ROUNDS: Final = 7
LANGUAGES: Final = ("vi", "en", "fr", "de")
_HEAD: Final = {"schema_version": 1, "channel": "web", "created_at": "2026-11-21T09:00:00Z"}
_encode = msgspec.json.Encoder().encode


class Cost(NamedTuple):
    """Of a feature: microseconds for a lead, and the ratio to a plain channel, both medians."""

    feature: str
    batch_size: int
    us_per_lead: float
    ratio: float


class Feature(NamedTuple):
    """What to set before the first batch, the attributes of a lead, what follows a batch."""

    name: str
    setting: Sequence[Json] = ()
    attributes: Callable[[int], Json] = lambda place: {"suburb": f"S{place}"}
    after: Callable[[int], Sequence[Json]] = lambda _: ()


def measured(batch_sizes: Sequence[int] = (100, 1)) -> list[Cost]:
    """The plain channel first, then each feature, for each size of batches."""
    return [cost for size in batch_sizes for cost in _measured(size)]


def _measured(size: int) -> Iterator[Cost]:
    prepared = {feature.name: _lines(feature, size) for feature in FEATURES}
    took: dict[str, list[float]] = {name: [] for name in prepared}
    for _ in range(ROUNDS):
        for name, (before, lines) in prepared.items():
            took[name].append(_seconds(before, lines))
    plain = took[FEATURES[0].name]
    for name, seconds in took.items():
        ratios = [own / base for own, base in zip(seconds, plain, strict=True)]
        us_per_lead = statistics.median(seconds) / LEADS * 1e6
        yield Cost(name, size, us_per_lead, statistics.median(ratios))


def _seconds(before: Sequence[bytes], lines: Sequence[bytes]) -> float:
    replay = Replay(Limits())
    for number, line in enumerate(before, start=1):
        replay.outputs(line, number)
    gc.collect()
    start = time.perf_counter()
    for number, line in enumerate(lines, start=1 + len(before)):
        replay.outputs(line, number)
    return time.perf_counter() - start


def _lines(feature: Feature, size: int) -> tuple[list[bytes], list[bytes]]:
    """What is set first, and the events that are measured."""
    members = [{"assignee_id": name, "weight": "1"} for name in NAMES]
    roster = {"type": "roster_replaced", "change_id": "roster", "members": members}
    before = [roster] + [
        {"change_id": f"c{number}", **change} for number, change in enumerate(feature.setting)
    ]
    lines: list[Json] = []
    for number in range(LEADS // size):
        first = number * size
        leads = [
            {"lead_id": f"L{place}", "attributes": feature.attributes(place)}
            for place in range(first, first + size)
        ]
        lines.append({"type": "lead_batch", "batch_id": f"b{number}", "leads": leads})
        for place in range(first, first + size):
            lines += feature.after(place)
    return [_encode(_HEAD | event) for event in before], [_encode(_HEAD | event) for event in lines]


def _configured(**rules: object) -> Json:
    return {"type": "channel_configured", **rules}


def _outcome(kind: str, place: int, **fields: object) -> Json:
    return {
        "type": kind,
        "outcome_id": f"o{place}",
        "lead_id": f"L{place}",
        "assignee_id": NAMES[place % MEMBERS],
        **fields,
    }


NAMES: Final = [f"agent-{number:02}" for number in range(MEMBERS)]
FEATURES: Final = [
    Feature("plain"),
    Feature("rules, none of them used", [_configured()]),
    Feature(
        "skills: four languages",
        [
            _configured(required_skills=["language"]),
            *(
                {
                    "type": "skills_changed",
                    "assignee_id": name,
                    "skills": [
                        f"language={LANGUAGES[number % 4]}",
                        f"language={LANGUAGES[(number + 1) % 4]}",
                    ],
                }
                for number, name in enumerate(NAMES)
            ),
        ],
        lambda place: {"language": LANGUAGES[place % 4]},
    ),
    Feature(
        "capacity of a day",
        [{"type": "capacity_changed", "assignee_id": name, "per_day": 900_000} for name in NAMES],
    ),
    Feature(
        "sticky owner, a quarter comes again",
        [_configured(sticky={"attributes": ["phone"], "days": 30})],
        lambda place: {"phone": f"+61 4{place // 4 if place % 4 == 0 else place:08}"},
    ),
    Feature(
        "a tenth comes back, credited, and goes out again",
        [_configured(returns=[{"reason": "*", "credited": True}])],
        after=lambda place: (
            [_outcome("lead_returned", place, reason="busy")] if place % 10 == 0 else []
        ),
    ),
    Feature(
        "open leads, each is closed",
        [{"type": "capacity_changed", "assignee_id": name, "open_max": 900_000} for name in NAMES],
        after=lambda place: [_outcome("lead_closed", place)],
    ),
    Feature(
        "by value: amounts",
        [_configured(dispatch_by="value", value_attribute="amount")],
        lambda place: {"amount": 100_000 + place % 97 * 1_000},
    ),
    Feature(
        "by value, half of it at most of one kind, for each",
        [
            _configured(dispatch_by="value", value_attribute="amount"),
            *(
                {
                    "type": "limits_changed",
                    "assignee_id": name,
                    "limits": [{"attribute": "purpose", "value": "investment", "share_max": "0.5"}],
                }
                for name in NAMES
            ),
        ],
        lambda place: {
            "amount": 100_000 + place % 97 * 1_000,
            "purpose": "investment" if place % 4 == 0 else "home",
        },
    ),
    Feature(
        "one of ten sends its leads on",
        [{"type": "assignee_routed", "assignee_id": NAMES[0], "routes_to": "web/branch"}],
    ),
]
