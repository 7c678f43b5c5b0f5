"""Which factors get powers that pow() computes once products are multiplied out and collected."""

from __future__ import annotations

import ast

import pytest

from neurobal.symmetry.expressions import parse
from neurobal.symmetry.integrators import factors_with_powers, with_definitions

FACTORS: dict[str, list[str]] = {
    "x": [],
    "x*x": [],
    "x**2": [],
    "1/x": [],
    "2.5": [],
    "-x*-x*+x": ["x"],
    "x*x*x": ["x"],
    "x**3": ["x"],
    "x**3/x": [],
    "x*x*y*x*y": ["x"],
    "1/x/x": ["x"],
    "y/(x*x)": ["x"],
    "y/(x*x)*x": [],
    "y/x*(y + 1/x)": ["x"],
    "x**0.5": [],
    "x**1.5": ["x"],
    "x**0.5*x": ["x"],
    "sqrt(x)*sqrt(x)": [],
    "sqrt(x)*sqrt(x)*sqrt(x)": ["sqrt(x)"],
    "abs(x)*x*x": ["x"],
    "x*(x + y*x)": [],
    "x*x*(x + y)": ["x"],
    "(x + y)**2": [],
    "(x + y)**3": ["x", "y"],
    "(x + y)**-2": ["x + y"],
    "(x + y)**0.5": [],
    "(x + y)**0.5*(x + y)**0.5*(x + y)**0.5": ["x + y"],
    "1/(x + y)/(y + x)": ["x + y"],
    "1/(x + y)/(y + z)": [],
    "1/(x*x*x + y)": ["x"],
    "-(x + y)**-1/(-(x + y))": ["x + y"],
    "exp(x)*exp(x)*exp(x)": ["exp(x)"],
    "exp(x)*exp(y)*tanh(x)": [],
    "1/sqrt(x)/(sqrt(x) - x)": [],
    "exp(x*x*x)": ["x"],
    "x**n": [],
    "x**n*x**n*x**n": ["x ** n"],
    "x**(y*y*y)": ["y"],
    "clip(x, 0, y*y*y)": ["y"],
    "int(x > 0)*x*x": [],
}


@pytest.mark.parametrize("expression", FACTORS)
def test_factors(expression: str) -> None:
    assert [ast.unparse(factor) for factor in factors_with_powers(parse(expression))] == FACTORS[expression]


def test_definitions_are_put_in() -> None:
    definitions = {"r": "x*s", "s": "y + r2", "r2": "z"}
    node = parse("r*r + exp(s) - q")
    assert ast.unparse(with_definitions(node, definitions.get)) == "x * (y + z) * (x * (y + z)) + exp(y + z) - q"
    assert ast.unparse(node) == "r * r + exp(s) - q"
