"""Exact elimination against sympy."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from neurobal.symmetry.nullspace import ONE, Echelon, Form

COLUMNS = "abcdef"
rows = st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), max_size=7)


@settings(max_examples=300, deadline=None)
@given(rows)
def test_null_space_has_the_right_dimension_and_solves(matrix: list[list[int]]) -> None:
    solved = Echelon()
    for row in matrix:
        solved.add(Form(dict(zip(COLUMNS, row, strict=True))))
    basis = solved.null_space(COLUMNS)
    rank = sympy.Matrix(matrix).rank() if matrix else 0
    assert len(basis) == 6 - rank
    for vector in basis:
        for row in matrix:
            assert sum(c * vector.get(name, Fraction(0)) for name, c in zip(COLUMNS, row, strict=True)) == 0
    if basis:
        assert sympy.Matrix([[v.get(name, 0) for name in COLUMNS] for v in basis]).rank() == len(basis)


def test_contradictions_are_refused_and_change_nothing() -> None:
    solved = Echelon()
    assert solved.add(Form({"a": 1, "b": -2}))
    assert solved.add(Form({"b": 1, ONE: -1}))
    assert solved.value("a") == 2
    assert not solved.add(Form({"a": 1, ONE: -1}))
    assert not solved.add_all([Form({"c": 1, ONE: -5}), Form({"a": 1})])
    assert solved.value("c") is None
    assert solved.value("a") == 2


def test_rank_decides_what_stays_free() -> None:
    for first, last in ("ab", "ba"):
        solved = Echelon(rank=[first, last].index)
        solved.add(Form({"a": 2, "b": -1}))
        assert set(solved.reduce(Form({first: 1})).terms) == {last}


@pytest.mark.parametrize("factor", [0, 2, Fraction(1, 3)])
def test_forms_are_linear(factor: Fraction) -> None:
    a, b = Form({"a": 1, "b": 2}), Form({"b": -2, "c": 1})
    assert (a + b) * factor == a * factor + b * factor
    assert a - a == Form()
    assert not Form({"a": 0})
