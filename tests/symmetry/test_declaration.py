"""Declarations: what they look like, what they settle, and what the equations say to them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from written import group, model, synapses

from neurobal.errors import InvalidInputError
from neurobal.symmetry.model import Model
from neurobal.symmetry.symmetries import Symmetries


def two_groups() -> Model:
    """A sends x to B by S with a factor k, and to itself by T; every y of B is clipped at 1."""
    a = group("A", "dx/dt = (I - x)/tau", variables="I k")
    b = group("B", "dy/dt = (J - y)/tau", "r := clip(y, 0, 1)", variables="J")
    return model(
        a,
        b,
        synapses("S", "A", "B", "J_post (summed) = w*k_pre*x_pre", variables="w u"),
        synapses("T", "A", "A", "I_post (summed) = w*x_pre", variables="w"),
        synapses("R", "B", "A", "I_post (summed) = w*r_pre", variables="w"),
        constants={"tau": 0.01},
    )


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"C": {"x": 1}}, "no group and no Synapses 'C'"),
        ({"A": ("x", 1, 1)}, r"scaling\['A'\]: expected a dict"),
        ({"A": None}, r"scaling\['A'\]: expected a dict"),
        ({"A": {"x": "1"}}, r"scaling\['A'\]\['x'\]: expected a finite number"),
        ({"A": {"x": True}}, r"scaling\['A'\]\['x'\]: expected a finite number"),
        ({"A": {"x": float("nan")}}, "expected a finite number"),
        ({"A": {"x": float("inf")}}, "expected a finite number"),
        ({"A": {"z": 1}}, "the variable 'z' of 'A' is no variable of it"),
        ({"A": {"w": 1}}, "the variable 'w' of 'A' is no variable of it"),
        ({"S": {"w": 1}}, r"scaling\['S'\]: expected \(weight variable, a, b\)"),
        ({"S": ("w", 1)}, r"scaling\['S'\]: expected \(weight variable, a, b\)"),
        ({"S": ["w", 1, 1]}, r"scaling\['S'\]: expected \(weight variable, a, b\)"),
        ({"S": (1, 1, 1)}, r"scaling\['S'\]: expected \(weight variable, a, b\)"),
        ({"S": ("w", None, 1)}, r"scaling\['S'\]: expected a finite number"),
        ({"S": ("w", 1, True)}, r"scaling\['S'\]: expected a finite number"),
        ({"S": ("v", 1, 1)}, "the weight 'v' of 'S' is no variable of it"),
    ],
)
def test_what_is_no_declaration(declaration: dict, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Symmetries(two_groups(), declaration)


def test_the_nearest_name_is_offered() -> None:
    network = model(group("cells", "dx/dt = -x"), constants={})
    with pytest.raises(InvalidInputError, match="'cells'"):
        Symmetries(network, {"cell": {"x": 1}})
    with pytest.raises(InvalidInputError, match=r"make it a variable of its own \(xx : 1 in the model"):
        Symmetries(network, {"cells": {"xx": 1}})


@pytest.mark.parametrize("power", [2, 2.0, Fraction(2), np.float64(2), np.int64(2)])
def test_powers_are_numbers_of_any_kind(power: object) -> None:
    found = Symmetries(two_groups(), {"A": {"x": power, "I": power}, "T": ("w", power, power)})  # type: ignore[dict-item]
    assert not found.contradicted
    assert found.groups["A"].powers == {"x": 2, "I": 2}
    [weight] = found.projections["T"].weights
    assert (weight.variable, weight.a, weight.b) == ("w", 2, 2)


def test_what_is_declared_settles_a_group_and_the_rest_follows() -> None:
    """B cannot move: its y is clipped at 1. S makes up for k."""
    found = Symmetries(two_groups())
    assert found.groups["A"].powers == {"x": 1, "I": 1}
    declared = found.declare({"A": {"x": 1, "I": 1, "k": 2}})
    assert declared.groups["A"].powers == {"x": 1, "I": 1, "k": 2}
    assert {n: (p.weights[0].a, p.weights[0].b) for n, p in declared.projections.items()} == {
        "S": (0, 3),
        "T": (1, 1),
        "R": (1, 0),
    }
    assert not declared.contradicted and not found.contradictions({"A": {"x": 1, "I": 1, "k": 2}})


def test_what_no_line_mentions_moves_as_declared() -> None:
    network = two_groups()
    network.groups["A"].units["q"] = "1"
    declared = Symmetries(network, {"A": {"x": 1, "I": 1, "q": 2}})
    assert declared.groups["A"].powers == {"x": 1, "I": 1, "q": 2} and not declared.contradicted


def test_other_variables_of_what_is_declared_stand_still() -> None:
    found = Symmetries(two_groups())
    [said] = found.contradictions({"A": {"x": 1}, "T": ("w", 0, 1)})
    assert "I - x" in said and "x by λ would move" in said
    assert found.declare({"S": ("w", 1, 1)}).projections["S"].weights[0].variable == "w"
    assert found.declare({"S": ("u", 1, 1)}).projections["S"].weights[0].variable == "u"


def test_synapses_of_which_nothing_moves_are_none() -> None:
    found = Symmetries(two_groups(), {"S": None})
    assert found.projections["S"].weights[0].variable == "w"
    assert not found.contradicted


def test_a_declaration_against_the_equations_is_contradicted_there() -> None:
    found = Symmetries(two_groups())
    [said] = found.contradictions({"R": ("w", 1, 1)})
    assert said.startswith(("`r := clip(y, 0, 1)`", "`I_post (summed) = w*r_pre`"))
    assert len(found.declare({"R": ("w", 1, 1)}).contradicting) == 1
    assert found.declare({"R": ("w", 1, 1)}).projections["R"].weights[0].b == 1
