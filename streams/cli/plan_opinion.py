"""A second opinion on every plan that is reported: what `partidor plan check` says, unasked."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from streams.cli.output import note
from streams.cli.plan_options import exact_cost
from streams.failure import Failed

if TYPE_CHECKING:
    from streams.planning.document import PlanDocument
    from streams.planning.exact_curves import Curve
    from streams.planning.exact_tables import Tables

BREACHES_SHOWN_MAX: Final = 20
"""Of each plan; all of them are in what `partidor plan check --json` prints."""


class SecondOpinion:
    """Checks plans of one network against its tables."""

    def __init__(self, data: Path, curve: str, cost_per_km: float | None) -> None:
        """`curve` as the command has it; `cost_per_km`: None for degrees."""
        self._data = data
        self._curve_name = curve
        self._cost_per_km = exact_cost(cost_per_km)
        self._sound = True

    def on(self, plan: "PlanDocument") -> "PlanDocument":
        """The plan, with whether it is sound; what isn't is said."""
        from streams.planning.checking import breaches

        if not plan.bankers or self._tables is None:
            return plan
        found = breaches(plan.model_dump_json().encode(), self._tables, self._curve)
        for breach in found[:BREACHES_SHOWN_MAX]:
            note(f"BREACH {breach}")
        if found:
            self._sound = False
            note(
                f"{plan.model} at {plan.target:g} breaks {len(found):,} times what it should keep:"
                " this is a defect of Partidor. Don't use the plan; please report it."
            )
        return plan.model_copy(update={"checked": not found})

    def end(self) -> None:
        """Exit 1 unless all were sound."""
        if not self._sound:
            raise typer.Exit(1)

    @cached_property
    def _curve(self) -> "Curve":
        """Once for all plans: it may stand in a file."""
        from streams.planning.exact_curves import curve_of

        return curve_of(self._curve_name)

    @cached_property
    def _tables(self) -> "Tables | None":
        """None where they can't be read without what the models read them with."""
        from streams.planning.exact_tables import read_tables

        try:
            return read_tables(self._data, cost_per_km=self._cost_per_km)
        except Failed as failed:
            note(f"not checked a second time: {failed}")
            return None
