"""Linear response of a balanced network: how synaptic balancing answers a small change of some synapses.

To first order the imbalance g (incoming minus outgoing cost) under ``dh/dt = -rate g`` obeys ``dg/dt = -rate p L g``:
it diffuses over the network (Stock, Harvey, Ocko & Ganguli 2022). `neural_sheet.py` compares it with a simulation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import laplacian

import neurobal as nb

Array = NDArray[np.float64]


class LinearResponse:
    """Solution of ``dg/dt = -rate p L g``, ``dh/dt = -rate g`` by the eigenmodes of L, for one matrix of synapses.

    L is the Laplacian of the symmetrised costs C + Cᵀ with C_ij = |w_ij|^p, as p² L is the Hessian of the total cost
    at h = 0 (Stock et al. 2022).

    Parameters
    ----------
    weights
        As a `nb.Projection` of a population onto itself.
    unit
        What costs are measured in, as |w|^p: `nb.GradientFlow` uses the mean of all synapses at the start of its
        simulation.
    rate
        Of the rule, in Hz.
    """

    def __init__(self, weights: nb.Projection, unit: float, rate: float, power: float = 2.0) -> None:
        self.speed = rate * power
        self.rate = rate
        cost = np.abs(weights.weight) ** power / unit
        self.cost = sparse.csr_array((cost, (weights.post_index, weights.pre_index)), shape=weights.shape)
        self.laplacian = laplacian(self.cost + self.cost.T).toarray()
        values, self.modes = np.linalg.eigh(self.laplacian)
        self.values = np.where(values > 1e-9 * values[-1], values, 0.0)  # a shift of all h costs nothing

    def initial(self) -> Array:
        """g at h = 0: incoming minus outgoing cost."""
        return np.asarray(self.cost.sum(axis=1) - self.cost.sum(axis=0))

    def gradient(self, start: Array, times: Array) -> Array:
        """g(t) = exp(-rate p L t) g(0), one column a time."""
        decay = np.exp(-self.speed * np.outer(self.values, times))
        return self.modes @ (decay * (self.modes.T @ start)[:, None])

    def log_scale(self, start: Array, times: Array) -> Array:
        """h(t) = -rate ∫ g dt; in the end the Green's function of L on what was there first, -L⁺ g(0) / p."""
        speed = self.speed * self.values[:, None]
        grown = np.where(speed > 0, -np.expm1(-speed * times) / np.where(speed > 0, speed, 1.0), times)
        return self.modes @ (-self.rate * grown * (self.modes.T @ start)[:, None])

    def given_back(self, post: int, pre: int) -> float:
        """The share of a small change of its own that a synapse loses in the end: C_ij × the effective resistance
        between its neurons, L taken as conductances. In a connected balanced network the shares of all synapses add
        up to N - 1 (Foster's theorem)."""
        ends = self.modes[post] - self.modes[pre]
        moving = self.values > 0
        return float(self.cost[post, pre] * np.sum(ends[moving] ** 2 / self.values[moving]))
