"""The least cost within budgets: ``min A(h)`` such that ``B_k(h) <= β_k B_k(0)``, from formulations to a `Balance`.

One solution is also that of a balance without budgets, of the cost ``A + Σ μ_k B_k`` (see `multipliers`). That sum
decides what has a balance; what is left out of it counts in the totals of budgets nevertheless.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from neurobal.circuit import Circuit
from neurobal.cost import Cost, formula
from neurobal.errors import InvalidInputError
from neurobal.existence import Runaway
from neurobal.formulation import Formulation, formulate
from neurobal.limits import Budget, CostLike, dimension_of_terms, joined_cost
from neurobal.multipliers import Common, Optimum, RunsAway, Search
from neurobal.neuron_costs import NeuronCosts
from neurobal.potential import Potential, total_at
from neurobal.progress import Progress, Report
from neurobal.result import Balance
from neurobal.rounding import HOLDS, ROUNDINGS, LimitedRounding, quantum
from neurobal.solvers import Monitor, Newton, Solver

Array: TypeAlias = np.ndarray

ROUNDS = 20  # in which the share of a budget that is left out of the balance is found
STEEPEST = 100.0  # slope of what is left out, as a function of itself
DEARER = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0)  # times the multipliers: optima that are rounded
COARSE = 1e-4  # tolerance of these
POLISHED = 2  # of the ways of rounding, those that are moved on by single steps
NAMED_WEIGHT = 1e-3  # of a budget in the proof that they cannot hold together, from which on it is named


@dataclass(frozen=True, eq=False)
class Joined:
    """A cost and others that limit it, on one circuit: ``wholes``, and their ``parts`` that the sum of all balances."""

    circuit: Circuit
    wholes: list[Formulation]
    joint: Formulation

    @classmethod
    def of(cls, circuit: Circuit, costs: Sequence[Cost | Mapping[str, Cost]], *, strict: bool) -> Joined:
        """The first is the one that is minimised. UnbalanceableError if their sum has no balance."""
        wholes = [formulate(circuit, costs[0])]
        for cost in costs[1:]:
            try:
                wholes.append(formulate(circuit, cost))
            except InvalidInputError as error:
                text = str(error).removeprefix("cost: ")
                raise InvalidInputError(f"budget of {formula(cost)}: {text}") from error
        joint = Formulation(
            circuit,
            costs[0],
            _lists_joined(whole.terms for whole in wholes),
            NeuronCosts(_lists_joined(whole.neurons.terms for whole in wholes)),
        )
        for whole in wholes:
            vars(whole).update(nodes=joint.nodes)
        return cls(circuit, wholes, joint.balanceable(strict=strict))

    def without(self, runaway: Runaway, *, strict: bool) -> Joined:
        """What is left when more turns out to have no balance."""
        return replace(self, joint=self.joint.without(runaway, strict=strict).balanceable(strict=strict))

    @property
    def parts(self) -> list[Formulation]:
        """Of each cost what takes part."""
        return [self.counted(whole) for whole in self.wholes]

    def counted(self, whole: Formulation) -> Formulation:
        """A formulation without what is left out of the joint one."""
        counted = {name: mask for name, mask in self.joint.counted.items() if whole.terms.get(name)}
        own = {name: mask for name, mask in self.joint.neurons.counted.items() if whole.neurons.terms.get(name)}
        part = replace(whole, counted=counted, neurons=replace(whole.neurons, counted=own), reason=self.joint.reason)
        vars(part).update(nodes=self.joint.nodes)
        return part


class Totals:
    """The total of one cost at any log-scales of the nodes, with what is left out, and what no scales change."""

    def __init__(self, whole: Formulation) -> None:
        self.problem = whole.problem
        self.before = whole.total()
        self.constant = self.before - total_at(self.problem, np.zeros(self.problem.size))

    def __call__(self, h: Array) -> float:
        return self.constant + total_at(self.problem, h)


class Within:
    """The search for the least cost within limits: multiples of the totals of all other costs."""

    def __init__(
        self, joined: Joined, limits: Sequence[float], tol: float, max_iter: int | None, monitor: Monitor
    ) -> None:
        self.joined, self.limits = joined, np.asarray(limits, dtype=float)
        self.names = [formula(whole.cost) for whole in joined.wholes[1:]]
        self.totals = [Totals(whole) for whole in joined.wholes]
        for name, total in zip(self.names, self.totals[1:], strict=True):
            if not 0 < total.before < math.inf:
                raise InvalidInputError(
                    f"budget: {name} is {total.before:g} before balancing, so that no multiple of it is a limit. "
                    "Leave this budget out, or check its numbers."
                )
        problems = [part.problem for part in joined.parts]
        if not problems[0].connected.any():
            raise InvalidInputError(
                f"cost: no scales change {formula(joined.wholes[0].cost)}, so there is nothing to minimise. Give a "
                "cost of synapses or neurons that are free, or make one of the budgets the cost."
            )
        self.moving = [k for k, problem in enumerate(problems[1:]) if problem.connected.any()]
        self.search = Search(problems[0], [problems[k + 1] for k in self.moving], tol, max_iter, monitor)
        self._anything_left_out = bool(joined.joint.excluded)
        self._at_start = [total.before for total in self.totals[1:]]
        for k in set(range(len(self.names))) - {*self.moving}:
            if self.limits[k] < 1 and not self._anything_left_out:
                raise InvalidInputError(
                    f"budget: no scales change {self.names[k]}, so it cannot be {self.limits[k]:g} times what it is. "
                    "Leave this budget out."
                )

    def solve(self) -> Optimum:
        """The least cost; InvalidInputError where the limits cannot hold."""
        others = self._others(np.zeros(self.search.size))
        at = self._inside(others, None)
        before: tuple[Array, Array] | None = None
        for _ in range(ROUNDS if self._anything_left_out else 0):
            moved = self._others(at.h)
            if np.all(np.abs(moved - others) <= 0.1 * self.search.tol * self._allowed()):
                break
            # The secant of each budget by itself: what is left out may well be most of it.
            slope = np.zeros(others.size)
            if before is not None:
                known = others != before[0]
                slope[known] = ((moved - before[1])[known] / (others - before[0])[known]).clip(-STEEPEST, 0.5)
            before = others, moved
            others = others + (moved - others) / (1 - slope)
            at = self._inside(others, at)
        return at

    def excess(self, h: Array, limits: Array | None = None) -> Array:
        """By which share each limit, of the budgets or others, is exceeded; negative where there is room."""
        after = np.array([total(h) for total in self.totals[1:]])
        self.search.evaluations += 1
        return after / ((self.limits if limits is None else limits) * np.array(self._at_start)) - 1

    def multipliers(self, at: Optimum) -> Array:
        """μ of each budget."""
        multipliers = np.zeros(len(self.names))
        multipliers[self.moving] = at.nu * self.search.unit[0] / self.search.unit[1:]
        floor = np.zeros(len(self.names))
        floor[self.moving] = at.nu
        multipliers[floor <= 1e-2 * self.search.tol] = 0.0
        return multipliers

    def _allowed(self) -> Array:
        return (self.limits * np.array(self._at_start))[self.moving]

    def _others(self, h: Array) -> Array:
        """What each budget that moves has besides what takes part."""
        if not self._anything_left_out:
            h = np.zeros_like(h)
        return np.array(
            [self.totals[k + 1](h) - total_at(self.search.parts[j + 1], h) for j, k in enumerate(self.moving)]
        )

    def _targets(self, others: Array) -> Array:
        """The limits of what takes part, in the units of the search."""
        return np.asarray((self._allowed() - others) / self.search.unit[1:])

    def _inside(self, others: Array, first: Optimum | None) -> Optimum:
        limits = self._targets(others)
        if limits.size == 0:
            return self.search.meet(limits)
        if np.any(limits <= 0):
            self._refuse_one(int(np.argmin(limits)), others, 0.0)
        if first is not None:
            return self.search.meet(limits, first)
        if self.search.leaves_room(limits):
            return self.search.meet(limits)
        for k in np.flatnonzero(limits < 1) if limits.size > 1 else ():  # what is refused most often
            self._check_one(int(k), limits, others)
        common = self.search.least_common(limits)
        most = 1 + self.search.tol if common.attained else 1 - self.search.tol
        if common.bound > most:
            self._refuse(limits, others, common)
        if abs(common.factor - 1) <= self.search.tol:
            return self.search.tightest(common.weights / limits, common.h)
        return self.search.meet(limits)

    def _refuse(self, limits: Array, others: Array, common: Common) -> None:
        if limits.size == 1:
            self._refuse_one(0, others, common.bound * float(limits[0]))
        factor = float(np.max((common.factor * limits * self.search.unit[1:] + others) / self._allowed()))
        named = [self.moving[k] for k in range(limits.size) if common.weights[k] > NAMED_WEIGHT]
        shown = ", ".join(f"{self.names[k]} <= {self.limits[k]:g} ×" for k in named)
        raise InvalidInputError(
            f"budget: no scales meet these limits together: {shown} what it is. With all of them {_up(factor)} times "
            "as large there are such scales. Raise them, or leave one out."
        )

    def _check_one(self, k: int, limits: Array, others: Array) -> None:
        bound = self.search.least(k)
        if bound > limits[k] * (1 + self.search.tol):
            self._refuse_one(k, others, bound)

    def _refuse_one(self, k: int, others: Array, bound: float) -> None:
        name, limit = self.names[self.moving[k]], self.limits[self.moving[k]]
        least = (bound * self.search.unit[k + 1] + others[k]) / self._at_start[self.moving[k]]
        raise InvalidInputError(
            f"budget: {name} is to be at most {limit:g} times what it is, and no scales make it less than {_up(least)} "
            "times. Raise that limit."
        )


def balance_within(
    circuit: Circuit,
    cost: Cost | Mapping[str, Cost],
    limits: Sequence[tuple[CostLike, float]],
    solver: Solver,
    *,
    tol: float,
    max_iter: int | None = None,
    dyadic: bool = False,
    strict: bool = False,
    report: Report = None,
) -> Balance:
    """`balance` with budgets: pairs of a cost and the multiple of its total that it may have."""
    if not isinstance(solver, Newton):
        raise InvalidInputError(
            f"budget: the method {solver.name!r} knows no budgets. Use method='newton', and hand result.effective_cost "
            "to other methods."
        )
    joined = Joined.of(circuit, [cost, *(one for one, _ in limits)], strict=strict)
    nodes = joined.joint.nodes.size
    progress = Progress(report, f"balancing {nodes:,} units, {joined.joint.synapses:,} synapses within budgets")
    while True:
        monitor = Monitor(progress, tol)
        within = Within(joined, [limit for _, limit in limits], tol, max_iter, monitor)
        try:
            at = within.solve()
        except RunsAway as error:
            joined = joined.without(error.runaway, strict=strict)
            continue
        break
    h = joined.joint.problem.centred(at.h)
    if dyadic:
        h = _rounded(within, at)
    return made(within, at, h, monitor, dyadic=dyadic, progress=progress)


def made(
    within: Within,
    at: Optimum,
    h: Array,
    monitor: Monitor,
    *,
    dyadic: bool = False,
    progress: Progress | None = None,
    limits: Array | None = None,
) -> Balance:
    """The `Balance` of an optimum, whose log-scales have been centred, or rounded, to ``h``; of other ``limits``."""
    limits = within.limits if limits is None else limits
    joined, search = within.joined, within.search
    potential = Potential(at.problem)
    start = potential.imbalance(potential.at(np.zeros(search.size)))
    potential = Potential(at.problem, h)
    end = potential.imbalance(potential.at(h))
    log_scale = joined.joint.nodes.spread(h)
    excess = within.excess(h, limits)
    budgets = _budgets(within, limits, within.multipliers(at), excess)
    whole = joined.wholes[0]
    part = joined.counted(whole)
    after = part.rescaled(log_scale, dyadic=dyadic)
    effective = joined_cost(whole.cost, budgets, joined.circuit)
    formulation = joined.counted(formulate(joined.circuit, effective))
    moved = {name: x + formulation.neurons.moved.get(name, 0.0) for name, x in log_scale.items()}
    formulation = formulation.at(after.circuit, moved)
    allowed = HOLDS if dyadic else 10 * search.tol
    exceeded = [budget for budget, share in zip(budgets, excess, strict=True) if share > allowed]
    if progress is not None:
        progress.done(f"imbalance {end.total:.1e}")
    history = monitor.history(0.0)
    history.cost *= search.unit[0]
    return Balance(
        success=at.solution.balanced and at.tol <= search.tol and not exceeded,
        status=at.solution.status,
        message=_message(at, search.tol, exceeded, dyadic),
        method=Newton().name,
        iterations=search.iterations,
        evaluations=search.evaluations,
        cost_before=part.total(),
        cost=after.total(),
        imbalance_before=start.total,
        imbalance=end.total,
        worst_unit=end.worst_unit,
        excluded=formulation.excluded,
        log_scale=log_scale,
        before=joined.circuit,
        circuit=after.circuit,
        formulation=formulation,
        history=history,
        dyadic=dyadic,
        budgets=budgets,
        minimised=whole.cost if isinstance(whole.cost, Cost) else dict(whole.cost),
    )


def _budgets(within: Within, limits: Array, multipliers: Array, excess: Array) -> tuple[Budget, ...]:
    units = [dimension_of_terms(whole.terms, whole.neurons.terms) for whole in within.joined.wholes]
    budgets = []
    for k, whole in enumerate(within.joined.wholes[1:]):
        before, limit = within.totals[k + 1].before, float(limits[k])
        budgets.append(
            Budget(
                cost=whole.cost if isinstance(whole.cost, Cost) else dict(whole.cost),
                limit=limit,
                before=before,
                after=limit * before * (1 + float(excess[k])),
                multiplier=float(multipliers[k]),
                dimension=_ratio(units[0], units[k + 1]),
                active=bool(multipliers[k] > 0),
            )
        )
    return tuple(budgets)


def _rounded(within: Within, at: Optimum) -> Array:
    """Log-scales by powers of two that are within the limits, if such are found; else those that exceed them least.

    What is rounded is the optimum and, as rounding uses up some of every budget, some where budgets are dearer. Of
    several common shifts before rounding, those that leave the effective cost least are moved on by single steps.
    Where every budget may stay as it is, not to rescale at all is always possible.
    """
    step = quantum(within.joined.circuit)
    constants = np.array([total.constant for total in within.totals[1:]])
    allowed = np.array([limit * total.before for limit, total in zip(within.limits, within.totals[1:], strict=True)])
    movable = np.maximum(allowed - constants, 1e-300)
    rounding = LimitedRounding([total.problem for total in within.totals], movable, step)
    prices = np.append(1.0, within.multipliers(at) * movable)
    shifts = (np.arange(ROUNDINGS) / ROUNDINGS - 0.5) * step
    polished = [np.zeros(within.search.size)]
    for factor in DEARER if at.nu.any() else (1.0,):
        from_here = at.h if factor == 1 else within.search.at(factor * at.nu, at.h, COARSE).h
        tried = [np.rint((from_here - shift) / step) * step for shift in shifts]
        tried.sort(key=lambda h: float(prices @ rounding.totals(h)))
        polished += [rounding.polished(h) for h in tried[:POLISHED]]

    def rank(h: Array) -> tuple[float, float]:
        totals = rounding.totals(h)
        return max(rounding.excess(totals), HOLDS), float(totals[0])

    best = min(polished, key=rank)
    within.search.evaluations += rounding.evaluations
    return best


def _message(at: Optimum, tol: float, exceeded: Sequence[Budget], dyadic: bool) -> str:
    if at.tol > tol:
        return f"The multipliers of the budgets were not found to {tol:g}. Try a larger tol, or other limits."
    text = at.solution.message(tol, "effective cost")
    if not at.solution.balanced:
        return text
    text += " Scales were then rounded to powers of two." if dyadic else ""
    shown = ", ".join(f"{budget.name} by {100 * budget.excess:.3g} %" for budget in exceeded)
    return text + (f" Budgets that are exceeded{' after rounding' if dyadic else ''}: {shown}." if exceeded else "")


def _ratio(above: Any, below: Any) -> Any:
    """The dimension of a quotient; None for a number."""
    if below is not None:
        inverse = below**-1
        above = inverse if above is None else above * inverse
    return None if above is None or getattr(above, "is_dimensionless", False) else above


def _lists_joined(parts: Iterable[Mapping[str, list[Any]]]) -> dict[str, list[Any]]:
    lists: dict[str, list[Any]] = {}
    for part in parts:
        for name, terms in part.items():
            lists.setdefault(name, []).extend(terms)
    return lists


def _up(number: float) -> str:
    """A number with six digits, rounded up."""
    digits = 5 - math.floor(math.log10(number)) if number > 0 else 5
    return f"{math.ceil(number * 10**digits - 1e-9) / 10**digits:.7g}"
