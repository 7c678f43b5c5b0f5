"""Weights come back in the container they came in; the argument of `balance` is never changed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from checks import content
from scipy import sparse

import neurobal as nb
from benchmarks import graphs as families

FORMATS = ["csr", "csc", "coo", "bsr", "dia", "dok", "lil"]
SPARSE = [getattr(sparse, f"{name}_{kind}") for name in FORMATS for kind in ("array", "matrix")]
CONTAINERS = [np.array, *SPARSE]
DTYPES = [np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_]

containers = pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: c.__name__)


@pytest.fixture
def matrix(rng: np.random.Generator) -> np.ndarray:
    dense = rng.poisson(1.0, (6, 6)).astype(float)
    dense[np.arange(6), np.arange(6) - 1] = 2
    return dense


def dense(matrix: object) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


@containers
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_the_container_comes_back_with_a_floating_dtype(matrix: np.ndarray, container: type, dtype: type) -> None:
    given = container(matrix.astype(dtype))
    result = nb.balance(given)
    assert type(result.weights) is type(given)
    assert result.weights.dtype == (np.float32 if dtype is np.float32 else np.float64)
    h = np.log(result.scale)
    assert np.allclose(dense(result.weights), dense(given) * np.exp(h[:, None] - h), rtol=1e-6)


@containers
def test_the_argument_is_never_changed(matrix: np.ndarray, container: type) -> None:
    given = container(matrix)
    before = content(given)
    result = nb.balance(given)
    assert result.certificate.preserved
    weights = result.weights
    weights *= 0.0
    assert content(given) == before


def test_read_only_arrays_are_read(matrix: np.ndarray) -> None:
    matrix.setflags(write=False)
    assert nb.balance(matrix).success


@containers
def test_every_container_holds_the_same_network(matrix: np.ndarray, container: type) -> None:
    assert np.allclose(nb.balance(container(matrix)).scale, nb.balance(matrix).scale, rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_memory_order_does_not_matter(matrix: np.ndarray, order: str) -> None:
    wide = np.zeros((6, 12))
    wide[:, ::2] = matrix
    for given in (np.array(matrix, order=order), wide[:, ::2]):
        assert np.array_equal(nb.balance(given).weights, nb.balance(matrix).weights)


def test_explicit_zeros_stay(matrix: np.ndarray) -> None:
    given = sparse.csr_array(matrix)
    given.data[3] = 0
    result = nb.balance(given)
    assert result.weights.nnz == given.nnz and result.weights.data[3] == 0
    assert result.certificate.preserved
    assert np.allclose(result.scale, nb.balance(given.toarray()).scale)


def test_unsorted_indices_stay_where_they_are(matrix: np.ndarray) -> None:
    given = reversed_rows(sparse.csr_array(matrix))
    before = content(given)
    result = nb.balance(given)
    assert content(given) == before
    assert np.allclose(result.weights.toarray(), nb.balance(matrix).weights)


def test_unsorted_indices_are_the_same_matrix(matrix: np.ndarray) -> None:
    given = sparse.csr_array(matrix)
    assert nb.verify(given, reversed_rows(given)).preserved


def test_sparse_and_dense_are_the_same_matrix(matrix: np.ndarray) -> None:
    assert nb.verify(matrix, sparse.csc_array(nb.balance(matrix).weights)).preserved


def test_duplicates_of_a_coo_matrix_add_up() -> None:
    given = sparse.coo_array(([1.0, 3.0, 2.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert np.allclose(nb.balance(given).weights.toarray(), nb.balance(given.toarray()).weights)


def test_numpy_matrices_are_arrays(matrix: np.ndarray) -> None:
    with pytest.warns(PendingDeprecationWarning):
        assert np.array_equal(nb.balance(np.matrix(matrix)).scale, nb.balance(matrix).scale)


def test_nested_lists_are_arrays(matrix: np.ndarray) -> None:
    assert np.array_equal(nb.balance(matrix.tolist()).weights, nb.balance(matrix).weights)


def test_single_precision_is_balanced_in_double_precision(matrix: np.ndarray) -> None:
    single, double = nb.balance(matrix.astype(np.float32)), nb.balance(matrix)
    assert single.success and np.allclose(single.scale, double.scale, rtol=1e-12)


def test_a_snapshot_is_independent_of_the_matrix(matrix: np.ndarray) -> None:
    for given in (matrix, sparse.csr_array(matrix)):
        circuit = nb.as_circuit(given)
        before = circuit.projections["weights"].weight.copy()
        given *= 2
        assert np.array_equal(circuit.projections["weights"].weight, before)


def test_a_container_comes_back_unchanged(matrix: np.ndarray) -> None:
    for container in CONTAINERS:
        given = container(matrix)
        back = nb.as_circuit(given).projections["weights"].container
        assert type(back) is type(given) and np.array_equal(dense(back), dense(given))


def test_nothing_goes_through_a_dense_matrix(rng: np.random.Generator) -> None:
    """20,000 neurons: a dense matrix would take 3 GB."""
    matrix = families.random(20_000, 100_000, rng)
    tracemalloc.start()
    try:
        result = nb.balance(matrix, tol=1e-3)
        assert result.certificate.preserved and nb.verify(matrix, result.weights).preserved
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def reversed_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same matrix, each row listed backwards."""
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(matrix.indptr, matrix.indptr[1:], strict=False)])
    return sparse.csr_array((matrix.data[order], matrix.indices[order], matrix.indptr.copy()), shape=matrix.shape)
