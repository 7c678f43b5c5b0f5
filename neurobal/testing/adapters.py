"""The suite of all adapters: what a network goes through on its way to a `Circuit` and back.

A test class subclasses `AdapterConformance` and gives it a fixture ``adapter``, an `Adapter` that knows how to put a
(post, pre) matrix into its kind of network::

    class TestMine(AdapterConformance):
        @pytest.fixture
        def adapter(self):
            return MyAdapter()

Neurons are numbered as in the matrix, whatever populations they fall into.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray

SIZE = 9
PINNED = np.isin(np.arange(SIZE), [2, 7])
TIED = np.array([-1, 3, -1, 3, -1, 5, 5, -1, -1])  # within the halves [0, 5) and [5, 9)
DTYPES = [np.float64, np.float32]


class Adapter(ABC):
    """One kind of network."""

    @abstractmethod
    def build(self, matrix: Array) -> Any:
        """A network with these weights, in the matrix's dtype."""

    @abstractmethod
    def read(self, network: Any) -> Array:
        """The network's present weights as a dense (post, pre) matrix."""

    @abstractmethod
    def overwrite(self, network: Any, matrix: Array) -> None:
        """Change the network's weights in place; no synapse comes or goes."""

    def arguments(self, pinned: Array | None = None, tied: Array | None = None) -> dict[str, Any]:
        """What `balance` and `as_circuit` have to be told: constraints per neuron of the matrix."""
        return {"pinned": pinned, "tied": tied}

    def scale(self, result: nb.Balance) -> Array:
        """λ in the order of the matrix."""
        return result.scale

    def weights(self, circuit: nb.Circuit) -> Array:
        """A circuit's weights as a dense (post, pre) matrix."""
        total = np.zeros((SIZE, SIZE), dtype=next(iter(circuit)).weight.dtype)
        for projection in circuit:
            rows, columns = self.offset(projection.post), self.offset(str(projection.pre))
            np.add.at(total, (projection.post_index + rows, projection.pre_index + columns), projection.weight)
        return total

    def offset(self, population: str) -> int:
        """The number of the first neuron of a population."""
        return 0

    @abstractmethod
    def balanced(self, network: Any, result: nb.Balance) -> Any:
        """The network after balancing: a new one, or the same one after ``apply()``."""


class AdapterConformance:
    """What every adapter passes."""

    @pytest.fixture
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(1)

    @pytest.fixture
    def matrix(self, rng: np.random.Generator) -> Array:
        """Sparse, strongly connected, with signs, self-connections and hidden scales."""
        dense = rng.normal(size=(SIZE, SIZE)) * (rng.random((SIZE, SIZE)) < 0.5)
        dense[np.arange(SIZE), np.arange(SIZE) - 1] = rng.normal(size=SIZE)
        h = rng.normal(0, 1.5, SIZE)
        return dense * np.exp(h[:, None] - h)

    def test_weights_make_the_round_trip(self, adapter: Adapter, matrix: Array) -> None:
        network = adapter.build(matrix)
        assert np.array_equal(adapter.read(network), matrix)
        assert np.array_equal(adapter.weights(nb.as_circuit(network, **adapter.arguments())), matrix)

    def test_reading_is_a_snapshot(self, adapter: Adapter, matrix: Array) -> None:
        network = adapter.build(matrix)
        circuit = nb.as_circuit(network, **adapter.arguments())
        adapter.overwrite(network, 2 * matrix)
        assert np.array_equal(adapter.read(network), 2 * matrix)
        assert np.array_equal(adapter.weights(circuit), matrix)

    def test_a_snapshot_is_not_the_network(self, adapter: Adapter, matrix: Array) -> None:
        network = adapter.build(matrix)
        for projection in nb.as_circuit(network, **adapter.arguments()):
            projection.weight[:] = 0
        assert np.array_equal(adapter.read(network), matrix)

    @pytest.mark.parametrize("dyadic", [False, True])
    def test_balancing_does_not_change_the_network(self, adapter: Adapter, matrix: Array, dyadic: bool) -> None:
        network = adapter.build(matrix)
        result = nb.balance(network, **adapter.arguments(PINNED, TIED), dyadic=dyadic)
        assert result.certificate.preserved and repr(result)
        assert np.array_equal(adapter.read(network), matrix)

    def test_scales_are_those_of_the_matrix(self, adapter: Adapter, matrix: Array) -> None:
        result = nb.balance(adapter.build(matrix), **adapter.arguments())
        assert result.success
        assert np.allclose(adapter.scale(result), nb.balance(matrix).scale, rtol=1e-8)

    @pytest.mark.parametrize("dyadic", [False, True])
    def test_constraints_are_honoured(self, adapter: Adapter, matrix: Array, dyadic: bool) -> None:
        result = nb.balance(adapter.build(matrix), **adapter.arguments(PINNED, TIED), dyadic=dyadic)
        scale = adapter.scale(result)
        assert np.all(scale[PINNED] == 1)
        assert scale[1] == scale[3] and scale[5] == scale[6]
        if not dyadic:
            assert np.allclose(scale, nb.balance(matrix, pinned=PINNED, tied=TIED).scale, rtol=1e-8)
            assert np.unique(scale).size == 6

    @pytest.mark.parametrize("dyadic", [False, True])
    def test_the_balanced_network_has_the_balanced_weights(self, adapter: Adapter, matrix: Array, dyadic: bool) -> None:
        network = adapter.build(matrix)
        result = nb.balance(network, **adapter.arguments(PINNED), dyadic=dyadic)
        λ = adapter.scale(result)
        after = adapter.read(adapter.balanced(network, result))
        assert np.array_equal(after, adapter.weights(result.circuit))
        assert np.allclose(after, λ[:, None] * matrix / λ, rtol=1e-13, atol=0)
        if dyadic:
            assert np.array_equal(np.frexp(after)[0], np.frexp(matrix)[0])

    @pytest.mark.parametrize("dyadic", [False, True])
    def test_nothing_but_a_rescaling_happened(self, adapter: Adapter, matrix: Array, dyadic: bool) -> None:
        network = adapter.build(matrix)
        result = nb.balance(network, **adapter.arguments(PINNED, TIED), dyadic=dyadic)
        certificate = nb.verify(result.before, adapter.balanced(network, result))
        assert certificate.preserved and certificate.residual <= 1e-12
        assert certificate.exact == dyadic

    def test_a_changed_synapse_is_found(self, adapter: Adapter, matrix: Array) -> None:
        network = adapter.build(matrix)
        circuit = nb.as_circuit(network, **adapter.arguments())
        wrong = matrix.copy()
        wrong[0, SIZE - 1] *= 1.001
        adapter.overwrite(network, wrong)
        certificate = nb.verify(circuit, network)
        assert certificate.preserved is False and 1e-6 < certificate.residual < 1e-2

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
    def test_the_precision_is_kept(self, adapter: Adapter, matrix: Array, dtype: type) -> None:
        network = adapter.build(matrix.astype(dtype))
        result = nb.balance(network, **adapter.arguments(PINNED))
        assert adapter.weights(result.circuit).dtype == dtype
        after = adapter.balanced(network, result)
        assert adapter.read(after).dtype == dtype
        assert nb.verify(result.before, after).preserved

    def test_a_missing_synapse_stays_missing(self, adapter: Adapter, matrix: Array) -> None:
        network = adapter.build(matrix)
        result = nb.balance(network, **adapter.arguments())
        assert np.array_equal(adapter.read(adapter.balanced(network, result)) == 0, matrix == 0)

    def test_bad_weights_are_refused(self, adapter: Adapter, matrix: Array) -> None:
        network = adapter.build(matrix)
        matrix[0, SIZE - 1] = np.nan
        adapter.overwrite(network, matrix)
        with pytest.raises(nb.InvalidInputError, match="not finite"):
            nb.balance(network, **adapter.arguments())
        assert np.array_equal(adapter.read(network), matrix, equal_nan=True)
