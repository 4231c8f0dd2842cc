"""A working day in short: many channels, batches of all sizes, rosters that change on the way."""

from collections.abc import Iterator
from random import Random

from tests.reference import events

from .records import Json

WEIGHTS = ("0.8", "1", "1.2", "0.5", "2", "0.333333")
SIZES = (0, 1, 2, 5, 20, 100, 100, 250)


def rosters(channels: int, members: int = 8, name: str = "channel") -> Iterator[Json]:
    """The first roster of each channel."""
    for number in range(channels):
        weights = {f"P{member}": WEIGHTS[member % len(WEIGHTS)] for member in range(members)}
        yield events.roster("first", weights, f"{name}-{number}")


def day(leads: int, channels: int, seed: int = 1, name: str = "channel") -> Iterator[Json]:
    """Batches with exactly so many leads together, and a roster change after every tenth.

    Changes fit the rosters of `rosters` in whatever order they meet the batches. Days with
    different seeds have no id in common.
    """
    rng = Random(seed)
    sent = number = 0
    paused: dict[str, bool] = {}
    while sent < leads:
        number += 1
        channel = f"{name}-{rng.randrange(channels)}"
        size = min(rng.choice(SIZES), leads - sent)
        ids = [f"L{seed}-{sent + place}" for place in range(size)]
        sent += size
        yield events.lead_batch(f"batch-{seed}-{number}", ids, channel)
        if number % 10 == 0:
            yield _change(rng, f"change-{seed}-{number}", channel, paused)


def _change(rng: Random, change_id: str, channel: str, paused: dict[str, bool]) -> Json:
    kind = rng.choice(("weight", "presence", "newcomer", "correction"))
    if kind == "weight":
        fields = {"assignee_id": f"P{rng.randrange(8)}", "weight": rng.choice(WEIGHTS)}
        return events.change("weight_changed", change_id, channel, **fields)
    if kind == "presence":
        away = paused[channel] = not paused.get(channel, False)
        presence = "assignee_paused" if away else "assignee_resumed"
        return events.change(presence, change_id, channel, assignee_id="P0")
    if kind == "newcomer":
        fields = {"assignee_id": f"new-{change_id}", "weight": rng.choice(WEIGHTS)}
        return events.change("assignee_joined", change_id, channel, **fields)
    fields = {"assignee_id": "P1", "amount": "-0.5", "counter_assignee_id": "P2"}
    return events.change("cumulative_error_corrected", change_id, channel, **fields)


def one_batch_each(
    channels: int, batch_id: str, size: int = 10, name: str = "channel"
) -> Iterator[Json]:
    """A batch for every channel, so that every partition has something to do."""
    for number in range(channels):
        ids = [f"{batch_id}-{number}-{place}" for place in range(size)]
        yield events.lead_batch(batch_id, ids, f"{name}-{number}")
