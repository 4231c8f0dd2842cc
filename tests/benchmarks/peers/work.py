"""What Quix Streams and Faust have to do with a batch; users of either would write it like this."""

from typing import Any

Roster = tuple[list[str], list[float]]


def rosters_of(weights: dict[str, dict[str, float]]) -> dict[str, Roster]:
    """{channel: (names, shares)}; the shares of a channel add up to one."""
    return {
        channel: (list(members), [weight / sum(members.values()) for weight in members.values()])
        for channel, members in weights.items()
    }


def divide(size: int, shares: list[float], owed: list[float]) -> list[int]:
    """How many of a batch everyone gets; `owed` becomes what is owed after it."""
    counts = []
    for k, share in enumerate(shares):
        due = owed[k] + share * size
        count = max(0, int(due))
        counts.append(count)
        owed[k] = due - count
    given = sum(counts)
    while given != size:
        if given < size:
            k, step = owed.index(max(owed)), 1
        else:
            k = min((k for k, count in enumerate(counts) if count), key=owed.__getitem__)
            step = -1
        counts[k] += step
        owed[k] -= step
        given += step
    return counts


def assignments(
    batch: dict[str, Any], roster: Roster, state: dict[str, Any], timestamp: str
) -> list[dict[str, Any]]:
    """One event for each lead; `state` becomes the one after the batch."""
    names, shares = roster
    channel, batch_id, leads = batch["channel"], batch["batch_id"], batch["leads"]
    version = state["version"] = state.get("version", 0) + 1
    owed = state.setdefault("owed", [0.0] * len(names))
    left = divide(len(leads), shares, owed)
    events = []
    who = 0
    for position, lead in enumerate(leads, start=1):
        while not left[who]:
            who = (who + 1) % len(left)
        left[who] -= 1
        events.append(
            {
                "type": "lead_assigned",
                "schema_version": 1,
                "assignment_id": f"{channel}/{version}/{lead['lead_id']}",
                "channel": channel,
                "batch_id": batch_id,
                "lead_id": lead["lead_id"],
                "assignee_id": names[who],
                "position": position,
                "batch_size": len(leads),
                "state_version": version,
                "decided_at": timestamp,
                "attributes": lead["attributes"],
            }
        )
        who = (who + 1) % len(left)
    return events
