"""The first paper's gradient flow, ``dh_i/dt = -∂C/∂h_i`` (Stock et al. 2022), with one state per node instead of N²
weights.

The rule ``dJ_ij/dt = J_ij (g_j - g_i)`` of the paper, g = incoming minus outgoing cost, is this flow in the weights.
Its time runs in each connected component in units of that component's largest initial cost; the limit does not
depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.integrate import BDF

from neurobal.potential import Point, Potential
from neurobal.problem import Problem
from neurobal.solvers.contract import Monitor, Solution

Array: TypeAlias = np.ndarray

DEFAULT_STEPS = 5000


@dataclass(frozen=True)
class Flow:
    """Integrate the gradient flow until balance with SciPy's implicit multistep method (the flow is stiff).

    ``rtol`` and ``atol`` bound the local error of h, as in `scipy.integrate.solve_ivp`.
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    name: str = "flow"

    def solve(self, problem: Problem, tol: float, max_iter: int | None, monitor: Monitor) -> Solution:
        """See `Solver.solve`. ``max_iter`` counts steps of the integrator (default 5000)."""
        budget = DEFAULT_STEPS if max_iter is None else max_iter
        potential = Potential(problem)
        point = potential.at(np.zeros(problem.size))
        imbalance = potential.imbalance(point)
        monitor.record(potential.total_cost(point), imbalance)
        iterations, status = 0, ""
        if budget and not imbalance.within(tol):
            integrator = BDF(
                lambda _, h: -potential.at(h).gradient,
                0.0,
                point.h,
                np.inf,
                jac=lambda _, h: -_hessian(potential, potential.at(h)),
                rtol=self.rtol,
                # The flow has to stop where it is balanced to tol, which asks more of h than following its path does.
                atol=min(self.atol, 0.1 * tol),
            )
            while iterations < budget and not imbalance.within(tol):
                message = integrator.step()
                if integrator.status == "failed":
                    status = f"The integrator gave up: {message} Try method='newton'."
                    break
                point = potential.at(integrator.y)
                imbalance = potential.imbalance(point)
                iterations += 1
                monitor.record(potential.total_cost(point), imbalance)
        balanced = imbalance.within(tol)
        if balanced:
            status = "balanced"
        elif not status:
            status = f"The maximum of {budget} steps was reached. Try increasing max_iter, or method='newton'."
        return Solution(point.h, balanced, status, iterations, potential.evaluations, imbalance)


def _hessian(potential: Potential, point: Point) -> sparse.csc_array:
    """``Aᵀ diag(c) A``: for a = b = 1 and one power p² times the Laplacian of the symmetrised costs."""
    one_way = potential.couplings(potential.coupling_factors(point), np.ones(point.h.size), 0.0)
    return (sparse.diags_array(point.curvature) - one_way - one_way.T).tocsc()
