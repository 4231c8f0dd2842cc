"""All pictures that some plans allow.

In: a network and plans for it. Out: pictures in the order in which a report has them:
- the data;
- of each model with two targets or more: who works where, and the unused capacity;
- models side by side, where two of them have a plan at the same target;
- profit by rate, where a plan has one;
- a map for each plan in detail, where the network has places.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from streams.planning.document import PlanDocument
from streams.planning.figures.data import data_picture
from streams.planning.figures.models import comparable, earning, models_picture, profit_picture
from streams.planning.figures.network_map import has_places, map_picture
from streams.planning.figures.style import Picture
from streams.planning.figures.targets import allocations_picture, unused_picture
from streams.planning.loading import NetworkData
from streams.planning.plan_files import with_answer
from streams.planning.solving import least_unused_targets

DETAILED_MAX: Final = 6
"""Plans in detail; of more than that, one of each model."""


def detailed(plans: Sequence[PlanDocument]) -> list[PlanDocument]:
    """The plans that a report tells in full.

    All, if they are few; else those that stand side by side; else of each model the one that
    leaves least capacity unused, of equals the one with the smallest target.
    """
    answered = with_answer(plans)
    if len(answered) <= DETAILED_MAX:
        return answered
    if side_by_side := comparable(plans):
        return side_by_side
    by_model = groupby(sorted(answered, key=lambda plan: plan.model), lambda plan: plan.model)
    return [least_unused_targets(list(own))[0] for _, own in by_model]


def pictures(plans: Sequence[PlanDocument], data: NetworkData) -> list[Picture]:
    """All of them. Raises Failed when matplotlib is missing."""
    drawn = [data_picture(data)]
    for _, group in groupby(sorted(plans, key=lambda plan: plan.model), lambda plan: plan.model):
        own = list(group)
        if len({plan.target for plan in own}) < 2:
            continue
        drawn.append(allocations_picture(own, data))
        if with_answer(own):
            drawn.append(unused_picture(own))
    if side_by_side := comparable(plans):
        drawn.append(models_picture(side_by_side))
    if earning(plans):
        drawn.append(profit_picture(plans))
    if has_places(data):
        maps = [map_picture(plan, data) for plan in detailed(plans)]
        # Of alternative optima the first: their maps would have the same name.
        names = [picture.name for picture in maps]
        drawn += [each for at, each in enumerate(maps) if each.name not in names[:at]]
    return drawn
