"""Costs on synapses: sums of powers of their weights.

Both papers minimise a sum of one term per synapse: Stock et al. 2022 ``C = Σ α_e |w_e|^p``, Baldi et al. 2024 the
regulariser ``R(W) = Σ |w|^p``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from neurobal.circuit import Circuit, Projection
from neurobal.cost.base import Cost, superscript
from neurobal.cost.dimensions import dimension_of, raised, times
from neurobal.cost.terms import Term
from neurobal.errors import InvalidInputError, did_you_mean
from neurobal.inputs import real


@dataclass(frozen=True, eq=False)
class Power(Cost):
    """``Σ_e weight_e |w_e|^p`` for one ``p > 0``.

    Parameters
    ----------
    p
        Any positive number: 2 is the squared Frobenius norm, 1 the total absolute weight.
    weight
        How much each synapse counts: a number ≥ 0, an array with one entry a synapse, or for a matrix an array
        (dense or sparse) of the matrix's shape (post, pre). It may carry units (``1/nS**2``), so that projections
        with weights of different units can share one cost.
    """

    p: float
    weight: Any = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not isinstance(self.p, Real) or not 0 < self.p < math.inf:
            raise InvalidInputError(f"Power.p: expected a number > 0, got {self.p!r}.")

    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        return {name: [self._term(circuit.projections[name])] for name in projections}

    def _term(self, projection: Projection) -> Term:
        dimension = times(raised(projection.dimension, self.p), dimension_of(self.weight))
        return Term(float(self.p), _per_synapse(self.weight, projection), dimension)

    def powers(self) -> set[float]:
        return {float(self.p)}

    @property
    def formula(self) -> str:
        factor = "" if np.isscalar(self.weight) and self.weight == 1 else "α "
        return f"Σ {factor}{_power_of_weight(self.p)}"

    def __repr__(self) -> str:
        weight = "" if np.isscalar(self.weight) and self.weight == 1 else ", weight=..."
        return f"Power({self.p:g}{weight})"


@dataclass(frozen=True, eq=False)
class Robustness(Cost):
    """Sensitivity of the dynamics to noise on the neurons: ``Σ_ij ⟨φ'(x_j)²⟩ J_ij²`` (Stock et al. 2022).

    For ``dx/dt = -x + J φ(x)`` the mean squared velocity change caused by small independent noise on all neurons is
    this sum plus terms that no rescaling changes. The slopes of homogeneous neurons of degree 1 do not change either.

    Parameters
    ----------
    gains
        Mean squared slope ⟨φ'²⟩ of each *presynaptic* neuron over the activity of interest: array (n_pre,), or a dict
        of such arrays by population name. For ReLU it is the fraction of time that the neuron is active.
    """

    gains: Any

    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        return {name: [self._term(circuit.projections[name])] for name in projections}

    def _term(self, projection: Projection) -> Term:
        if not (np.all(projection.post_exponent == 1) and np.all(projection.pre_exponent == 1)):
            raise InvalidInputError(
                f"Robustness: projection {projection.name!r} does not have exponents (1, 1). Slopes are invariant "
                "only for units of homogeneity 1; use Power(2, weight=...) with your own weights instead."
            )
        gains = self.gains
        if isinstance(gains, Mapping):
            if projection.pre not in gains:
                raise InvalidInputError(
                    f"Robustness.gains: no gains for population {projection.pre!r}, which sends projection "
                    f"{projection.name!r}.{did_you_mean(str(projection.pre), gains)}"
                )
            gains = gains[projection.pre]
        gains = real(gains, "Robustness.gains").astype(float, copy=False)
        expected = (
            f"Robustness.gains: expected {projection.shape[1]} finite numbers >= 0, one for each presynaptic neuron of "
            f"projection {projection.name!r}, got "
        )
        if gains.shape != (projection.shape[1],):
            raise InvalidInputError(f"{expected}an array of shape {gains.shape}.")
        wrong = np.flatnonzero(~((gains >= 0) & np.isfinite(gains)))
        if wrong.size:
            raise InvalidInputError(f"{expected}{gains[wrong[0]]:g} for neuron {wrong[0]}.")
        return Term(2.0, gains[projection.pre_index], raised(projection.dimension, 2))

    def powers(self) -> set[float]:
        return {2.0}

    @property
    def formula(self) -> str:
        return "Σ ⟨φ'²⟩ w²"

    def __repr__(self) -> str:
        return "Robustness(gains)"


def _per_synapse(weight: Any, projection: Projection) -> float | np.ndarray:
    """``Power.weight`` as one number, or one number a synapse."""
    if sparse.issparse(weight):
        weight = weight.tocsr()
        if weight.shape != projection.shape:
            raise InvalidInputError(
                f"Power.weight: expected shape {projection.shape} for {projection.name!r}, got {weight.shape}."
            )
        values = np.asarray(weight[projection.post_index, projection.pre_index]).ravel()
    else:
        values = real(weight, "Power.weight").astype(float, copy=False)  # in base units, as Brian2 stores weights
        if values.ndim == 2 and values.shape == projection.shape:
            values = values[projection.post_index, projection.pre_index]
        elif values.ndim != 0 and values.shape != projection.weight.shape:
            raise InvalidInputError(
                f"Power.weight: expected a number, {projection.weight.size} numbers (one a synapse) or an array of "
                f"shape {projection.shape} for projection {projection.name!r}, got shape {values.shape}."
            )
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise InvalidInputError(f"Power.weight: weights must be finite and >= 0 (projection {projection.name!r}).")
    return float(values) if values.ndim == 0 else values


def _power_of_weight(p: float) -> str:
    return f"{'w' if p % 2 == 0 and p < 10 else '|w|'}{superscript(p)}"
