"""What a supervisor reads: the seed's table for a batch, standings, channels, checks."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from schemas.outputs import BatchDispatched
from streams.cli.output import Listing, friendly
from streams.demo.fairness import Check, Fairness

CHANNELS_SHOWN_MAX: Final = 5


def batch_table(decision: BatchDispatched, title: str) -> Listing:
    """How one batch was divided: everybody's share, errors before and after, and the totals."""
    numbers = (
        "weight", "ratio", "fair share", "cumulative error before", "ideal", "assigned",
        "cumulative error after",
    )  # fmt: skip
    table = Listing(
        f"{title}: {_leads(decision.batch_size)} on channel {decision.channel}",
        "assignee", *numbers, right=numbers,
    )  # fmt: skip
    shares = decision.shares
    weights = sum(Decimal(each.weight) for each in shares)
    for share in shares:
        table.add(
            share.assignee_id, share.weight, _places(Decimal(share.weight) / weights),
            _places(share.fair_share), friendly(share.cumulative_error_before),
            _places(share.ideal), share.assigned, friendly(share.cumulative_error_after),
        )  # fmt: skip
    table.add(
        "total", weights, _places(1),
        _places(sum(Decimal(each.fair_share) for each in shares)),
        _error(sum(Decimal(each.cumulative_error_before) for each in shares)),
        _places(sum(Decimal(each.ideal) for each in shares)),
        sum(each.assigned for each in shares),
        _error(sum(Decimal(each.cumulative_error_after) for each in shares)),
    )  # fmt: skip
    return table


def days_table(received: Mapping[str, list[int | None]], sizes: list[int]) -> Listing:
    """Both days of the story together: leads per assignee and batch."""
    columns = [f"batch {number}" for number in range(1, len(sizes) + 1)]
    table = Listing("Both days", "assignee", *columns, "total", right=[*columns, "total"])
    for assignee_id, leads in received.items():
        cells = ["-" if each is None else each for each in leads]
        table.add(assignee_id, *cells, sum(each or 0 for each in leads))
    table.add("total", *sizes, sum(sizes))
    return table


def standings_table(document: Mapping[str, Any]) -> Listing:
    """Everybody of a channel against their fair share, as the views serve it."""
    numbers = ("weight", "leads", "fair share", "taken over", "cumulative error")
    table = Listing(
        f"Standings of channel {document['channel']}, as `partidor views` serves them:"
        f" {_leads(document['leads'])} in {document['batches']:,} batches",
        "assignee", "presence", *numbers, right=numbers,
    )  # fmt: skip
    for member in document["standings"]:
        table.add(
            member["assignee_id"], "paused" if member["paused"] else "active", member["weight"],
            f"{member['leads']:,}", _places(member["fair_share"]),
            friendly(member["adjustment"]), friendly(member["cumulative_error"]),
        )  # fmt: skip
    return table


def channels_table(channels: Iterable[Fairness]) -> Listing:
    """The channels that came closest to what is promised, and all together."""
    found = sorted(channels, key=lambda each: each.used, reverse=True)
    numbers = (
        "people", "roster changes", "batches", "leads", "furthest ahead", "at most", "most owed",
        "at most ", "used",
    )  # fmt: skip
    table = Listing(
        "How far anybody ever was from their fair share, in leads, and what is promised at most",
        "channel", *numbers, right=numbers,
    )  # fmt: skip
    for each in found[:CHANNELS_SHOWN_MAX]:
        low, high = each.bounds
        table.add(
            each.channel, each.members_most, each.roster_changes, f"{each.batches:,}",
            f"{each.leads:,}", _error(each.furthest_ahead), _fraction(high),
            _error(each.most_owed), _fraction(low), f"{each.used:.0%}",
        )  # fmt: skip
    table.add(
        f"all {len(found)}", sum(each.members_most for each in found),
        sum(each.roster_changes for each in found), f"{sum(each.batches for each in found):,}",
        f"{sum(each.leads for each in found):,}",
        _error(max(each.furthest_ahead for each in found)), None,
        _error(min(each.most_owed for each in found)), None,
        f"{max(each.used for each in found):.0%}",
    )  # fmt: skip
    return table


def checks_table(checks: Iterable[Check]) -> Listing:
    """What had to be so, and whether it is."""
    table = Listing("Checked", "", "")
    for check in checks:
        table.add("ok" if check.held else "FAILED", check.text)
    return table


def _leads(count: int) -> str:
    return f"{count:,} lead{'' if count == 1 else 's'}"


def _places(value: str | Decimal | int) -> str:
    return f"{Decimal(value):,.4f}"


def _error(value: Decimal | int) -> str:
    return friendly(str(value))


def _fraction(value: Fraction) -> str:
    return friendly(f"{float(value):.12f}")
