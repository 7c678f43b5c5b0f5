"""`rescale`: any scales, as far as they leave the function alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import neurobal as nb


@pytest.mark.parametrize("container", [np.array, sparse.csr_array, sparse.coo_array])
def test_weights_move_by_their_ends(container: Any, rng: np.random.Generator) -> None:
    J = rng.normal(size=(5, 5)) * (rng.random((5, 5)) < 0.6)
    scale = rng.lognormal(size=5)
    result = nb.rescale(container(J), scale)
    assert type(result.weights) is type(container(J))
    weights = result.weights.toarray() if sparse.issparse(result.weights) else result.weights
    np.testing.assert_allclose(weights, J * scale[:, None] / scale[None, :], rtol=1e-14)
    np.testing.assert_allclose(result.scale, scale, rtol=1e-14)
    assert result.certificate.preserved and not result.certificate.exact
    assert nb.verify(J, weights).preserved


def test_the_scales_of_a_balance_give_its_weights(rng: np.random.Generator) -> None:
    J = rng.normal(size=(6, 6))
    balanced = nb.balance(J)
    np.testing.assert_allclose(nb.rescale(J, balanced.scale).weights, balanced.weights, rtol=1e-12)


def test_powers_of_two_are_exact() -> None:
    J = np.array([[0.0, 0.3], [0.7, 0.0]])
    assert nb.rescale(J, [0.5, 8]).certificate.exact and nb.rescale(J, [0.5, 8]).dyadic
    roots = nb.rescale(J, [0.5, 8], homogeneity=0.5)
    assert not roots.dyadic and not roots.certificate.exact and roots.certificate.preserved
    assert nb.rescale(J, [0.25, 4], homogeneity=0.5).dyadic
    assert not nb.rescale(J, [1, 2], homogeneity=np.sqrt(2)).dyadic


def test_populations_that_are_not_named_stay() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3)
    circuit.add("I", 2)
    circuit.connect("E", "I", np.ones((2, 3)))
    circuit.connect("I", "E", np.ones((3, 2)))
    result = nb.rescale(circuit, {"E": 2.0})
    assert result.scale["E"].tolist() == [2, 2, 2] and result.scale["I"].tolist() == [1, 1]
    assert "3 of 5 neurons move" in repr(result)
    np.testing.assert_array_equal(result.circuit.projections["E->I"].weight, 0.5)


@pytest.mark.parametrize(
    ("scale", "options", "said"),
    [
        ([1, 0, 2], {}, r"λ of neurons\[1\] is 0, and must be positive"),
        ([1, -1, 2], {}, r"λ of neurons\[1\] is -1, and must be positive"),
        ([1, np.nan, 2], {}, r"scale of 'neurons'"),
        ([1, np.inf, 2], {}, r"scale of 'neurons'"),
        ([1, 2], {}, r"scale of 'neurons'"),
        ("two", {}, r"scale of 'neurons'"),
        ([1, 3, 2], {"pinned": [1]}, r"λ of neurons\[1\] is 3, and must be 1: it is pinned"),
        (
            [1, 3, 2],
            {"tied": [0, 0, -1]},
            r"λ of neurons\[1\] is 3, and that of neurons\[0\], which is tied",
        ),
        ({"E": [1, 2, 3]}, {}, "there is no population 'E'"),
    ],
)
def test_scales_that_cannot_be(scale: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=said):
        nb.rescale(np.ones((3, 3)), scale, **options)


def test_what_is_held_may_be_named() -> None:
    J = np.ones((3, 3))
    assert nb.rescale(J, [1, 1 + 1e-15, 2], pinned=[0, 1]).scale.tolist() == [1, 1, 2]
    assert nb.rescale(J, [3, 3, 2], tied=[0, 0, -1]).scale.tolist() == pytest.approx([3, 3, 2])


def test_a_circuit_takes_a_dict() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3)
    with pytest.raises(nb.InvalidInputError, match=r"expected a dict.*Populations: 'E'"):
        nb.rescale(circuit, [1, 2, 3])


def test_a_matrix_cannot_be_written() -> None:
    result = nb.rescale(np.ones((2, 2)), [1, 2])
    with pytest.raises(nb.NeurobalError, match="nothing to write to"):
        result.apply()


def test_another_matrix_takes_the_same_scales(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=(2, 3, 3))
    result = nb.rescale(first, [1, 2, 3], homogeneity=2, pinned=[0])
    again = result.apply_to(second)
    expected = nb.rescale(second, [1, 2, 3], homogeneity=2, pinned=[0])
    np.testing.assert_array_equal(again.weights, expected.weights)
    assert again.before.populations["neurons"].pinned.tolist() == [True, False, False]
    with pytest.raises(nb.NeurobalError, match=r"populations \(name: neurons\) are \{'neurons': 4\} and were"):
        result.apply_to(np.ones((4, 4)))


def test_a_table_has_a_row_for_each_neuron() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3, pinned=[1])
    circuit.add("I", 2)
    circuit.connect("E", "I", np.ones((2, 3)))
    table = nb.rescale(circuit, {"E": [2, 1, 4], "I": 3.0}).table()
    assert table["population"].tolist() == ["E", "E", "E", "I", "I"]
    assert table["index"].tolist() == [0, 1, 2, 0, 1]
    assert table["pinned"].tolist() == [False, True, False, False, False]
    np.testing.assert_allclose(table["scale"], [2, 1, 4, 3, 3])


def test_a_table_of_a_balance_has_its_costs(rng: np.random.Generator) -> None:
    J = rng.normal(size=(6, 6))
    J[:, 5] = 0  # nothing comes from the last one
    table = nb.balance(J, pinned=[0]).table()
    weights = nb.balance(J, pinned=[0]).weights ** 2
    np.fill_diagonal(weights, 0)
    weights[5] = 0  # left out
    np.testing.assert_allclose(table["incoming"], 2 * weights.sum(axis=1))
    np.testing.assert_allclose(table["outgoing"], 2 * weights.sum(axis=0))
    np.testing.assert_allclose(table["incoming"][1:], table["outgoing"][1:], rtol=1e-6)
    before = J**2 * (weights != 0)
    np.testing.assert_allclose(table["outgoing_before"], 2 * before.sum(axis=0))
    assert table["left_out"].tolist() == [False] * 5 + [True]
    assert len({len(column) for column in table.values()}) == 1
