"""Comparisons as JSON, as CSV, and as the rows of tables.

In: comparisons. Out: documents of plain values; leads as decimal texts with 12 decimals.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Final

from dispatcher.times import timestamp_text
from schemas.scalars import UNITS_PER_LEAD, units_text
from streams.whatif.comparison import Comparison, Scenario
from streams.whatif.measure import Outcome

CSV_COLUMNS: Final = (
    "channel", "scenario", "method", "assignee_id", "fair_share", "received", "cumulative_error",
)  # fmt: skip


def leads_text(leads: Fraction) -> str:
    """Leads with 12 decimals, rounded half to even."""
    return units_text(round(leads * UNITS_PER_LEAD))


def document(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """All that is known of all channels."""
    return {
        "channels": [
            {
                "channel": comparison.channel,
                "scenarios": [_scenario(each) for each in comparison.scenarios],
            }
            for comparison in comparisons
        ]
    }


def _scenario(scenario: Scenario) -> dict[str, Any]:
    course, least = scenario.course, scenario.least_possible
    return {
        "scenario": scenario.name,
        "leads": course.leads,
        "rejected_events": len(course.rejected),
        "least_possible_error": None if least is None else leads_text(least),
        "methods": [_method(scenario, outcome) for outcome in scenario.outcomes.values()],
        "carried_errors": {
            name: leads_text(Fraction(error, course.carried_denominator))
            for name, error in sorted(course.carried.items())
        },
    }


def _method(scenario: Scenario, outcome: Outcome) -> dict[str, Any]:
    largest = outcome.largest
    return {
        "method": outcome.method,
        "largest_error": leads_text(abs(outcome.leads(largest.error))),
        "largest_error_assignee_id": largest.assignee_id or None,
        "largest_error_at": timestamp_text(largest.at_ms) if largest.error else None,
        "largest_error_at_end": leads_text(largest_at_end(outcome)),
        "parked_lead_seconds": scenario.waited_lead_ms(outcome.method) // 1000,
        "parked_at_end": scenario.parked_at_end(outcome.method),
        "members": list(_members(outcome)),
    }


def _members(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for name, received in outcome.received.items():
        yield {
            "assignee_id": name,
            "fair_share": leads_text(outcome.leads(outcome.due[name])),
            "received": received,
            "cumulative_error": leads_text(outcome.error(name)),
        }


def largest_at_end(outcome: Outcome) -> Fraction:
    """How far off anybody is at the end, in leads."""
    return abs(outcome.leads(outcome.over_time[-1].error)) if outcome.over_time else Fraction(0)


def csv_text(comparisons: Iterable[Comparison]) -> str:
    """One row for each member under each method."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for comparison in comparisons:
        for scenario in comparison.scenarios:
            for outcome in scenario.outcomes.values():
                head = {
                    "channel": comparison.channel,
                    "scenario": scenario.name,
                    "method": outcome.method,
                }
                writer.writerows({**head, **member} for member in _members(outcome))
    return out.getvalue()
