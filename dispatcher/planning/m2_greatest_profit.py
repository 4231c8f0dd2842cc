"""Model 2: the greatest profit, and the rate that earns it.

    maximise   g(r) sum over b of v(b)  -  sum over p, b of c(p,b) y(p,b)      0 <= r <= 24
    subject to the limits in `limits`, with target t

with g(r) = R(r) r / 100 what a loan of value 1 earns at a rate of r per cent. The best rate doesn't
depend on anything else that is decided (proof in `rates`): it is found first, and what is left is
linear.
"""

from dispatcher.planning.effort import GAP, Limits
from dispatcher.planning.highs import INFINITY, Progress
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Plan
from dispatcher.planning.rates import LINEAR, AnyCurve, chosen_rate
from dispatcher.planning.search import Question, search


def greatest_profit(
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
    """Solve model 2.

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
    question = Question(maximise=True, value_weight=earned, banker_weight=-network.cost)
    found = search(network, target, question, Limits(time_limit_s, gap, progress, banker_types))
    return Plan("m2", found.status, target, found.objective, found.bound, chosen, earned,
                found.allocation)  # fmt: skip
