"""How fast the gradient flow balances a network, once it is near balance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neurobal.analysis.eigen import slowest_modes
from neurobal.analysis.subject import subject
from neurobal.balancing import balance_formulation
from neurobal.cost import Cost
from neurobal.errors import InvalidInputError, NeurobalError
from neurobal.solvers import choose

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class ConvergenceRate:
    """How fast the imbalance decays under ``dh/dt = -(∂C/∂h)/p``, close to balance.

    Attributes
    ----------
    rate : float
        The imbalance decays as exp(-rate t): its slowest part. In units of the cost.
    rates : array
        The same for each connected component of the costed graph that can move, slowest first.
    slowest : mask of neurons, or dict of masks by population
        The component that decays at ``rate``.
    mode : array, or dict of arrays by population
        The pattern of log-scales h that decays at ``rate``, of norm 1 over neurons (tied ones as one); 0 outside
        ``slowest``.
    """

    rate: float
    rates: Array
    slowest: Any
    mode: Any

    @property
    def time_constant(self) -> float:
        """1 / rate."""
        return 1.0 / self.rate

    def __repr__(self) -> str:
        masks = self.slowest if isinstance(self.slowest, dict) else {"the network": self.slowest}
        where = ", ".join(f"{int(m.sum()):,} of {m.size:,} neurons of {name}" for name, m in masks.items() if m.any())
        among = f"the slowest of {self.rates.size:,} components" if self.rates.size > 1 else "one component"
        return f"ConvergenceRate: {self.rate:.5g} per unit of time and cost ({among}: {where})"


def convergence_rate(
    network: Any = None,
    *,
    cost: Cost | Mapping[str, Cost] | None = None,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Mapping[str, Any] | None = None,
    tol: float = 1e-9,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> ConvergenceRate:
    """The rate at which the first paper's flow approaches balance in the end.

    Near balance ``dh/dt = -H h / p`` with H the Hessian of C(h), so that all imbalances decay at least as fast as
    ``exp(-λ_min(H) t / p)``, λ_min the smallest eigenvalue of H apart from the shifts that change no cost. With
    a = b = 1 and one power H is p² times the Laplacian L of the symmetrised costs c_ij + c_ji at balance, grounded at
    pinned neurons, and the rate is ``p λ_min(L)`` (the flow of Stock et al. 2022 with τ = 1, linearised). Tied neurons
    move as one, by the sum of their imbalances. p is the largest power in what the synapses of free neurons
    cost, or the largest exponent of what these cost by themselves.

    It is a rate per unit of time *and cost*. `GradientFlow` measures costs in units of the mean cost of a synapse at
    its start: divide by that, and multiply by its ``rate``. The rate says nothing about the way until then: far from
    balance the flow may be much faster or slower.

    Parameters
    ----------
    network
        What `balance` accepts, or a `Balance`.
    cost
        As in `balance` (None: `Power` (2)). A `Balance` knows its own; another one is an error.
    tol
        To what imbalance the network is balanced first. The other arguments are those of `balance`.

    Raises
    ------
    UnbalanceableError
        Nothing can be balanced.
    NeurobalError
        Bad input; or the balanced state, or its slowest mode, could not be found to sufficient accuracy.

    Examples
    --------
    >>> result = nb.balance(np.array([[0.0, 8.0], [0.5, 0.0]]), cost=nb.Power(2))  # to weights 2 and 2
    >>> rate = nb.analysis.convergence_rate(result)
    >>> round(rate.rate, 6)  # p times the second eigenvalue 16 of the Laplacian of symmetrised costs 4 + 4
    32.0
    """
    formulation = subject(
        network, cost, "convergence_rate", pinned=pinned, tied=tied, homogeneity=homogeneity, scaling=scaling,
        namespace=namespace, level=level + 1,
    )  # fmt: skip
    result = balance_formulation(formulation, choose("newton"), tol=tol)
    if not result.success:
        raise NeurobalError(f"convergence_rate: no balanced state to start from. {result.message}")
    balanced = result.formulation
    problem, nodes, power = balanced.problem, balanced.nodes, balanced.largest_power
    logs, modes = slowest_modes(problem)
    moving = np.isfinite(logs)
    slowest = problem.labels == np.argmin(logs)
    with np.errstate(over="ignore", under="ignore"):
        rates = np.sort(np.exp(logs[moving])) / power
    if not (rates[0] >= np.finfo(float).tiny and np.isfinite(rates[-1])):
        raise InvalidInputError(
            "convergence_rate: rates are beyond the range of floating-point numbers. Give weights in other units."
        )
    masks = nodes.spread(slowest.astype(float))
    plain = result.before.is_matrix

    def shaped(by_population: dict[str, Array]) -> Any:
        return next(iter(by_population.values())) if plain else by_population

    return ConvergenceRate(
        float(rates[0]),
        rates,
        shaped({name: mask > 0 for name, mask in masks.items()}),
        shaped(nodes.spread(np.where(slowest, modes, 0.0))),
    )
