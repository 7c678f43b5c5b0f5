"""`balance`: find the rescaling that balances incoming against outgoing synaptic cost at every neuron."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import Any, TypeAlias, overload

import numpy as np

from neurobal.adapters import as_writable_circuit
from neurobal.budgets import balance_within
from neurobal.cluster.door import balance_on_cluster
from neurobal.cluster.installed import is_dask_dataframe
from neurobal.cluster.result import ClusterBalance
from neurobal.cost import Cost, Power
from neurobal.disk import SynapsesOnDisk
from neurobal.errors import InvalidInputError
from neurobal.formulation import Formulation, formulate
from neurobal.inputs import tolerance
from neurobal.large.door import balance_on_disk
from neurobal.large.result import BalanceOnDisk
from neurobal.limits import limits_of
from neurobal.progress import Progress, Report
from neurobal.result import Balance
from neurobal.rounding import quantum, rounded
from neurobal.solvers import Monitor, Solution, Solver, choose
from neurobal.solvers.contract import Meter
from neurobal.solvers.runaways import seen_from

Array: TypeAlias = np.ndarray

POLICIES = ("exclude", "raise")


@overload
def balance(
    network: SynapsesOnDisk,
    *,
    cost: Cost | Mapping[str, Cost] = ...,
    pinned: Any = ...,
    method: str | Solver = ...,
    tol: float = ...,
    max_iter: int | None = ...,
    on_unbalanceable: str = ...,
    report: Report = ...,
    checkpoint: str | PathLike[str] | None = ...,
) -> BalanceOnDisk: ...
@overload
def balance(
    network: Any = ...,
    *,
    cost: Cost | Mapping[str, Cost] = ...,
    pinned: Any = ...,
    tied: Any = ...,
    homogeneity: Any = ...,
    scaling: Mapping[str, Any] | None = ...,
    method: str | Solver = ...,
    tol: float = ...,
    max_iter: int | None = ...,
    dyadic: bool = ...,
    budget: Any = ...,
    on_unbalanceable: str = ...,
    report: Report = ...,
    checkpoint: None = ...,
    namespace: dict[str, Any] | None = ...,
    level: int = ...,
) -> Balance: ...
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
    budget: Any = None,
    on_unbalanceable: str = "exclude",
    report: Report = None,
    checkpoint: str | PathLike[str] | None = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> Balance | BalanceOnDisk | ClusterBalance:
    """Balance incoming and outgoing synaptic cost at every neuron without changing what the network computes.

    Minimises ``C(h) = Σ_e α_e |w_e|^p exp(p (a_e h_i - b_e h_j))`` over log-scales h of the free neurons; at the
    minimum incoming cost equals outgoing cost (Stock et al. 2022; Baldi et al. 2024, "Balance and Regularizer
    Minimization"). Costs on neurons add ``Σ_i g_i exp(q_i h_i)``: those that grow with h count as incoming. The
    argument is never changed: the answer holds new weights, and writes them only when its ``apply()`` is called.

    Parameters
    ----------
    network
        A (post, pre) array or scipy sparse matrix; a `Circuit`; a Brian2 ``Network``, a list of Brian2 objects, or
        None for all objects that Brian2 would run; a network on disk (`on_disk`), which is never loaded; a Dask
        dataframe with the columns ``pre``, ``post`` and ``weight``, which stays on the workers of the present
        ``distributed.Client`` (without one, of a local cluster that is started for the call and closed afterwards).
    cost
        One cost for everything, or a dict by projection name (absent: rescaled, but free of cost), and by population
        name for costs on neurons. `Power`, `Robustness`; on neurons `Activity`, `OutputNoise`, `NeuronCost`; sums and
        multiples of them. All terms must have the same physical units.
    pinned
        Neurons that keep λ = 1: names of populations, Brian2 groups or subgroups, a dict from name to mask, indices
        or True; for a matrix a mask or indices; for a network on disk or a Dask dataframe ids.
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
        Success means: relative imbalance of every connected component ≤ tol, and of every neuron ≤ √tol.
    max_iter
        Iterations of the method; None for its own default. Running out is no error: ``success`` is False.
    dyadic
        Round to scales whose powers are powers of two: simulations stay bitwise identical.
    budget
        Limits: pairs of a cost and the multiple of its total now that it may have, ``[(Activity(rms), 1.0), (Power(2),
        1.2)]``. The least ``cost`` within them is found, by Newton's method only. Their units may differ from those of
        ``cost``; what is left out counts in their totals. With ``dyadic`` they hold after rounding, or ``message`` says
        by how much not.
    on_unbalanceable
        What to do with synapses and costs of single neurons that have no balance: ``'exclude'`` them, or ``'raise'``.
    report
        Progress, as in Brian2's ``run``: None, ``'text'``, ``'stderr'``, or a function; or ``'bar'``, which tqdm draws.
    checkpoint
        On disk: a file that keeps what was reached after each step. A call that was stopped goes on where it was if it
        is made again with the same file, network, cost and pins; when all is balanced the file is deleted.
    namespace, level
        Brian2: where to find external constants, as in ``Network.run``.

    Returns
    -------
    Balance; BalanceOnDisk of a network on disk; ClusterBalance, with lazy ``weights``, of a Dask dataframe

    Raises
    ------
    UnbalanceableError
        Nothing can be balanced at all, or nothing of a cost on neurons, or something cannot and
        ``on_unbalanceable='raise'``.
    NeurobalError
        Bad input. The message names the culprit and the remedy.

    Examples
    --------
    >>> weights = np.array([[0.0, 8.0], [0.5, 0.0]])  # from neuron 1 to 0, and back
    >>> result = nb.balance(weights, cost=nb.Power(2))
    >>> result.success, result.weights.round(6).tolist()
    (True, [[0.0, 2.0], [2.0, 0.0]])
    >>> result.scale.round(6).tolist()
    [0.5, 2.0]
    >>> result.cost_before, round(result.cost, 6)
    (64.25, 8.0)

    The least output noise at no more activity than before:

    >>> noise, activity = nb.OutputNoise([4.0, 1.0]), nb.Activity([1.0, 1.0])
    >>> result = nb.balance(weights, cost=noise, budget=[(activity, 1.0)])
    >>> round(result.cost / result.cost_before, 6), round(result.budgets[0].ratio, 6)
    (0.9, 1.0)
    """
    _check(tol, max_iter, on_unbalanceable)
    solver = choose(method)
    how: dict[str, Any] = {
        "tol": tol,
        "max_iter": max_iter,
        "strict": on_unbalanceable == "raise",
        "report": report,
    }
    in_memory = {
        "tied": tied, "homogeneity": homogeneity, "scaling": scaling, "dyadic": dyadic, "budget": budget,
        "namespace": namespace,
    }  # fmt: skip
    if isinstance(network, SynapsesOnDisk):
        how["checkpoint"] = checkpoint
        return balance_on_disk(network, cost=cost, pinned=pinned, solver=solver, others=in_memory, **how)
    if is_dask_dataframe(network):
        others = {**in_memory, "checkpoint": checkpoint}
        return balance_on_cluster(network, cost=cost, pinned=pinned, solver=solver, others=others, **how)
    if checkpoint is not None:
        raise InvalidInputError("checkpoint: only balancing on disk keeps one; in memory it takes too short a time.")
    limits = None if budget is None else limits_of(budget)
    circuit = as_writable_circuit(
        network,
        pinned=pinned,
        tied=tied,
        homogeneity=homogeneity,
        scaling=scaling,
        namespace=namespace,
        level=level + 1,
    )
    if limits is not None:
        return balance_within(circuit, cost, limits, solver, dyadic=dyadic, **how)
    return balance_formulation(formulate(circuit, cost), solver, dyadic=dyadic, **how)


def balance_formulation(
    formulation: Formulation,
    solver: Solver,
    *,
    tol: float,
    max_iter: int | None = None,
    dyadic: bool = False,
    strict: bool = False,
    report: Report = None,
) -> Balance:
    """`balance` from the formulation on: solve, and wrap the solution."""
    progress = Progress(report, f"balancing {formulation.nodes.size:,} units, {formulation.synapses:,} synapses")
    formulation, solution, monitor = _solve(formulation, solver, tol, max_iter, progress, strict)
    h = formulation.problem.centred(solution.h)
    imbalance = solution.imbalance
    if dyadic:
        meter = Meter(formulation.problem)
        h = rounded(h, quantum(formulation.circuit), formulation.problem.shiftable(), lambda h: meter(h)[0])
        imbalance = meter(h)[1]
    log_scale = formulation.nodes.spread(h)
    formulation = replace(formulation)  # forgets the flat problem, which takes memory
    after = formulation.rescaled(log_scale, dyadic=dyadic)
    cost_before = formulation.total()
    constant = cost_before - monitor.cost[0] if math.isfinite(cost_before) else 0.0
    progress.done(f"imbalance {imbalance.total:.1e}")
    return Balance(
        success=solution.balanced,
        status=solution.status,
        message=solution.message(tol)
        + (" Scales were then rounded to powers of two." if dyadic and solution.balanced else ""),
        method=solver.name,
        iterations=solution.iterations,
        evaluations=solution.evaluations,
        cost_before=cost_before,
        cost=after.total(),
        imbalance_before=monitor.imbalance[0],
        imbalance=imbalance.total,
        worst_unit=imbalance.worst_unit,
        excluded=formulation.excluded,
        log_scale=log_scale,
        before=formulation.circuit,
        circuit=after.circuit,
        formulation=after,
        history=monitor.history(constant),
        dyadic=dyadic,
    )


def _solve(
    formulation: Formulation, solver: Solver, tol: float, max_iter: int | None, progress: Progress, strict: bool
) -> tuple[Formulation, Solution, Monitor]:
    """Leave out what has no balance, then solve; a solver that runs away shows what else to leave out."""
    formulation = formulation.balanceable(strict=strict)
    while True:
        monitor = Monitor(progress, tol)
        solution = solver.solve(formulation.problem, tol, max_iter, monitor)
        runaway = None if solution.balanced else seen_from(formulation.problem, solution.h, tol)
        if runaway is None:
            return formulation, solution, monitor
        formulation = formulation.without(runaway, strict=strict).balanceable(strict=strict)


def _check(tol: float, max_iter: int | None, on_unbalanceable: str) -> None:
    tolerance(tol)
    if max_iter is not None and not (isinstance(max_iter, Integral) and max_iter >= 0):
        raise InvalidInputError(f"max_iter: expected None or an integer >= 0, got {max_iter!r}.")
    if on_unbalanceable not in POLICIES:
        raise InvalidInputError(f"on_unbalanceable: expected 'exclude' or 'raise', got {on_unbalanceable!r}.")
