"""Branch networks for tests: the one of the source document, and random ones."""

from functools import cache
from pathlib import Path

import numpy as np

from dispatcher.planning.network import Network
from streams.planning import loading

DATA = Path(loading.__file__).parent / "data"
DUMMY = DATA / "dummy"
VICTORIA = DATA / "nab-victoria"


@cache
def dummy() -> Network:
    """6 bankers, 3 branches, 15 loans."""
    return loading.load_network(DUMMY).network


@cache
def victoria() -> Network:
    """350 bankers, 169 branches, 21,095 loans."""
    return loading.load_network(VICTORIA).network


def drawn(
    seed: int, bankers: int = 12, branches: int = 4, loans: int = 60, enough: float = 1.1
) -> Network:
    """A random network, with loans for `enough` of the branches' capacity."""
    random = np.random.default_rng(seed)
    capacity = np.round(random.uniform(200, 900, branches))
    amount = random.uniform(1, 9, loans)
    amount = np.maximum(1, np.round(amount * enough * capacity.sum() / amount.sum()))
    return Network(
        banker_ids=tuple(f"p{number}" for number in range(bankers)),
        banker_capacity=random.choice([150.0, 300.0, 450.0], bankers),
        banker_pay=np.round(random.uniform(6, 10, bankers), 3),
        travel=np.round(random.uniform(0, 5, (bankers, branches)), 3),
        branch_ids=tuple(f"b{number}" for number in range(branches)),
        branch_capacity=capacity,
        loan_ids=tuple(f"l{number}" for number in range(loans)),
        loan_amount=amount,
        loan_is_investment=random.random(loans) < 0.45,
    )
