"""The normal form of statements: what is computed counts, not how it is written."""

from __future__ import annotations

import pytest

from neurobal.description import Key, Seen
from neurobal.symmetry.expressions import Function
from neurobal.symmetry.model import Constant, Kind, Place, Reference, Statement, Variable
from neurobal.symmetry.normal_form import normal_form

SCOPE: dict[str, Reference] = {
    "x": Variable("E", "x", Kind.STATE),
    "y": Variable("E", "y", Kind.STATE),
    "tau": Variable("E", "tau", Kind.PARAMETER),
    "a_pre": Variable("E", "a", Kind.PARAMETER, "pre"),
    "a_post": Variable("E", "a", Kind.PARAMETER, "post"),
    "x_pre": Variable("E", "x", Kind.STATE, "pre"),
    "x_post": Variable("E", "x", Kind.STATE, "post"),
    "c": Constant("c", 10.0, promotable=True, external=True),
    "shared": Constant("shared", promotable=True, stored=("E", "shared")),
    "t": Constant("t"),
    "ms": Constant("ms", 0.001, "second"),
    "mV": Constant("mV", 0.001, "volt"),
    "exp": Function("exp"),
    "clip": Function("clip"),
}


def line(expression: str, operation: str = "=", target: str | None = "x", owner: str = "E", **more: object):  # type: ignore[no-untyped-def]
    return normal_form(
        Statement(Place(owner, "equations"), expression, operation, expression, SCOPE, target, **more)  # type: ignore[arg-type]
    )


def same(one: str, other: str) -> bool:
    first, second = line(one), line(other)
    return first.form == second.form and first.operands == second.operands


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x+y", "( x  +  y )"),
        ("x/(10*ms)", "x / (10 * ms)"),
        ("x/(10*ms)", "x/(0.01)"),
        ("x*c", "x*10"),
        ("x*c", "x*10.0"),
        ("-50*mV + x", "(-50)*mV + x"),
        ("x**2", "x**2.0"),
        ("clip(x, 0, c)", "clip(x, 0, 10)"),
        ("x\n + y", "x + y"),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x + y", "y + x"),  # rounds differently in longer sums
        ("x + y", "x - y"),
        ("x + y", "x"),
        ("x*c", "x*11"),
        ("x*c", "x*tau"),
        ("x*tau", "y*tau"),
        ("a_pre*x", "a_post*x"),
        ("x_pre + x", "x_post + x"),
        ("exp(x)", "clip(x)"),
        ("clip(x, 0, c)", "clip(x, c, 0)"),
        ("x*(y + c)", "x*y + c"),
        ("x > c", "x >= c"),
        ("x*2*ms", "x*2*mV*3"),
        ("x*t", "x*c"),
        ("x*local", "x*other_local"),
        ("x and True", "x and False"),
        ("x*shared", "x*c"),
    ],
)
def test_not_the_same(one: str, other: str) -> None:
    assert not same(one, other)


def test_constants_and_parameters_fill_the_same_gaps() -> None:
    parameter, constant = line("x/tau"), line("x/c")
    assert parameter.form == constant.form
    assert parameter.operands == (Seen(Key("E", "tau"), "own"),) and constant.operands == (10.0,)
    assert line("x*shared").form == line("x*c").form
    assert line("x*shared").operands == (Seen(Key("E", "shared"), "shared"),)


def test_a_synapses_line_tells_its_ends_apart() -> None:
    assert line("a_pre*x", owner="S").operands == (Seen(Key("E", "a"), "pre"),)
    assert line("a_post*x", owner="S").operands == (Seen(Key("E", "a"), "post"),)


def test_what_is_written_and_how_counts() -> None:
    assert line("x").form != line("x", target="y").form
    assert line("x").form != line("x", operation="+=").form
    assert line("x", target="tmp").form != line("x", target="tmp2").form
    assert line("x", target=None).form != line("x").form
    assert line("x", flags=("unless refractory",)).form != line("x").form
    assert line("x", target="shared").form == "E.shared = E.x[own]"
    assert line("x", target="tmp").form == "tmp = E.x[own]"
    assert line("x", target=None, operation="condition").form == "condition E.x[own]"
    assert line("x", flags=("b", "a")).form == "E.x[own] = E.x[own] a b"
    assert line("c*x + y/ms", target="c").form == "c = ? * E.x[own] + E.y[own] / ?"
    assert line("-2**3*mV", target="tmp").operands == (-0.008,)
    assert line("x*True").operands == () and line("x*True").form != line("x*1").form
    assert line("2/4*mV*x").operands == (0.5 * 0.001,)


@pytest.mark.parametrize("expression", ["x +", "(-2)**0.5 * x", "2**100000000 * x", "1e308*10*ms"])
def test_what_cannot_be_evaluated_is_compared_as_it_is(expression: str) -> None:
    assert line(expression) == line(expression)
    assert line(expression).form != line("x").form
