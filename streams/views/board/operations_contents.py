"""The page for who keeps the dispatchers running.

In: the answers. Out: a `Page`. Each block says for itself what it couldn't learn: Kafka may answer
while Redis is away.
"""

from schemas.reasons import MEANINGS, Reason
from streams.views.answers_port import Answers, Json
from streams.views.board.contents import Query
from streams.views.board.figures import number
from streams.views.board.rendering import Page


async def operations(answers: Answers, query: Query) -> Page:  # noqa: ARG001
    """Partitions, lag, delays, dispatchers, restores and dead letters."""
    found = await answers.operations()
    delays = found["delay_per_minute"]
    context = {
        **found,
        "delay_lines": [
            ("p99", [each["p99"] for each in delays]),
            ("p50", [each["p50"] for each in delays]),
        ],
        "delay_most": max(
            (each["p99"] for each in delays if each["p99"] is not None), default=None
        ),
        "behind": sum(int(number(row["lag"])) for row in found["lag"]["rows"]),
        "restores": _restores(found["dispatchers"]["rows"]),
        "meanings": _meanings(found["dead_letters"]["by_reason"]),
    }
    return Page("operations", "Operations", context)


def _restores(rows: list[Json]) -> list[Json]:
    """Of all dispatchers, newest first."""
    restores = [{**each, "slot": row["slot"]} for row in rows for each in row.get("restores") or ()]
    return sorted(restores, key=lambda each: str(each["at"]), reverse=True)


def _meanings(rows: list[Json]) -> dict[str, str]:
    """What the reasons mean; a newer dispatcher may have reasons that this board doesn't know."""
    known = {reason.value: meaning for reason, meaning in MEANINGS.items() if reason in Reason}
    return {row["reason"]: known.get(row["reason"], "") for row in rows}
