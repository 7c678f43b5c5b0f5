"""Which functions can be scaled: bilinear units (BiLU) and bipower units (BiPU) of Baldi et al. 2024."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import neurobal as nb

Array: TypeAlias = np.ndarray
Function: TypeAlias = Callable[[Array], Array]

BILINEAR: dict[str, Function] = {
    "linear": lambda x: -1.7 * x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "absolute value": np.abs,
    "two slopes": lambda x: np.where(x >= 0, -2 * x, 3 * x),
}
OTHERS: dict[str, Function] = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "shifted relu": lambda x: np.maximum(x - 0.5, 0),
    "square": lambda x: x**2,
}


def power_unit(c: float, right: float, left: float) -> Function:
    """``C x^c`` for x >= 0, ``D |x|^c`` for x < 0."""
    return lambda x: np.where(x >= 0, right, left) * np.abs(x) ** c


def differ(one: Array, other: Array) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())


def homogeneous(f: Function, x: Array, degree: float = 1.0) -> bool:
    return all(differ(f(s * x), s**degree * f(x)) < 1e-12 for s in (0.1, 0.5, 3.0, 20.0))


@pytest.mark.parametrize("f", [*BILINEAR.values(), *OTHERS.values()], ids=[*BILINEAR, *OTHERS])
def test_a_function_is_homogeneous_exactly_if_it_is_bilinear(f: Function, rng: np.random.Generator) -> None:
    """Baldi et al. 2024: then it is a x for x < 0 and b x for x >= 0, a = -f(-1) and b = f(1) (check 29)."""
    x = rng.normal(0, 2, 200)
    bilinear = np.where(x >= 0, f(np.ones(1)) * x, -f(-np.ones(1)) * x)
    is_bilinear = differ(f(x), bilinear) < 1e-12
    assert homogeneous(f, x) == is_bilinear == (f in BILINEAR.values())


@pytest.mark.parametrize("f", BILINEAR.values(), ids=list(BILINEAR))
def test_only_linear_units_are_additively_or_multiplicatively_linear(f: Function, rng: np.random.Generator) -> None:
    """Baldi et al. 2024: f(x + y) = f(x) + f(y), or f(λx) = λ f(x) for λ < 0 too, holds for a x only (check 29)."""
    x, y = rng.normal(0, 2, (2, 200))
    is_linear = f is BILINEAR["linear"]
    assert (differ(f(x + y), f(x) + f(y)) < 1e-12) == is_linear
    assert (differ(f(-3 * x), -3 * f(x)) < 1e-12) == is_linear


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0, 3.3])
def test_bipower_units_are_homogeneous_of_degree_c(c: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, f(λx) = λ^c f(x), with C = f(1) and D = f(-1) (check 29)."""
    f, x = power_unit(c, 1.3, -0.4), rng.normal(0, 2, 200)
    assert homogeneous(f, x, c) and not homogeneous(f, x, c + 0.1)
    assert f(np.ones(1)) == 1.3 and f(-np.ones(1)) == -0.4


def test_bipower_units_take_the_size_of_negative_input() -> None:
    """``D x^c`` for x < 0, as printed, is no real number unless c is whole: ``D |x|^c`` is (check 29)."""
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.array([-2.0]) ** 0.5)
    assert np.isfinite(power_unit(0.5, 1.0, 1.0)(np.array([-2.0])))


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0])
def test_a_bipower_unit_is_balanced_where_in_is_c_times_out(c: float, p: float, rng: np.random.Generator) -> None:
    """For Baldi et al.'s BiPU: λ* = (c out / in)^(1/(p(1+c))), after which in = c out (checks 24 and 30)."""
    incoming, outgoing = rng.normal(size=5), 10 * rng.normal(size=(3, 1))
    a, b = np.sum(np.abs(incoming) ** p), np.sum(np.abs(outgoing) ** p)
    best = (c * b / a) ** (1 / (p * (1 + c)))
    brute = minimize_scalar(lambda s: a * np.exp(p * s) + b * np.exp(-c * p * s), (-1, 1), tol=1e-14)
    assert np.log(best) == pytest.approx(brute.x, abs=1e-6)
    circuit = nb.Circuit()
    circuit.add("in", 5, pinned=True)
    circuit.add("unit", 1, homogeneity=c)
    circuit.add("out", 3, pinned=True)
    circuit.connect("in", "unit", incoming[None])
    circuit.connect("unit", "out", outgoing)
    result = nb.balance(circuit, cost=nb.Power(p), tol=1e-13)
    assert result.scale["unit"][0] == pytest.approx(best, rel=1e-10)
    into, out = (np.abs(result.weights[name]) ** p for name in ("in->unit", "unit->out"))
    assert into.sum() == pytest.approx(c * out.sum(), rel=1e-10)
    f, x = power_unit(c, 1.0, 0.3), rng.normal(size=(5, 20))
    before = outgoing @ f(incoming[None] @ x)
    assert differ(before, result.weights["unit->out"] @ f(result.weights["in->unit"] @ x)) <= 1e-12


def test_a_recurrent_self_connection_of_power_law_units_moves(rng: np.random.Generator) -> None:
    """For degree c the rescaling is no similarity: J_ii moves by λ^(1-c), eigenvalues are not kept (check 24)."""
    circuit = nb.Circuit()
    circuit.add("cells", 6, homogeneity=2.0)
    circuit.connect("cells", "cells", rng.normal(size=(6, 6)))
    h = rng.normal(size=6)
    before, after = (c.projections["cells->cells"].container for c in (circuit, circuit.rescaled({"cells": h})))
    assert np.allclose(np.diag(after), np.diag(before) * np.exp(-h), rtol=1e-13)
    assert abs(np.trace(after) - np.trace(before)) > 0.1


@pytest.mark.parametrize("name", ["relu", "leaky relu", "absolute value", "two slopes", "linear"])
def test_bilinear_units_approximate_any_function_unless_linear(name: str) -> None:
    """Baldi et al. 2024, one hidden layer approximates universally: four times better for twice the units.

    It holds for units with a kink. Linear units are bilinear too, and approximate nothing but lines.
    """
    f, x = BILINEAR[name], np.linspace(-1, 1, 2001)

    def error(units: int) -> float:
        kinks = np.linspace(-1, 1, units)[:, None]
        features = np.vstack([f(x - kinks), f(kinks - x), np.ones_like(x)]).T
        target = np.sin(3 * x) + x**2
        return float(np.abs(features @ np.linalg.lstsq(features, target, rcond=None)[0] - target).max())

    errors = np.array([error(units) for units in (8, 16, 32)])
    if name == "linear":
        assert np.all(errors > 0.3)
    else:
        assert np.all(errors[:-1] / errors[1:] > 3) and errors[-1] < 0.01
