"""The matrix of recurrent weights that analyses of rate networks are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from neurobal.adapters import as_circuit
from neurobal.circuit import Circuit, Projection
from neurobal.errors import InvalidInputError


def recurrent(weights: Any, owner: str) -> tuple[Circuit, Projection]:
    """A square (post, pre) matrix as a circuit, and its synapses; several populations have no such matrix."""
    if not (isinstance(weights, (np.ndarray, list, tuple)) or sparse.issparse(weights)):
        raise InvalidInputError(
            f"{owner}: expected a (post, pre) matrix of the recurrent weights, got {type(weights).__name__}. Fill "
            "one with post_index, pre_index and weight of nb.as_circuit(network).projections[name]."
        )
    circuit = as_circuit(weights)
    if not circuit.is_matrix:
        raise InvalidInputError(f"{owner}: expected a (post, pre) matrix of the recurrent weights, got Brian2 objects.")
    return circuit, next(iter(circuit))
