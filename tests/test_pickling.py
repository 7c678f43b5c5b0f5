"""Results pickle and copy: what was bound to objects says so in another process, and stays bound in this one."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import neurobal as nb
from neurobal.cost import Cost, Power


class Mine(Cost):
    """A cost of a user's own."""

    def synaptic_terms(self, circuit: Any, projections: Any) -> Any:
        return Power(2).synaptic_terms(circuit, projections)


def again(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


@pytest.fixture
def matrix(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(6, 6)) * (rng.random((6, 6)) < 0.7)


@pytest.mark.parametrize(
    "container",
    [
        np.array,
        lambda J: J.astype(np.float32),
        lambda J: np.ma.masked_array(J, mask=np.abs(J) < 0.1),
        lambda J: np.rint(10 * J).astype(int),
        lambda J: J > 0,
        sparse.csr_array,
        sparse.csc_matrix,
        sparse.coo_array,
    ],
)
def test_results_of_matrices(container: Any, matrix: np.ndarray) -> None:
    result = nb.balance(container(matrix), cost=Mine())
    for other in (again(result), copy.deepcopy(result), copy.copy(result)):
        assert repr(other) == repr(result)
        assert type(other.weights) is type(result.weights) and other.weights.dtype == result.weights.dtype
        difference = other.weights != result.weights
        assert not (difference.nnz if sparse.issparse(difference) else difference.any())
        assert nb.verify(container(matrix), other.weights).preserved


def test_circuits_and_certificates(matrix: np.ndarray) -> None:
    circuit = nb.Circuit()
    circuit.add("E", 6, bias=np.arange(1.0, 7), tied=[0, 0, 1, 1, -1, -1])
    circuit.connect("E", "E", matrix)
    certificate = nb.verify(circuit, nb.balance(circuit).circuit)
    assert nb.verify(circuit, again(circuit)).exact
    assert repr(again(certificate)) == repr(certificate)


def test_a_copy_does_not_share_arrays(matrix: np.ndarray) -> None:
    circuit = nb.as_circuit(matrix)
    copied = copy.deepcopy(circuit)
    next(iter(copied)).weight[:] = 0
    assert next(iter(circuit)).weight.all()
