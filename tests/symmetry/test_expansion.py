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
        ("-(x - k) - k", "-x"),
        ("(1 - x)*2 - 2", "-2*x"),
        ("(x + 1)/2 - 1/2", "x/2"),
        ("(x*y + y)/y - 1", "x"),
        ("x + y*(2 - 2)", "x"),
        ("(x + 1)**3 - x**3 - 3*x**2 - 1", "3*x"),
        ("(x + 1)**4 - (x + 1)**3*(x + 1) + y", "y"),
        ("1/(x + y) + z - 1/(x + y)", "z"),
        ("x + exp(x + 1 - 1) - exp(x + 1 - 1)", "x"),
    ],
)
def test_cancels(expression: str, expected: str) -> None:
    found = expand(expression)
    assert found is not None
    assert sympy.simplify(sympy.sympify(found) - sympy.sympify(expected)) == 0


@pytest.mark.parametrize(
    "expression",
    [
        "x + y",
        "x*(y + 1)",
        "(x + y)*(x + 1)",
        "(x + y)/z",
        "-(x + y)",
        "tanh(x)",
        "x**n",
        "x + rand() - rand()",
        "x**0.5 + y",
        "x >",
        "x/0",
        "(x + 1)**99",
        "(a + b)*(c + d)*(e + f)*(g + h)*(i + j)*(k + l)*(m + n)*(o + p) - a + a",
    ],
)
def test_leaves_alone(expression: str) -> None:
    assert expand(expression) is None


polynomials = st.recursive(
    st.sampled_from(["x", "y", "2", "1", "0.5", "exp(x)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from("xy2")).map(lambda t: f"({t[0]}/{t[1]})"),
        inner.map(lambda term: f"(-{term})"),
        inner.map(lambda term: f"({term}**2)"),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(polynomials)
def test_is_equal(expression: str) -> None:
    found = expand(f"{expression} + x - x")  # it has something to cancel
    assert found is None or sympy.expand(sympy.sympify(f"{expression} - ({found})")) == 0
