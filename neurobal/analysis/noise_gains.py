"""How much private noise of each unit reaches the readout: the diagonal of the observability Gramian."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from scipy import linalg, sparse
from scipy.integrate import DOP853

from neurobal.analysis.noise import drift_of, refuse_unstable
from neurobal.analysis.recurrent import recurrent
from neurobal.circuit import Projection
from neurobal.errors import NeurobalError
from neurobal.inputs import numbers

Array: TypeAlias = np.ndarray

LARGEST_DENSE = 1000  # units; the effort grows as N³
RTOL = 1e-8  # of the integration, which leaves out as much at its end
BEYOND = 1e100  # times the readout: no stable network amplifies so much on the way
LONGEST = 1e5  # in units of the time constant, after which what has not died out is taken for unstable


def noise_gains(weights: Any, readout: Any, *, slopes: Any = None) -> Array:
    """Output variance per unit of the variance of private noise on each unit, for the cost ``OutputNoise``.

    ::

        dx = (-x + J φ(x)) dt + σ dW,   y = D x,   A = -1 + J diag(φ')
        Aᵀ Q + Q A + Dᵀ D = 0,   G_i = Q_ii,   Σ_k var(y_k) = Σ_i σ_i² G_i

    Time is in units of the time constant. Exact for linear networks; for others linearised around a fixed point. Under
    a rescaling a unit whose noise keeps its size σ gets the gain G_i / λ_i², as J becomes Λ J Λ⁻¹ and D becomes D Λ⁻¹.

    Parameters
    ----------
    weights : (N, N) array or scipy sparse matrix
        J_ij from neuron j to neuron i.
    readout : array or sparse matrix (outputs, N), or array (N,)
        D, of the state x, not of φ(x).
    slopes : float or array (N,), optional
        φ'(x_j) at the fixed point; 1 for linear networks.

    Returns
    -------
    array (N,)
        G. Up to 1000 units by the Lyapunov equation; above by integrating the adjoint network ``dz/dt = Aᵀ z`` from
        every row of D, one product with J a step, to a relative 1e-6 or so.

    Raises
    ------
    NeurobalError
        Anything but a square matrix, wrong shapes, numbers that are not finite, or an unstable network.

    Examples
    --------
    >>> weights = np.array([[0.0, 2.0], [0.0, 0.0]])  # neuron 1 drives neuron 0, which is read out
    >>> nb.analysis.noise_gains(weights, [1.0, 0.0]).round(6).tolist()
    [0.5, 1.0]
    """
    _, synapses = recurrent(weights, "noise_gains")
    size = synapses.shape[0]
    slope = np.broadcast_to(numbers(1.0 if slopes is None else slopes, "noise_gains: slopes", (), (size,)), (size,))
    out = np.atleast_2d(numbers(readout, "noise_gains: readout", (size,), (None, size)))
    return _by_lyapunov(synapses, slope, out) if size <= LARGEST_DENSE else _by_integration(synapses, slope, out)


def _by_lyapunov(synapses: Projection, slope: Array, readout: Array) -> Array:
    balanced, scale = drift_of(synapses, slope)
    refuse_unstable(balanced, "noise_gains")
    scaled = readout * scale
    gramian = linalg.solve_continuous_lyapunov(balanced.T, -scaled.T @ scaled)
    gains: Array = np.maximum(np.diag(gramian), 0.0) / scale**2
    return gains


def _by_integration(synapses: Projection, slope: Array, readout: Array) -> Array:
    """``G_i = Σ_k ∫ z_ki(t)² dt`` with ``z_k(0)`` the rows of the readout."""
    size, outputs = synapses.shape[0], len(readout)
    values = synapses.weight * slope[synapses.pre_index]
    adjoint = sparse.coo_array((values, (synapses.pre_index, synapses.post_index)), shape=(size, size)).tocsr()

    def velocity(_: float, state: Array) -> Array:
        z = state[: size * outputs].reshape(size, outputs)
        return np.concatenate([(adjoint @ z - z).ravel(), (z**2).sum(axis=1)])

    state = np.concatenate([readout.T.ravel(), np.zeros(size)])
    largest = np.abs(readout).max(initial=0.0)
    if largest == 0:
        return np.zeros(size)
    integrator = DOP853(velocity, 0.0, state, LONGEST, rtol=RTOL, atol=RTOL * largest)
    while integrator.status == "running":
        integrator.step()
        z = integrator.y[: size * outputs]
        if integrator.t > 1 and np.dot(z, z) * integrator.t <= RTOL * integrator.y[size * outputs :].sum():
            gains: Array = integrator.y[size * outputs :]
            return gains
        if not np.abs(z).max() < BEYOND * largest:
            break
    raise NeurobalError(
        f"noise_gains: what a unit does to the readout has not died out after {integrator.t:.3g} time constants: the "
        "network is unstable, or nearly so. Make the weights smaller, or give the slopes at a stable fixed point."
    )
