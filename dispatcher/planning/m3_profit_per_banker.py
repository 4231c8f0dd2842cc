"""Model 3: the greatest profit per banker at work.

    maximise   (g(r) sum over b of v(b) - sum over p, b of c(p,b) y(p,b)) / sum over p, b of y(p,b)
    subject to the limits in `limits`, with target t and at least one banker at work

The rate separates as in model 2, with the same result. The ratio is dealt with by Dinkelbach's
method (`search`): a few linear problems instead of one that isn't.
"""

from dispatcher.planning.effort import GAP, Limits
from dispatcher.planning.highs import INFINITY, Progress
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Plan
from dispatcher.planning.rates import LINEAR, AnyCurve, chosen_rate
from dispatcher.planning.search import Question, search


def profit_per_banker(
    network: Network,
    target: float,
    *,
    curve: AnyCurve = LINEAR,
    rate: float | None = None,
    time_limit_s: float = INFINITY,
    gap: float = GAP,
    progress: Progress | None = None,
    banker_types: int | None = None,
) -> Plan:
    """Solve model 3.

    Args:
        target: share of each branch's capacity that its loans have to reach, 0 to 1.
        curve: R, what part of a loan's nominal value its repayments are worth.
        rate: in per cent; None for the best one.
        time_limit_s: seconds in HiGHS at most.
        gap: relative distance to the bound at which a plan is optimal.
        progress: told of objective and bound.

    Raises:
        ValueError: a rate that the curve doesn't cover.
    """
    chosen, earned = chosen_rate(curve, rate)
    question = Question(
        maximise=True, value_weight=earned, banker_weight=-network.cost, per_banker=True
    )
    found = search(network, target, question, Limits(time_limit_s, gap, progress, banker_types))
    return Plan("m3", found.status, target, found.objective, found.bound, chosen, earned,
                found.allocation)  # fmt: skip
