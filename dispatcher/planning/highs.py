"""Linear models written family by family, solved by HiGHS.

A variable is a column number; a family of them an array of column numbers, in whatever shape reads
best. A family of constraints is a sum of (coefficient, columns) pairs: the last axis of `columns`
is summed over, the axes before it number the constraints. So

    model.constrain("a banker works for at most one branch", (1, y), at_most=1)

with y of shape (P, B) is P constraints, and `(capacity[None, :], y.T)` is, for each branch, the
capacity of who works there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import highspy
import numpy as np
from numpy.typing import ArrayLike

from dispatcher.planning.network import Floats, Indices

INFINITY: Final = float("inf")
TOLERANCE: Final = 1e-9
"""By how much HiGHS may miss a bound, and a whole number. Its default, a millionth, is a dollar of
a million: more than a plan that is checked to the dollar may be wrong by."""
THREADS: Final = 2
"""Of HiGHS. Its search is the same on any number of them, and more than two help little here."""

Term = tuple[ArrayLike, Indices]

Progress = Callable[[float | None, float | None], None]
"""Told of the best objective and the best bound so far; None for what is not there yet."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What HiGHS found.

    Attributes:
        optimal: proven to within the gaps that were asked for.
        infeasible: proven that nothing keeps all constraints.
        objective: of `values`; None where nothing was found.
        bound: nothing better is possible; -inf or inf where nothing is proven.
        values: (columns,) or None.
        reduced_costs: (columns,) of a linear model: what one more of a column would add to the
            objective; empty with integers.
        seconds: that HiGHS took.
    """

    optimal: bool
    infeasible: bool
    objective: float | None
    bound: float
    values: Floats | None
    reduced_costs: Floats
    seconds: float


class LinearModel:
    """Columns and rows, collected and then handed over at once."""

    def __init__(self, *, maximise: bool = False) -> None:
        """An empty model."""
        self._maximise = maximise
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._integer: list[bool] = []
        self._sizes: list[int] = []
        self._costs: list[tuple[Indices, Floats]] = []
        self._entries: list[tuple[Indices, Indices, Floats]] = []
        self._row_lower: list[Floats] = []
        self._row_upper: list[Floats] = []
        self.sentences: list[tuple[str, int, int]] = []
        self.columns = 0
        self.rows = 0

    def binaries(self, *shape: int) -> Indices:
        """Variables that are 0 or 1."""
        return self._add(shape, 0.0, 1.0, integer=True)

    def integers(self, *shape: int, upper: ArrayLike = INFINITY) -> Indices:
        """Whole variables from 0 on."""
        return self._add(shape, 0.0, upper, integer=True)

    def continuous(
        self, *shape: int, lower: ArrayLike = 0.0, upper: ArrayLike = INFINITY
    ) -> Indices:
        """Variables that may be anything between their bounds."""
        return self._add(shape, lower, upper, integer=False)

    def constrain(
        self,
        sentence: str,
        *terms: Term,
        at_least: ArrayLike = -INFINITY,
        at_most: ArrayLike = INFINITY,
        equals: ArrayLike | None = None,
    ) -> Indices:
        """Add a family of constraints, one for each position before the last axis of its terms.

        Returns:
            The numbers of its rows.
        """
        if equals is not None:
            at_least = at_most = equals
        shape = terms[0][1].shape[:-1]
        rows = np.arange(self.rows, self.rows + int(np.prod(shape))).reshape(shape)
        for coefficient, columns in terms:
            spread = np.broadcast_to(np.asarray(coefficient, dtype=float), columns.shape)
            row_of = np.broadcast_to(rows[..., None], columns.shape)
            self._entries.append((row_of.ravel(), columns.ravel(), spread.ravel()))
        self._row_lower.append(np.broadcast_to(np.asarray(at_least, float), shape).ravel())
        self._row_upper.append(np.broadcast_to(np.asarray(at_most, float), shape).ravel())
        self.sentences.append((sentence, self.rows, self.rows + rows.size))
        self.rows += rows.size
        return rows

    def objective(self, *terms: Term) -> None:
        """Add to what is minimised, or maximised: the sum of all terms over all their columns."""
        for coefficient, columns in terms:
            spread = np.broadcast_to(np.asarray(coefficient, dtype=float), columns.shape)
            self._costs.append((columns.ravel(), spread.ravel()))

    def solve(
        self,
        *,
        time_limit_s: float = INFINITY,
        relative_gap: float = 1e-9,
        absolute_gap: float = 1e-9,
        start: Floats | None = None,
        progress: Progress | None = None,
        relaxed: bool = False,
    ) -> Answer:
        """Hand it to HiGHS.

        Args:
            time_limit_s: seconds at most.
            relative_gap, absolute_gap: either suffices to call an answer optimal.
            start: (columns,) an answer to begin with; one that breaks a constraint is left aside.
            progress: told of objective and bound while integers are searched for.
            relaxed: without integrality.
        """
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", THREADS)
        solver.setOptionValue("mip_rel_gap", relative_gap)
        solver.setOptionValue("mip_abs_gap", absolute_gap)
        for tolerance in ("primal_feasibility_tolerance", "mip_feasibility_tolerance"):
            solver.setOptionValue(tolerance, TOLERANCE)
        if time_limit_s < INFINITY:
            solver.setOptionValue("time_limit", max(time_limit_s, 0.01))
        solver.passModel(self._handed_over(relaxed=relaxed))
        if start is not None:
            given = highspy.HighsSolution()
            given.col_value = list(start)
            solver.setSolution(given)
        if progress is not None:
            _report(solver, progress)
        solver.run()
        return _answer(solver, maximise=self._maximise, integers=not relaxed and any(self._integer))

    def _add(
        self, shape: tuple[int, ...], lower: ArrayLike, upper: ArrayLike, *, integer: bool
    ) -> Indices:
        size = int(np.prod(shape))
        self._lower.append(np.broadcast_to(np.asarray(lower, float), shape).ravel())
        self._upper.append(np.broadcast_to(np.asarray(upper, float), shape).ravel())
        self._integer.append(integer)
        self._sizes.append(size)
        numbers = np.arange(self.columns, self.columns + size).reshape(shape)
        self.columns += size
        return numbers

    def _handed_over(self, *, relaxed: bool) -> Any:
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.columns, self.rows
        lp.col_lower_, lp.col_upper_ = _joined(self._lower), _joined(self._upper)
        lp.row_lower_, lp.row_upper_ = _joined(self._row_lower), _joined(self._row_upper)
        cost = np.zeros(self.columns)
        for columns, coefficients in self._costs:
            np.add.at(cost, columns, coefficients)
        lp.col_cost_ = cost
        if self._maximise:
            lp.sense_ = highspy.ObjSense.kMaximize
        starts, indices, values = _by_column(self._entries, self.rows, self.columns)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = starts, indices, values
        if not relaxed and any(self._integer):
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            lp.integrality_ = [
                kinds[integer]
                for integer, size in zip(self._integer, self._sizes, strict=True)
                for _ in range(size)
            ]
        return lp


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _by_column(
    entries: list[tuple[Indices, Indices, Floats]], rows: int, columns: int
) -> tuple[Indices, Indices, Floats]:
    """Compressed by columns; what stands twice in one place is added up."""
    if not entries:
        return np.zeros(columns + 1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    row = np.concatenate([each[0] for each in entries])
    column = np.concatenate([each[1] for each in entries])
    value = np.concatenate([each[2] for each in entries])
    places, inverse = np.unique(column * max(rows, 1) + row, return_inverse=True)
    summed = np.bincount(inverse, weights=value, minlength=len(places))
    starts = np.searchsorted(places, np.arange(columns + 1) * max(rows, 1))
    return starts.astype(np.int64), places % max(rows, 1), summed.astype(np.float64)


def _report(solver: Any, progress: Progress) -> None:
    def told(event: Any) -> None:
        found, bound = event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
        progress(
            found if abs(found) < highspy.kHighsInf else None,
            bound if abs(bound) < highspy.kHighsInf else None,
        )

    solver.cbMipLogging.subscribe(told)


def _answer(solver: Any, *, maximise: bool, integers: bool) -> Answer:
    status, info = solver.getModelStatus(), solver.getInfo()
    solution = solver.getSolution()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    optimal = status == highspy.HighsModelStatus.kOptimal
    infeasible = status in (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    )
    unknown = INFINITY if maximise else -INFINITY
    objective = float(info.objective_function_value) if found else None
    if integers:
        bound = float(info.mip_dual_bound)
    else:
        bound = float(info.objective_function_value) if optimal else unknown
    return Answer(
        optimal=optimal,
        infeasible=infeasible,
        objective=objective,
        bound=bound,
        values=np.asarray(solution.col_value) if found else None,
        reduced_costs=np.zeros(0) if integers or not optimal else np.asarray(solution.col_dual),
        seconds=float(solver.getRunTime()),
    )
