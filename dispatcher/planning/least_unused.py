"""The source document's third question as it is asked: use the bankers' capacity most.

    minimise   sum over p, b of C(p) y(p,b)  -  sum over b of v(b)     what bankers leave unused
    subject to the limits in `limits`, with target t

Its model 3 maximises profit per banker instead, which is something else: a banker who is full and
one who isn't may earn the same.
"""

from typing import Final

import numpy as np

from dispatcher.planning.effort import GAP, Limits
from dispatcher.planning.highs import INFINITY, Progress
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Plan
from dispatcher.planning.search import Question, search

UNUSED_CLOSE: Final = 1e-7
"""Unused capacity, as a part of all bankers' capacity, that makes no difference: of very many loans
some add up to almost any sum, and to prove that none comes closer is to try them all."""


def least_unused(
    network: Network,
    target: float,
    *,
    time_limit_s: float = INFINITY,
    gap: float = GAP,
    progress: Progress | None = None,
    banker_types: int | None = None,
) -> Plan:
    """Find the plan that leaves least capacity of its bankers unused.

    Args:
        target: share of each branch's capacity that its loans have to reach, 0 to 1.
        time_limit_s: seconds in HiGHS at most.
        gap: relative distance to the bound at which a plan is optimal.
        progress: told of objective and bound.
        banker_types: bankers in so many types, faster and with a larger gap; None: by themselves.
    """
    found = search(
        network, target, unused_question(network), Limits(time_limit_s, gap, progress, banker_types)
    )
    return Plan("least-unused", found.status, target, found.objective, found.bound,
                allocation=found.allocation)  # fmt: skip


def unused_question(network: Network) -> Question:
    """Capacity of who works, less what they process: as little of it as possible."""
    capacity = np.broadcast_to(network.banker_capacity[:, None], network.cost.shape)
    return Question(
        maximise=False,
        value_weight=-1.0,
        banker_weight=capacity,
        close_enough=UNUSED_CLOSE * float(network.banker_capacity.sum()),
    )
