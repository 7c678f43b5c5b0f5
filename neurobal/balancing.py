"""`balance`: find the rescaling that balances incoming against outgoing synaptic cost at every neuron."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from neurobal.adapters import as_circuit
from neurobal.circuit import Circuit, Projection
from neurobal.cost import Cost, Power, Term, terms_by_projection
from neurobal.errors import InvalidInputError, UnbalanceableError
from neurobal.existence import Runaway, find_runaway, runaway_along, without
from neurobal.problem import Problem, Units, build
from neurobal.progress import Progress, Report
from neurobal.result import Balance, Excluded
from neurobal.rounding import common_step
from neurobal.solvers import Monitor, Newton, Solution, Solver, choose
from neurobal.solvers.contract import Meter

Array: TypeAlias = np.ndarray
# How many common shifts of h are tried before it is rounded to powers of two.
ROUNDINGS = 16

POLICIES = ("exclude", "raise")


def balance(
    network: Any = None,
    *,
    cost: Cost | Mapping[str, Cost] = Power(2),  # noqa: B008  (frozen)
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Mapping[str, Any] | None = None,
    method: str | Solver = "auto",
    tol: float = 1e-9,
    max_iter: int | None = None,
    dyadic: bool = False,
    on_unbalanceable: str = "exclude",
    report: Report = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> Balance:
    """Balance incoming and outgoing synaptic cost at every neuron without changing what the network computes.

    Minimises ``C(h) = Σ_e α_e |w_e|^p exp(p (a_e h_i - b_e h_j))`` over log-scales h of the free neurons; at the
    minimum incoming cost equals outgoing cost (Stock et al. 2022; Baldi et al. 2024, "Balance and Regularizer
    Minimization"). The argument is never changed: the answer holds new weights, and writes them only when its
    ``apply()`` is called.

    Parameters
    ----------
    network
        A (post, pre) array or scipy sparse matrix; a `Circuit`; a Brian2 ``Network``, a list of Brian2 objects, or
        None for all objects that Brian2 would run.
    cost
        One cost for all projections, or a dict by projection name (absent: rescaled, but free of cost). `Power`,
        `Robustness`, sums and multiples of them. All terms must agree in units.
    pinned
        Neurons that keep λ = 1: names of populations, Brian2 groups or subgroups, a dict from name to mask, indices
        or True; for a matrix a mask or indices.
    tied
        Neurons that share one λ: labels (n,) for a matrix, else a dict from name to labels or True.
    homogeneity
        The power with which neurons' output grows with their input; 1 for a matrix unless said otherwise.
    scaling
        Brian2: what moves along. ``{'group': {'v': 1, 'v_th': 1}, 'synapses': ('w', 1, 1)}``: variables with their
        powers of λ, and for Synapses the weight variable with its exponents a (postsynaptic) and b (presynaptic).
    method
        ``'auto'`` (= ``'newton'``), ``'osborne'``, ``'stochastic'``, ``'flow'``, or a solver object.
    tol
        Success means: relative imbalance of every connected component ≤ tol, and of every unit ≤ √tol.
    max_iter
        Iterations of the method; None for its own default. Running out is no error: ``success`` is False.
    dyadic
        Round to scales whose powers are powers of two: simulations stay bitwise identical.
    on_unbalanceable
        What to do with synapses that have no balance: ``'exclude'`` them, or ``'raise'``.
    report
        Progress, as in Brian2's ``run``: None, ``'text'``, ``'stderr'``, or a function.
    namespace, level
        Brian2: where to find external constants, as in ``Network.run``.

    Returns
    -------
    Balance

    Raises
    ------
    UnbalanceableError
        Nothing can be balanced at all, or something cannot and ``on_unbalanceable='raise'``.
    NeurobalError
        Bad input. The message names the culprit and the remedy.
    """
    _check(tol, max_iter, on_unbalanceable)
    solver = choose(method)
    circuit = as_circuit(
        network,
        pinned=pinned,
        tied=tied,
        homogeneity=homogeneity,
        scaling=scaling,
        namespace=namespace,
        level=level + 1,
    )
    if circuit.binding is not None:
        circuit.binding.check()
    terms = terms_by_projection(cost, circuit.projections)
    units = Units(circuit)
    _check_neurons(circuit, units)
    progress = Progress(report, f"balancing {units.size:,} units, {_synapses(circuit, terms):,} synapses")
    try:
        solved = _solve(
            build(circuit, units, terms),
            solver,
            tol,
            max_iter,
            progress,
            units,
            strict=on_unbalanceable == "raise",
            quantum=_quantum(circuit) if dyadic else None,
        )
    except UnbalanceableError as error:
        raise UnbalanceableError("\n".join(filter(None, [str(error), circuit.advice]))) from None
    solution = solved.solution
    log_scale = units.spread(solution.h)
    after = circuit.rescaled(log_scale, dyadic=dyadic)
    kept = {name: _kept(circuit.projections[name], units, solved.left_out) for name in terms}
    before_cost, after_cost = (_total_cost(c, terms, kept) for c in (circuit, after))
    constant = before_cost - solved.monitor.cost[0] if math.isfinite(before_cost) else 0.0
    progress.done(f"imbalance {solution.imbalance.total:.1e}")
    return Balance(
        success=solution.balanced,
        status=solution.status,
        message=_message(solution, tol, dyadic),
        method=solver.name,
        iterations=solution.iterations,
        evaluations=solution.evaluations,
        cost_before=before_cost,
        cost=after_cost,
        imbalance_before=solved.monitor.imbalance[0],
        imbalance=solution.imbalance.total,
        worst_unit=solution.imbalance.worst_unit,
        excluded=_excluded(kept, solved.left_out),
        log_scale=log_scale,
        before=circuit,
        circuit=after,
        history=solved.monitor.history(constant),
        dyadic=dyadic,
    )


@dataclass(frozen=True)
class _Solved:
    """A solution with its final h, how it was reached, and what has no balance."""

    solution: Solution
    monitor: Monitor
    left_out: list[Runaway]


def _solve(
    problem: Problem,
    solver: Solver,
    tol: float,
    max_iter: int | None,
    progress: Progress,
    units: Units,
    *,
    strict: bool,
    quantum: float | None,
) -> _Solved:
    """Leave out what has no balance, then solve; a solver that runs away shows what else to leave out."""
    if not problem.connected.any():
        raise UnbalanceableError(
            "Nothing can be balanced: no costed synapse with a non-zero weight touches a free neuron, other than "
            "self-connections, which no rescaling changes. Pin less, or give these synapses a cost."
        )
    left_out: list[Runaway] = []
    runaway = find_runaway(problem)
    while True:
        while runaway is not None:
            left_out.append(runaway)
            rest = without(problem, runaway)
            if strict or not rest.connected.any():
                raise UnbalanceableError(_complaint(problem, rest, runaway, units))
            problem = rest
            runaway = find_runaway(problem)
        monitor = Monitor(progress, tol)
        solution = solver.solve(problem, tol, max_iter, monitor)
        if not solution.balanced and not problem.symmetric:
            runaway = runaway_along(problem, _next_step(problem, solution.h, tol)) or runaway_along(problem, solution.h)
        if runaway is None:
            break
    solution = replace(solution, h=_centred(problem, solution.h))
    if quantum is not None:
        rounded = _rounded(problem, solution.h, quantum)
        solution = replace(solution, h=rounded, imbalance=Meter(problem)(rounded)[1])
    return _Solved(solution, monitor, left_out)


def _next_step(problem: Problem, h: Array, tol: float) -> Array:
    """Where Newton would go from ``h``: along the way of a solver that runs away, its transients left behind."""
    onwards, units = problem.restricted(problem.connected, h)
    step = np.zeros(problem.size)
    step[units] = Newton().solve(onwards, tol, 10, Monitor(Progress(None, ""), tol)).h
    return step


def _centred(problem: Problem, h: Array) -> Array:
    """Geometric mean 1 of λ over the units of each component that a common shift does not change."""
    members = _shiftable(problem)
    count = np.bincount(problem.labels[members], minlength=problem.n_components)
    total = np.bincount(problem.labels[members], h[members], minlength=problem.n_components)
    return h - np.where(members, (total / np.maximum(count, 1))[problem.labels], 0.0)


def _shiftable(problem: Problem) -> Array:
    """The units of components whose costs a common shift does not change: no ground, and a = b throughout."""
    fixed = problem.grounded.copy()
    for block in problem.blocks:
        if block.a != block.b:
            fixed[problem.labels[block.log_cost.indices]] = True
    return problem.connected & ~fixed[problem.labels]


def _quantum(circuit: Circuit) -> float:
    """The step of h with which every power of λ that is used moves by whole powers of two."""
    powers = [np.ravel(e) for p in circuit for e in (p.post_exponent, p.pre_exponent)]
    powers += [np.ravel(p.power) for population in circuit.populations.values() for p in population.parameters.values()]
    if circuit.binding is not None:
        powers += [np.ravel(some) for some in circuit.binding.exponents().values()]
    return common_step(np.unique(np.concatenate(powers)).tolist()) * math.log(2)


def _rounded(problem: Problem, h: Array, quantum: float) -> Array:
    """``h`` rounded to multiples of ``quantum``: the cheapest of some; where all cost more than no rescaling, none.

    A common shift costs nothing before rounding, but decides who is rounded up and who down.
    """
    members, meter = _shiftable(problem), Meter(problem)
    shifts = np.arange(ROUNDINGS) / ROUNDINGS * quantum if members.any() else [0.0]
    tries = [np.rint((h - np.where(members, shift, 0.0)) / quantum) * quantum for shift in shifts]
    return min([*tries, np.zeros_like(h)], key=lambda rounded: meter(rounded)[0])


def _kept(projection: Projection, units: Units, left_out: list[Runaway]) -> Array | None:
    """The synapses of a projection that take part in the balance (None: all)."""
    if not left_out:
        return None
    post = units.of(projection.post, projection.post_index)
    pre = units.of(projection.pre, projection.pre_index)
    a, b = projection.exponents
    kept = projection.weight != 0
    lost = np.zeros(kept.shape, dtype=bool)
    for runaway in left_out:
        lost |= runaway.lowers(a, b, post, pre)
    lost &= kept
    return None if not lost.any() else ~lost


def _excluded(kept: dict[str, Array | None], left_out: list[Runaway]) -> tuple[Excluded, ...]:
    strong = all(runaway.strong is not None for runaway in left_out)
    reason = "no way back" if strong else "nothing holds their cost: it can fall for ever"
    return tuple(
        Excluded(name, np.flatnonzero(~mask), mask.size, reason) for name, mask in kept.items() if mask is not None
    )


def _total_cost(circuit: Circuit, terms: Mapping[str, list[Term]], kept: Mapping[str, Array | None]) -> float:
    """``Σ α_e |w_e|^p`` over all costed synapses that were not left out, from the weights themselves."""
    total = 0.0
    for name, some in terms.items():
        for term in some:
            costs, mask = term.of(circuit.projections[name].weight), kept[name]
            total += float(costs.sum() if mask is None else costs[mask].sum())
    return total


def _complaint(problem: Problem, rest: Problem, runaway: Runaway, units: Units) -> str:
    """Which neurons have no balance, and why: those that keep no cost when what has none is left out."""
    culprits = np.flatnonzero(problem.connected & ~rest.connected)
    names = ", ".join(units.name(int(unit)) for unit in culprits[:5]) + (", ..." if culprits.size > 5 else "")
    if runaway.strong is not None:
        why = (
            "they lie on no directed cycle of costed synapses (all pinned neurons count as one), so that nothing holds "
            "their cost: it falls for ever"
        )
        remedy = "Pin inputs and readouts, leave these synapses out of the cost"
    else:
        why = "scaling them one way lowers their cost for ever (their output does not grow as their input does)"
        remedy = "Pin some of them, check homogeneity and exponents"
    if not rest.connected.any():
        return f"Nothing can be balanced. {names}: {why}. {remedy}."
    if culprits.size == 0:
        names, why = _bridge(problem, runaway, units), "no path leads back, so that nothing holds their cost"
    what = (
        f"{culprits.size} of {problem.size} units have no balance" if culprits.size else "Some synapses have no balance"
    )
    return f"{what}. {names}: {why}. {remedy}, or use on_unbalanceable='exclude'."


def _bridge(problem: Problem, runaway: Runaway, units: Units) -> str:
    """One synapse without a balance, for a message."""
    for block in problem.blocks:
        post, pre, _ = block.entries()
        lost = np.flatnonzero(runaway.lowers(block.a, block.b, post, pre))
        if lost.size:
            more = f" and {lost.size - 1} more" if lost.size > 1 else ""
            return f"the synapse from {units.name(int(pre[lost[0]]))} to {units.name(int(post[lost[0]]))}{more}"
    return "synapses from or to pinned neurons"


def _message(solution: Solution, tol: float, dyadic: bool) -> str:
    if solution.balanced:
        text = f"Incoming and outgoing cost are balanced to {tol:g}."
        return text + " Scales were then rounded to powers of two." if dyadic else text
    return f"Not balanced to {tol:g}: imbalance {solution.imbalance.total:.2e}. {solution.status}"


def _synapses(circuit: Circuit, terms: Mapping[str, Any]) -> int:
    return sum(circuit.projections[name].weight.size for name in terms)


def _check(tol: float, max_iter: int | None, on_unbalanceable: str) -> None:
    if isinstance(tol, bool) or not isinstance(tol, Real) or not 0 < tol < 1:
        raise InvalidInputError(f"tol: expected a number between 0 and 1, got {tol!r}.")
    if max_iter is not None and not (isinstance(max_iter, Integral) and max_iter >= 0):
        raise InvalidInputError(f"max_iter: expected None or an integer >= 0, got {max_iter!r}.")
    if on_unbalanceable not in POLICIES:
        raise InvalidInputError(f"on_unbalanceable: expected 'exclude' or 'raise', got {on_unbalanceable!r}.")


def _check_neurons(circuit: Circuit, units: Units) -> None:
    neurons = sum(p.size for p in circuit.populations.values())
    if neurons and units.size == 0:
        raise InvalidInputError(
            f"No neuron is free: all {neurons} are pinned (or tied to a pinned one), so nothing can be rescaled. "
            "Pin less."
        )
    if neurons == 0 or not circuit.projections:
        what = "no neurons" if neurons == 0 else "no synapses that a rescaling could change"
        raise InvalidInputError(f"The network is empty: it has {what}, so there is nothing to balance.")
