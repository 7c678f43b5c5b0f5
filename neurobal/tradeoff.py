"""`tradeoff`: how much of one cost has to be given up for less of another, as a curve of balances.

Each point is the least ``A + μ B``, for one multiplier μ after the other, so that no scales have less of both costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from neurobal import notebook_html
from neurobal.adapters import as_writable_circuit
from neurobal.budgets import Joined, Within, made
from neurobal.cost import Cost, formula
from neurobal.errors import InvalidInputError
from neurobal.inputs import tolerance
from neurobal.multipliers import Optimum, RunsAway, Search
from neurobal.progress import Progress, Report
from neurobal.result import Balance
from neurobal.solvers import Monitor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array: TypeAlias = np.ndarray

BENDS = 4.5  # log of the largest and the smallest multiplier, about that of the chord between both ends
FEWEST = 3
REMEMBERED = 4  # points from which the next one is extrapolated


@dataclass(frozen=True, eq=False, repr=False)
class Tradeoff(Sequence[Balance]):
    """A curve of balances, from the least of the other cost to the least of the first.

    ``curve[k]`` is a `Balance`, which can be applied; its ``budgets`` say what the other cost is there.

    Attributes
    ----------
    cost, other : Cost or dict of costs
        What is traded for what.
    cost_before, other_before : float
        Their totals before.
    evaluations : int
        Passes over all synapses that the whole curve took.
    """

    cost: Any
    other: Any
    cost_before: float
    other_before: float
    evaluations: int
    _within: Within
    _points: list[Optimum]
    _monitors: list[Monitor]
    _columns: dict[str, Array]
    _made: dict[int, Balance] = field(default_factory=dict)  # what was asked for: it knows whether it is applied

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, index: int) -> Balance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Balance]: ...
    def __getitem__(self, index: int | slice) -> Balance | list[Balance]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no point {index}: the curve has {len(self)} of them")
        k = index % len(self)
        if k not in self._made:
            self._made[k] = self._balance(k)
        return self._made[k]

    def _balance(self, k: int) -> Balance:
        point, within = self._points[k], self._within
        h = within.joined.joint.problem.centred(point.h)
        limit = 1 + float(within.excess(h, np.ones(1))[0])
        result = made(within, point, h, self._monitors[k], limits=np.array([limit]))
        return replace(result, iterations=point.solution.iterations, evaluations=point.solution.evaluations)

    def __iter__(self) -> Iterator[Balance]:
        return (self[k] for k in range(len(self)))

    def table(self) -> dict[str, Array]:
        """Columns with one entry a point: ``cost`` and ``other`` (relative to before), ``multiplier`` (μ), ``success``.

        Totals count what is left out, too.
        """
        return {name: column.copy() for name, column in self._columns.items()}

    def plot(self) -> Figure:
        """Draw the curve, and the network as it is."""
        from neurobal.plot import tradeoff_figure

        return tradeoff_figure(self)

    def __repr__(self) -> str:
        title, header, rows = self._parts()
        return "\n".join([title, *("".join(f"{text:>14}" for text in row) for row in (header, *rows))])

    def _repr_html_(self) -> str:
        title, header, rows = self._parts()
        return notebook_html.heading(title) + notebook_html.table(header, rows)

    def _parts(self) -> tuple[str, list[str], list[list[str]]]:
        columns = self._columns
        rows = [
            [str(k), *(f"{columns[name][k]:.4g}" for name in ("cost", "other", "multiplier"))] for k in range(len(self))
        ]
        title = (
            f"Trade-off: {formula(self.cost)} against {formula(self.other)}, relative to before "
            f"({len(self)} points, {self.evaluations} evaluations)"
        )
        return title, ["point", formula(self.cost), formula(self.other), "multiplier"], rows


def tradeoff(
    network: Any,
    cost: Cost | Mapping[str, Cost],
    other: Cost | Mapping[str, Cost],
    *,
    points: int = 20,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Mapping[str, Any] | None = None,
    tol: float = 1e-9,
    on_unbalanceable: str = "exclude",
    report: Report = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> Tradeoff:
    """The curve of least costs A for each value of another cost B: no scales have less of both.

    Point after point the least ``A + μ B`` is found, from that of the least B to that of the least A. An end that has
    no optimum of its own, such as the least activity, is left away: the curve then ends at a large, or a small, μ.

    Parameters
    ----------
    network, pinned, tied, homogeneity, scaling, tol, on_unbalanceable, report, namespace, level
        As in `balance`.
    cost, other
        A and B, as ``cost`` in `balance`. Their units may differ.
    points
        How many, at least 3.

    Raises
    ------
    UnbalanceableError, NeurobalError
        As in `balance`, of A + B.

    Examples
    --------
    >>> weights = np.array([[0.0, 8.0], [0.5, 0.0]])
    >>> curve = nb.tradeoff(weights, nb.OutputNoise([4.0, 1.0]), nb.Activity([1.0, 1.0]), points=5)
    >>> (curve.table()["cost"] * curve.table()["other"]).round(6).tolist()  # all that the product can be
    [0.9, 0.9, 0.9, 0.9, 0.9]
    >>> curve[2].success
    True
    """
    if isinstance(points, bool) or not isinstance(points, Integral) or points < FEWEST:
        raise InvalidInputError(f"points: expected an integer >= {FEWEST}, got {points!r}.")
    if on_unbalanceable not in ("exclude", "raise"):
        raise InvalidInputError(f"on_unbalanceable: expected 'exclude' or 'raise', got {on_unbalanceable!r}.")
    strict = on_unbalanceable == "raise"
    circuit = as_writable_circuit(
        network,
        pinned=pinned,
        tied=tied,
        homogeneity=homogeneity,
        scaling=scaling,
        namespace=namespace,
        level=level + 1,
    )
    joined = Joined.of(circuit, [cost, other], strict=strict)
    progress = Progress(report, f"{points} points of a trade-off, {joined.joint.nodes.size:,} units")
    while True:
        within = Within(joined, [1.0], tolerance(tol), None, Monitor(Progress(None, ""), tol))
        if not within.moving:
            raise InvalidInputError(f"other: no scales change {formula(other)}, so that nothing can be traded for it.")
        try:
            curve = _Curve(within.search, int(points), progress)
        except RunsAway as error:
            joined = joined.without(error.runaway, strict=strict)
            continue
        break
    progress.done(f"{within.search.evaluations} evaluations")
    centred = [joined.joint.problem.centred(point.h) for point in curve.points]
    before = [total.before for total in within.totals]
    columns = {
        "cost": np.array([within.totals[0](h) / before[0] for h in centred]),
        "other": np.array([within.totals[1](h) / before[1] for h in centred]),
        "multiplier": np.array([float(within.multipliers(point)[0]) for point in curve.points]),
        "success": np.array([point.solution.balanced for point in curve.points]),
    }
    return Tradeoff(
        cost, other, before[0], before[1], within.search.evaluations, within, curve.points, curve.monitors, columns
    )


class _Curve:
    """The points of a curve, in order, and the history of each."""

    def __init__(self, search: Search, points: int, progress: Progress) -> None:
        self._search, self._count, self._progress = search, points, progress
        self.points: list[Optimum] = []
        self.monitors: list[Monitor] = []
        ends = [search.definite_alone(k) for k in (1, 0)]  # the least B, then the least A
        start = np.zeros(search.size)
        first = [self._solve(search.never, start)] if ends[0] else []
        last = [self._solve(np.zeros(1), start)] if ends[1] else []
        found, monitors = [*first, *last], self.monitors
        self.points, self.monitors = [], []
        inner = points - len(found)
        centre = 0.0
        if len(found) == 2 and found[1].cost < found[0].cost and found[0].budgets[0] < found[1].budgets[0]:
            centre = math.log((found[0].cost - found[1].cost) / (found[1].budgets[0] - found[0].budgets[0]))
        logs = centre + np.linspace(BENDS, -BENDS, inner)
        for log in logs:
            known = len(self.points)
            begin = _extrapolated(logs[:known], [p.h for p in self.points], log) if known else self._between(found)
            point = self._solve(np.exp([log]), begin)
            self.points.append(point)
        self.points = [*first, *self.points, *last]
        self.monitors = [*monitors[: len(first)], *self.monitors, *monitors[len(first) :]]

    def _between(self, found: list[Optimum]) -> Array:
        return found[0].h if found else np.zeros(self._search.size)

    def _solve(self, nu: Array, start: Array) -> Optimum:
        monitor = Monitor(Progress(None, ""), self._search.tol)
        point = self._search.at(nu, start, monitor=monitor)
        self.monitors.append(monitor)
        self._progress.update(0.99 * len(self.monitors) / self._count)
        return point


def _extrapolated(at: Array, values: list[Array], there: float) -> Array:
    """The polynomial through the last points, at another one."""
    at, values = at[-REMEMBERED:], values[-REMEMBERED:]
    total = np.zeros_like(values[0])
    for k, value in enumerate(values):
        others = np.delete(at, k)
        total += value * np.prod((there - others) / (at[k] - others))
    return total
