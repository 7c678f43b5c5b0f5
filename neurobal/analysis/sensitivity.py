"""How much noise on its neurons moves a rate network: the mean squared sensitivity of its velocity."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurobal.analysis.recurrent import recurrent
from neurobal.cost import Robustness
from neurobal.errors import InvalidInputError
from neurobal.formulation import formulate
from neurobal.inputs import numbers


def sensitivity(weights: Any, gains: Any, *, slopes: Any = None) -> float:
    """Mean squared sensitivity ⟨‖dF/dx‖²_F⟩ of ``dx/dt = F(x) = -x + J φ(x) + u`` (Stock et al. 2022).

    ::

        dF_i/dx_j = -δ_ij + J_ij φ'(x_j)
        ⟨‖dF/dx‖²_F⟩ = N - 2 Σ_i J_ii ⟨φ'(x_i)⟩ + Σ_ij J_ij² ⟨φ'(x_j)²⟩

    Small independent noise of variance σ² on every x_j changes the velocity by σ² times this, in the mean square.

    **Guaranteed**: the last term is the cost ``Robustness(gains)``. For homogeneous φ (degree 1: ReLU, leaky ReLU,
    linear) a rescaling of the neurons changes neither slopes nor J_ii, so that this number falls by exactly what
    ``balance(J, cost=Robustness(gains))`` saves, ``cost_before - cost`` (where no synapse is left out), and no
    rescaling makes it smaller. **Not guaranteed**: that the output, or the error in a task, gets less noisy. This is
    about the velocity caused by noise of the same size on every neuron at one moment; it does not see how noise
    accumulates over time, nor how activity and readout are rescaled along. See `noise_covariance`.

    Parameters
    ----------
    weights : (N, N) array or scipy sparse matrix
        J_ij from neuron j to neuron i, in units of the leak.
    gains : array (N,)
        ⟨φ'(x_j)²⟩ over the activity of interest. For ReLU the fraction of time that the neuron is active.
    slopes : array (N,), optional
        ⟨φ'(x_i)⟩; needed where neurons have connections to themselves. For ReLU the same as ``gains``.

    Raises
    ------
    NeurobalError
        Anything but a square matrix, wrong shapes, numbers that are not finite; slopes that are missing, or larger
        than their mean squares allow.

    Examples
    --------
    >>> weights, gains = np.array([[0.0, 8.0], [0.5, 0.0]]), np.array([0.5, 0.5])
    >>> nb.analysis.sensitivity(weights, gains)  # 2 + (64 + 0.25) / 2
    34.125
    >>> result = nb.balance(weights, cost=nb.Robustness(gains))
    >>> round(nb.analysis.sensitivity(result.weights, gains), 6)
    6.0
    """
    circuit, projection = recurrent(weights, "sensitivity")
    size = projection.shape[0]
    gains = numbers(gains, "sensitivity: gains", (size,))
    cost = formulate(circuit, Robustness(gains)).total()
    itself = (projection.post_index == projection.pre_index) & (projection.weight != 0)
    total = size + cost
    if slopes is None:
        if itself.any():
            raise InvalidInputError(
                f"sensitivity: {int(itself.sum())} units have connections to themselves; give slopes, the mean ⟨φ'⟩ of "
                "each unit (for ReLU the same as gains)."
            )
        return total
    slopes = numbers(slopes, "sensitivity: slopes", (size,))
    if np.any(slopes**2 > gains * (1 + 1e-9)):
        worst = int(np.argmax(slopes**2 - gains))
        raise InvalidInputError(
            f"sensitivity: unit {worst} has mean slope {slopes[worst]:g}, but mean squared slope {gains[worst]:g}, "
            "which is less than its square. Gains are ⟨φ'²⟩, slopes ⟨φ'⟩."
        )
    return total - 2 * float(np.dot(projection.weight[itself], slopes[projection.post_index[itself]]))
