"""Where noise on the neurons ends up: the stationary covariance of a linear rate network, and of its readout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import linalg

from neurobal.analysis.recurrent import recurrent
from neurobal.circuit import Projection
from neurobal.errors import InvalidInputError
from neurobal.inputs import numbers

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class NoiseCovariance:
    """``state`` Σ (N, N) of x, and ``output`` D Σ Dᵀ (outputs, outputs) of the readout y = D x, None without one."""

    state: Array
    output: Array | None

    def __repr__(self) -> str:
        text = f"NoiseCovariance: {len(self.state)} units, total variance {np.trace(self.state):.5g}"
        return text if self.output is None else f"{text}; total output variance {np.trace(self.output):.5g}"


def noise_covariance(weights: Any, *, slopes: Any = None, noise: Any = 1.0, readout: Any = None) -> NoiseCovariance:
    """Stationary covariance under independent white noise on every neuron, by the Lyapunov equation.

    ::

        dx = (-x + J φ(x)) dt + σ dW,   A = -1 + J diag(φ'),   A Σ + Σ Aᵀ + diag(σ²) = 0,   y = D x

    Time is in units of the time constant. Exact for linear networks; for others linearised around a fixed point. With
    noise that scales along, σ' = Λσ, a rescaled network has Σ' = ΛΣΛ and the same output covariance. With noise of
    *fixed* size both change, and neither need fall when the network is balanced: only `sensitivity` must.

    Parameters
    ----------
    weights : (N, N) array or scipy sparse matrix
        J_ij from neuron j to neuron i. Sparse ones are made dense; the effort grows as N³.
    slopes : float or array (N,), optional
        φ'(x_j) at the fixed point; 1 for linear networks. No rescaling changes them if φ is homogeneous of degree 1.
    noise : float or array (N,)
        σ: in Stock et al. 2022, ``noise_std``. ``sigma*sqrt(2/tau)*xi`` in a Brian2 model means σ = √2 sigma.
    readout : array or sparse matrix (outputs, N), optional
        D, of the state x, not of φ(x). After balancing it is ``D / scale``.

    Raises
    ------
    NeurobalError
        Anything but a square matrix (a Circuit, Brian2 objects), wrong shapes, numbers that are not finite, or an
        unstable network: the message names the eigenvalue of A that does not decay.

    Examples
    --------
    >>> weights = np.array([[0.0, 2.0], [0.0, 0.0]])  # neuron 1 drives neuron 0
    >>> covariance = nb.analysis.noise_covariance(weights, readout=[1.0, 0.0])
    >>> covariance.state.round(6).tolist()  # variance σ²/2 of each by itself; neuron 0 hears neuron 1
    [[1.5, 0.5], [0.5, 0.5]]
    >>> covariance.output.round(6).tolist()
    [[1.5]]
    """
    _, synapses = recurrent(weights, "noise_covariance")
    size = synapses.shape[0]
    slope, std = (
        np.broadcast_to(numbers(values, f"noise_covariance: {argument}", (), (size,)), (size,))
        for values, argument in ((1.0 if slopes is None else slopes, "slopes"), (noise, "noise"))
    )
    out = None
    if readout is not None:
        out = np.atleast_2d(numbers(readout, "noise_covariance: readout", (size,), (None, size)))
    if np.any(std < 0):
        worst = int(np.argmin(std))
        raise InvalidInputError(f"noise_covariance: noise: σ of unit {worst} is {std[worst]:g}, below zero.")
    balanced, scale = drift_of(synapses, slope)
    refuse_unstable(balanced, "noise_covariance")
    state = linalg.solve_continuous_lyapunov(balanced, -np.diag((std / scale) ** 2))
    state = 0.5 * (state + state.T) * np.outer(scale, scale)
    return NoiseCovariance(state, None if out is None else out @ state @ out.T)


def drift_of(synapses: Projection, slope: Array) -> tuple[Array, Array]:
    """``S⁻¹ A S`` and the diagonal of S for ``A = -1 + J diag(φ')``: in scales in which no digits are lost."""
    drift = -np.eye(synapses.shape[0])
    np.add.at(drift, (synapses.post_index, synapses.pre_index), synapses.weight * slope[synapses.pre_index])
    # Very different scales would cost all digits. These are powers of two: nothing is rounded.
    balanced, (scale, _) = linalg.matrix_balance(drift, permute=False, separate=True)
    return balanced, scale


def refuse_unstable(drift: Array, owner: str) -> None:
    """Raise an error if not all eigenvalues decay."""
    decay = np.linalg.eigvals(drift)
    if decay.real.max(initial=-1.0) >= 0:
        worst = decay[np.argmax(decay.real)]
        raise InvalidInputError(
            f"{owner}: the network is unstable, there is no stationary state: -1 + J φ' has the eigenvalue "
            f"{worst:.4g}. Make the weights smaller, or give the slopes at a stable fixed point."
        )
