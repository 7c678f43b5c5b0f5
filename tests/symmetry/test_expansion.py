"""Expansion of polynomials: cancels what cancels, and leaves everything else alone."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from neurobal.symmetry.expansion import expand


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(x + 1)**2 - 2*x - 1", "x**2"),
        ("(x + y)*(x - y)", "x**2 - y**2"),
        ("(x - k) - (y - k)", "x - y"),
        ("(x + 1)/z - 1/z", "x/z"),
        ("x - x", "0"),
        ("x + exp(x + 1 - 1) - exp(x + 1 - 1)", "x"),
    ],
)
def test_cancels(expression: str, expected: str) -> None:
    found = expand(expression)
    assert found is not None
    assert sympy.simplify(sympy.sympify(found) - sympy.sympify(expected)) == 0


@pytest.mark.parametrize(
    "expression",
    ["x + y", "x*(y + 1)", "(x + y)*(x + 1)", "tanh(x)", "x**n", "x >", "(x + 1)**99", "x + rand() - rand()"],
)
def test_leaves_alone(expression: str) -> None:
    assert expand(expression) is None


polynomials = st.recursive(
    st.sampled_from(["x", "y", "2", "1"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(polynomials)
def test_is_equal(expression: str) -> None:
    found = expand(expression)
    if found is not None:
        assert sympy.expand(sympy.sympify(f"{expression} - ({found})")) == 0
