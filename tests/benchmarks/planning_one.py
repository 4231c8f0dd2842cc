"""One solve in a process of its own: arguments in, one JSON object out.

python -m tests.benchmarks.planning_one DIR m1|m2|m3 "ours"|"document's" TARGET LIMIT_S
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dispatcher.planning import original
from dispatcher.planning.m1_least_cost import least_cost
from dispatcher.planning.m2_greatest_profit import greatest_profit
from dispatcher.planning.m3_profit_per_banker import profit_per_banker
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Plan
from streams.planning.checking import check
from streams.planning.exact_tables import read_tables
from streams.planning.loading import load_network
from streams.planning.reported import read_plans
from streams.planning.summary import document_of

MODELS: Final[dict[tuple[str, str], Callable[..., Plan]]] = {
    ("m1", "ours"): least_cost,
    ("m2", "ours"): greatest_profit,
    ("m3", "ours"): profit_per_banker,
    ("m1", "document's"): original.original_m1,
    ("m2", "document's"): original.original_m2,
    ("m3", "document's"): original.original_m3,
}


def main(directory: Path, model: str, formulation: str, target: float, limit_s: float) -> Any:
    """Solve, and say what came of it and what it took."""
    network = load_network(directory).network
    begun = time.monotonic()
    try:
        plan = MODELS[model, formulation](network, target, time_limit_s=limit_s)
    except original.TooLarge:
        rows = original.size_of(network).rows
        return {"status": f"too large to be built: {rows:,} constraints", "seconds": 0.0}
    seconds = time.monotonic() - begun
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    status = plan.status.value
    if status == "time_limit":
        status = f"no plan in {limit_s:g} s"
    return {
        "status": status,
        "seconds": seconds,
        "memory_mib": peak_mib,
        "objective": plan.objective,
        "bound": plan.bound,
        "gap": plan.gap,
        "sound": _is_sound(directory, network, plan, model, seconds),
    }


def _is_sound(
    directory: Path, network: Network, plan: Plan, model: Any, seconds: float
) -> bool | None:
    if plan.allocation is None:
        return None
    text = document_of(network, plan, model, seconds).model_dump_json()
    (reported,) = read_plans(text.encode())
    breaches = [
        breach for rule in check(reported, read_tables(directory)) for breach in rule.breaches
    ]
    for breach in breaches[:10]:
        sys.stderr.write(breach + "\n")
    return not breaches


if __name__ == "__main__":
    where, asked, by, share, limit = sys.argv[1:]
    print(json.dumps(main(Path(where), asked, by, float(share), float(limit))))
