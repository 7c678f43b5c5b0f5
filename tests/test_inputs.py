"""Numbers that users give: every form that stands for numbers is taken, everything else is named."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from brian2 import Quantity, mV
from scipy import sparse

import neurobal as nb
from neurobal.inputs import exponent, indices, numbers, per_neuron, real


@pytest.mark.parametrize(
    "values",
    [[1, 2], (1.0, 2.0), np.array([1, 2]), [Fraction(1), Fraction(2)], np.array([1, 2], dtype=np.float16), [True, 2]],
)
def test_numbers_of_all_kinds(values: Any) -> None:
    found = numbers(values, "values", (2,))
    assert found.dtype == float
    assert np.array_equal(found, [1, 2])


def test_single_precision_stays_where_values_are_kept() -> None:
    values = np.ones(3, dtype=np.float32)
    assert real(values, "values").dtype == per_neuron(values, 3, "values").dtype == np.float32
    assert per_neuron(np.float32(2), 3, "values").dtype == np.float32
    assert numbers(values, "values", (3,)).dtype == np.float64


def test_what_is_returned_is_a_copy() -> None:
    values = np.ones(3)
    for found in (real(values, "values"), numbers(values, "values", (3,)), per_neuron(values, 3, "values")):
        found[0] = 5
    assert np.all(values == 1)


def test_units_are_dropped_and_sparse_ones_made_dense() -> None:
    assert np.array_equal(real(Quantity([1, 2] * mV), "values"), [0.001, 0.002])
    assert np.array_equal(numbers(sparse.eye_array(2), "values", (2, 2)), np.eye(2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("two", "expected real numbers, got str 'two'"),
        (None, "expected real numbers, got NoneType None"),
        ([1j, 2], "expected real numbers, got list"),
        ([[1], [2, 3]], "expected real numbers, got list"),
        (5.0, r"expected an array of shape \(2,\) or an array of shape \(any, 2\), got a number"),
        (np.ones((2, 3)), r"got an array of shape \(2, 3\)"),
        ([1, np.inf], "entry 1 is inf, not a finite number$|entry 1 is inf, not a finite number.$"),
        ([[1, 2], [np.nan, np.nan]], r"entry \(1, 0\) is nan, not a finite number; 2 of 4 are not"),
    ],
)
def test_what_is_wrong_is_named(values: Any, message: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=f"^values: .*{message}"):
        numbers(values, "values", (2,), (None, 2))


def test_exponents() -> None:
    assert exponent(Fraction(1, 2), 3, "b") == 0.5
    assert exponent([2, 2, 2], 3, "b") == 2.0
    assert np.array_equal(exponent([1, 2, 2], 3, "b"), [1, 2, 2])
    assert exponent(2, 0, "b") == 2.0


@pytest.mark.parametrize("index", [[-1], [3], [0.5], [[0, 1]]])
def test_indices_are_in_range(index: Any) -> None:
    assert indices([], 3, "i").size == 0
    with pytest.raises(nb.InvalidInputError, match=r"^i: "):
        indices(index, 3, "i")


# Negative indices are refused everywhere: one rule


@pytest.mark.parametrize("pinned", [[-1], np.array([0, -8]), -1], ids=str)
def test_negative_indices_of_pinned_neurons_are_refused(dense: np.ndarray, pinned: Any) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"pinned.*index -\d is out of range for 8 neurons"):
        nb.balance(dense, pinned=pinned)


def test_a_negative_index_is_answered_with_the_one_that_was_meant(dense: np.ndarray) -> None:
    with pytest.raises(nb.InvalidInputError, match="did you mean 7"):
        nb.balance(dense, pinned=[-1])
    circuit = nb.Circuit()
    circuit.add("E", 3)
    with pytest.raises(nb.InvalidInputError, match=r"post_index .*index -1 is out of range.*did you mean 2"):
        circuit.connect("E", "E", post_index=[-1], pre_index=[0], weight=[1.0])


# Masked arrays: absent synapses in weights, an error elsewhere


def test_masked_weights_are_absent_synapses(dense: np.ndarray) -> None:
    mask = np.zeros(dense.shape, dtype=bool)
    mask[0, 1:4] = mask[5, 2] = True
    hidden = np.where(mask, np.nan, dense)
    result = nb.balance(np.ma.MaskedArray(hidden, mask=mask))
    expected = nb.balance(np.where(mask, 0.0, dense))
    assert np.array_equal(result.scale, expected.scale)
    assert isinstance(result.weights, np.ma.MaskedArray)
    assert np.array_equal(result.weights.mask, mask)
    assert np.array_equal(result.weights.filled(0.0), expected.weights)


def test_masked_weights_of_a_projection_are_absent_synapses() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3)
    circuit.connect("E", "E", np.ma.masked_less(np.array([[0, 1.0, 2], [3, 0, -4], [5, 6, 0]]), 0), name="matrix")
    weight = np.ma.MaskedArray([1.0, 2.0, 3.0, 4.0], mask=[0, 1, 0, 0])
    circuit.connect("E", "E", post_index=[0, 1, 2, 1], pre_index=[1, 2, 0, 0], weight=weight, name="list")
    matrix, listed = circuit.projections["matrix"], circuit.projections["list"]
    assert matrix.weight.tolist() == [1, 2, 3, 5, 6]
    assert listed.weight.tolist() == [1, 3, 4] and listed.post_index.tolist() == [0, 2, 1]
    assert np.array_equal(listed.container.mask, weight.mask)
    assert listed.container.compressed().tolist() == [1, 3, 4]
    with pytest.raises(nb.InvalidInputError, match="equal lengths"):
        circuit.connect("E", "E", post_index=[0, 1], pre_index=[1, 2], weight=weight)


def test_masked_entries_elsewhere_are_refused(dense: np.ndarray) -> None:
    circuit = nb.Circuit()
    with pytest.raises(nb.InvalidInputError, match=r"bias of population 'E': 1 of 3 entries are masked.*entry 2"):
        circuit.add("E", 3, bias=np.ma.masked_greater([1.0, 2.0, 3.0], 2))
    with pytest.raises(nb.InvalidInputError, match="masked"):
        nb.balance(dense, pinned=np.ma.MaskedArray([1, 2], mask=[True, False]))
    circuit.add("E", 3, bias=np.ma.MaskedArray([1.0, 2.0, 3.0]))  # no entry is masked


# Arrays of Python objects


def test_object_arrays_of_numbers_are_converted(dense: np.ndarray) -> None:
    expected = nb.balance(dense, pinned=[1, 2], tied=[-1, -1, -1, 0, 0, -1, -1, -1])
    result = nb.balance(
        dense.astype(object),
        pinned=np.array([1, 2], dtype=object),
        tied=np.array([-1, -1, -1, 0, 0, -1, -1, -1], dtype=object),
    )
    assert np.array_equal(result.scale, expected.scale)
    assert result.weights.dtype == np.float64
    assert np.array_equal(nb.balance(dense.tolist(), pinned=[1, 2]).scale, nb.balance(dense, pinned=[1, 2]).scale)
    flags = np.array([False, True, True, *[False] * 5], dtype=object)
    assert np.array_equal(nb.balance(dense, pinned=flags).scale, nb.balance(dense, pinned=[1, 2]).scale)


def test_integers_of_any_size_are_converted() -> None:
    result = nb.balance(np.array([[0, 10**30], [10**28, 0]], dtype=object))
    assert np.allclose(result.weights, [[0, 1e29], [1e29, 0]])


def test_a_masked_object_array_hides_what_is_no_number(dense: np.ndarray) -> None:
    given = dense.astype(object)
    given[0, 3] = None
    mask = np.zeros(dense.shape, dtype=bool)
    mask[0, 3] = True
    expected = nb.balance(np.where(mask, 0.0, dense)).scale
    assert np.array_equal(nb.balance(np.ma.MaskedArray(given, mask=mask)).scale, expected)


def test_objects_that_are_no_numbers_are_refused(dense: np.ndarray) -> None:
    given = dense.astype(object)
    given[0, 3] = "three"
    with pytest.raises(nb.InvalidInputError, match="must be real numbers"):
        nb.balance(given)
