"""A (post, pre) matrix, dense or scipy sparse, as a `Circuit` of one population."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from neurobal.adapters.dispatch import read, refuse_options
from neurobal.circuit import Circuit
from neurobal.errors import InvalidInputError

NEURONS, WEIGHTS = "neurons", "weights"


@read.register(np.ndarray)
@read.register(sparse.sparray)
@read.register(sparse.spmatrix)
def read_matrix(
    network: Any, *, pinned: Any = None, tied: Any = None, homogeneity: Any = None, level: int = 0, **options: Any
) -> Circuit:
    """The circuit of a square matrix: population "neurons", projection "weights"."""
    refuse_options(options, "matrix")
    if network.ndim != 2 or network.shape[0] != network.shape[1]:
        raise InvalidInputError(
            f"network: a matrix must be square, (post, pre) over one set of neurons; got shape {network.shape}. For "
            "layers or several populations build a Circuit with add() and connect()."
        )
    circuit = Circuit()
    circuit.is_matrix = True
    circuit.add(NEURONS, network.shape[0], 1.0 if homogeneity is None else homogeneity)
    circuit.connect(NEURONS, NEURONS, network, name=WEIGHTS)
    return circuit.with_constraints(pinned=pinned, tied=tied)
