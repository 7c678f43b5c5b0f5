"""Where noise on the units ends up: the stationary covariance of a linear rate network, and of its readout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import linalg, sparse

from neurobal.adapters import as_circuit
from neurobal.circuit import Circuit
from neurobal.errors import InvalidInputError

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
    """Stationary covariance under independent white noise on every unit, by the Lyapunov equation.

    ::

        dx = (-x + J φ(x)) dt + σ dW,   A = -1 + J diag(φ'),   A Σ + Σ Aᵀ + diag(σ²) = 0,   y = D x

    Time is in units of the time constant. Exact for linear networks; for others linearised around a fixed point.
    With noise that scales along, σ' = Λσ, a rescaled network has Σ' = ΛΣΛ and the same output covariance. With noise
    of *fixed* size both change, and neither need fall when the network is balanced: only `sensitivity` must.

    Parameters
    ----------
    weights : (N, N) array or scipy sparse matrix
        J_ij from unit j to unit i. Sparse ones are made dense; the effort grows as N³.
    slopes : array (N,), optional
        φ'(x_j) at the fixed point; 1 for linear networks. No rescaling changes them if φ is homogeneous of degree 1.
    noise : float or array (N,)
        σ: in Stock et al. 2022, ``noise_std``. ``sigma*sqrt(2/tau)*xi`` in a Brian2 model means σ = √2 sigma.
    readout : array (outputs, N), optional
        D, of the state x, not of φ(x). After balancing it is ``D / scale``.

    Raises
    ------
    NeurobalError
        Wrong shapes, or an unstable network: the message names the eigenvalue of A that does not decay.
    """
    if isinstance(weights, Circuit):
        raise InvalidInputError("noise_covariance: expected a (post, pre) matrix of the recurrent weights.")
    matrix = next(iter(as_circuit(weights))).container
    matrix = np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix, dtype=float)
    size = len(matrix)
    slope = _per_unit(1.0 if slopes is None else slopes, size, "slopes")
    std = _per_unit(noise, size, "noise")
    drift = matrix * slope - np.eye(size)
    decay = np.linalg.eigvals(drift)
    if size and decay.real.max() >= 0:
        worst = decay[np.argmax(decay.real)]
        raise InvalidInputError(
            "noise_covariance: the network is unstable, there is no stationary state: -1 + J φ' has the eigenvalue "
            f"{worst:.4g}. Make the weights smaller, or give the slopes at a stable fixed point."
        )
    state = linalg.solve_continuous_lyapunov(drift, -np.diag(std**2)) if size else np.zeros((0, 0))
    state = 0.5 * (state + state.T)
    if readout is None:
        return NoiseCovariance(state, None)
    out = np.atleast_2d(np.asarray(readout, dtype=float))
    if out.ndim != 2 or out.shape[1] != size or not np.all(np.isfinite(out)):
        raise InvalidInputError(
            f"noise_covariance: expected a finite readout (outputs, {size}), got shape {out.shape}."
        )
    return NoiseCovariance(state, out @ state @ out.T)


def _per_unit(values: Any, size: int, what: str) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim == 0:
        array = np.full(size, array)
    if array.shape != (size,) or not np.all(np.isfinite(array)):
        raise InvalidInputError(f"noise_covariance: {what}: expected a number or {size} of them, got {array.shape}.")
    return array
