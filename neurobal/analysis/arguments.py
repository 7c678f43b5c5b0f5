"""What analyses of rate networks are given: a matrix of recurrent weights, and numbers of its units."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.adapters import as_circuit
from neurobal.circuit import Projection
from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray


def recurrent(weights: Any, owner: str) -> Projection:
    """The synapses of a square (post, pre) matrix; a network of several populations has no such matrix."""
    if not (isinstance(weights, (np.ndarray, list, tuple)) or sparse.issparse(weights)):
        raise InvalidInputError(
            f"{owner}: expected a (post, pre) matrix of the recurrent weights, got {type(weights).__name__}. Fill "
            "one with post_index, pre_index and weight of nb.as_circuit(network).projections[name]."
        )
    circuit = as_circuit(weights)
    if not circuit.is_matrix:
        raise InvalidInputError(f"{owner}: expected a (post, pre) matrix of the recurrent weights, got Brian2 objects.")
    return next(iter(circuit))


def numbers(values: Any, what: str, *shapes: tuple[int | None, ...]) -> Array:
    """Finite real numbers of one of these shapes (None: of any length); ``what`` they are leads the messages."""
    values = values.toarray() if sparse.issparse(values) else values
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise TypeError
        array = array.astype(float)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{what}: expected real numbers, got {type(values).__name__} {values!r:.60}.") from None
    if not any(_fits(array.shape, shape) for shape in shapes):
        expected = " or ".join(_described(shape) for shape in shapes)
        raise InvalidInputError(f"{what}: expected {expected}, got {_described(array.shape)}.")
    if not np.all(np.isfinite(array)):
        worst = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        where = f"entry {worst[0] if len(worst) == 1 else worst}" if worst else "it"
        raise InvalidInputError(f"{what}: {where} is {array[worst]}, not a finite number.")
    return array


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(n is None or n == m for m, n in zip(shape, expected, strict=True))


def _described(shape: tuple[int | None, ...]) -> str:
    if not shape:
        return "a number"
    lengths = ", ".join("any" if length is None else str(length) for length in shape)
    return f"an array of shape ({lengths}{',' if len(shape) == 1 else ''})"
