"""How long plans take, and how good they are: our formulation beside the source document's.

From the document's dummy network to one of ten times its full size. Both are solved by HiGHS, each
solve in a process of its own (`planning_one`), one at a time, so that its memory is its own. Every
plan is checked against the tables by `streams.planning.checking`.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import streams.planning
from streams.planning.generating import Recipe, generate

DATA: Final = Path(streams.planning.__file__).parent / "data"
FORMULATIONS: Final = ("ours", "document's")
TARGETS: Final = {"m1": 0.10, "m2": 0.11, "m3": 0.11}
"""As the document asks its models."""
SEED: Final = 1
STARTING_S: Final = 180.0
"""Beside the limit of the solver: reading, building, filling. Then a solve is ended: HiGHS doesn't
look at its limit while it presolves."""


@dataclass(frozen=True)
class Size:
    """A network: one of the data that come along, or one that is generated."""

    bankers: int
    branches: int
    loans: int
    data: str = ""

    def __str__(self) -> str:
        return f"{self.bankers:,}/{self.branches:,}/{self.loans:,}"


SIZES: Final = (
    Size(6, 3, 15, "dummy"),
    Size(30, 10, 300),
    Size(100, 40, 3_000),
    Size(350, 169, 21_095, "nab-victoria"),
    Size(2_000, 825, 200_000),
)


@dataclass(frozen=True)
class Solved:
    """One solve.

    Attributes:
        status: of the plan; or why there is none.
        seconds: from the network in memory to the plan.
        memory_mib: at most, of the whole process; Python, its libraries and the network included.
        sound: what the independent check says; None where there is no plan.
    """

    size: str
    model: str
    formulation: str
    status: str
    seconds: float
    memory_mib: float | None = None
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    sound: bool | None = None


def measured(
    sizes: Sequence[Size], only: str, limit_s: float, say: Callable[[str], None]
) -> Iterator[Solved]:
    """All solves of these sizes whose name holds `only`, one after the other."""
    for size in sizes:
        asked = [
            (model, formulation)
            for model in TARGETS
            for formulation in FORMULATIONS
            if only in f"{size} {model} {formulation}"
        ]
        if not asked:
            continue
        with TemporaryDirectory(prefix="partidor-benchmarks-") as temporary:
            directory = _tables(size, Path(temporary))
            for model, formulation in asked:
                solved = _solved(size, directory, model, formulation, limit_s)
                say(f"{size} {model} {formulation}: {solved.status}, {solved.seconds:.1f} s")
                yield solved


def _tables(size: Size, temporary: Path) -> Path:
    if size.data:
        return DATA / size.data
    recipe = Recipe(SEED, size.bankers, size.branches, size.loans)
    generate(recipe, temporary)
    return temporary


def _solved(size: Size, directory: Path, model: str, formulation: str, limit_s: float) -> Solved:
    question = [str(directory), model, formulation, str(TARGETS[model]), str(limit_s)]
    name = {"size": str(size), "model": model, "formulation": formulation}
    try:
        run = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.planning_one", *question],
            check=False,
            capture_output=True,
            timeout=limit_s + STARTING_S,
        )
    except subprocess.TimeoutExpired:
        status = f"no plan in {limit_s:g} s; ended after {STARTING_S:g} s more"
        return Solved(**name, status=status, seconds=limit_s + STARTING_S)
    if run.returncode:
        lines = run.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        return Solved(**name, status=f"died: {lines[-1][:80]}", seconds=0.0)
    return Solved(**name, **json.loads(run.stdout))


def as_objects(found: Sequence[Solved]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(each) for each in found]


def cells(solved: Solved) -> tuple[str, ...]:
    """A row of the table."""
    objective = ""
    if solved.objective is not None:
        large = abs(solved.objective) >= 100_000
        objective = f"{solved.objective:,.0f}" if large else f"{solved.objective:,.7f}"
    return (
        solved.size,
        solved.model,
        solved.formulation,
        solved.status,
        objective,
        "" if solved.gap is None else f"{solved.gap:.4%}",
        f"{solved.seconds:.1f}" if solved.seconds else "",
        "" if solved.memory_mib is None else f"{solved.memory_mib:,.0f}",
        {None: "", True: "sound", False: "UNSOUND"}[solved.sound],
    )


HEADER: Final = (
    "bankers/branches/loans", "model", "formulation", "what came of it", "objective", "gap", "s",
    "MiB", "checked",
)  # fmt: skip


def markdown(found: Sequence[Solved]) -> str:
    """The table for a page."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---|---|---|---|---:|---:|---:|---:|---|"]
    lines += ["| " + " | ".join(cells(solved)) + " |" for solved in found]
    return "\n".join(lines) + "\n"
