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
