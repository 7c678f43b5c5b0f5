"""Checks of a rule's line of code before it is used: syntax, names, physical units, and values on a grid of costs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from brian2 import second
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.variables import Constant
from brian2.equations.equations import Equations
from brian2.parsing.bast import brian_ast
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.parsing.sympytools import str_to_sympy
from brian2.units.fundamentalunits import DIMENSIONLESS, get_dimensions, get_unit

from neurobal.errors import InvalidInputError, did_you_mean
from neurobal.rules import VOCABULARY, Rule

# What a parameter without a default may be, by trying usual ones: in words, and its dimension.
USUAL = {
    "must have the units of 1/second": get_dimensions(1 / second),
    "must be a number without units": DIMENSIONLESS,
    "must have the units of second": get_dimensions(second),
}
# Words of C++ and Cython, which rules are compiled to: Brian2 would show what the compiler says of them.
WORDS = """
    DEF ELIF ELSE IF NULL alignas alignof asm auto bool case catch cdef char cimport class complex const constexpr
    cpdef ctypedef decltype default delete do double enum explicit export extern float friend gil goto include
    inline int integer long mutable namespace new noexcept nogil nullptr operator private protected public
    register short signed sizeof static struct switch template this throw typedef typeid typename union unsigned
    using virtual void volatile
"""


def check_rule(rule: Rule, power: float, dt: float = 1e-3) -> None:
    """Raise an error that shows the line of a rule's code that is wrong, and what is wrong with it.

    ``power`` is that of the cost, ``dt`` the time between two updates in seconds: a rule may be a number
    for a short one only.
    """
    where = f"{type(rule).__name__}.step = {rule.step!r}"
    for name, value in rule.values.items():
        _check_parameter(rule, name, value)
    try:
        tree = ast.parse(rule.step, mode="eval")
    except (SyntaxError, ValueError) as error:
        said = f"{error.msg} (column {error.offset})" if isinstance(error, SyntaxError) else error
        raise InvalidInputError(f"{where}: this is no expression: {said}.") from None
    values = {**rule.values, **dict.fromkeys(VOCABULARY, 1.0), "dt": dt * second, "p": power}
    known = [*values, *DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS]
    for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
        if name not in known and name not in ("True", "False"):
            raise InvalidInputError(f"{where}: there is no {name!r} here.{did_you_mean(name, known[: len(values)])}")
        if name in DEFAULT_FUNCTIONS and not DEFAULT_FUNCTIONS[name].stateless:
            raise InvalidInputError(
                f"{where}: {name}() would draw from the network's random numbers and change its run. Use 'uniform', "
                "which has a stream of its own for each neuron."
            )
    dimensions = {name: get_dimensions(value) for name, value in values.items()}
    try:
        kind_of_value, dimension = _kind_and_dimension(rule.step, dimensions)
    except Exception as error:
        _accuse_parameter(rule, dimensions)
        raise InvalidInputError(f"{where}: {error}") from None
    if kind_of_value == "boolean":
        raise InvalidInputError(f"{where}: this is true or false, not a number; int(...) makes it 1 or 0.")
    if dimension is not DIMENSIONLESS:
        _accuse_parameter(rule, dimensions)
        raise InvalidInputError(
            f"{where}: the step of a log-scale is a number without units, this has {get_unit(dimension)!r}. A rate "
            "that is multiplied by dt has the unit 1/second."
        )
    _try_out(rule.step, {name: float(value) for name, value in values.items()}, where)


def _check_parameter(rule: Rule, name: str, value: Any) -> None:
    """Raise an error if a parameter has a name that code cannot have, or is no number with the unit of its default."""
    kind = type(rule).__name__
    if name in DEFAULT_FUNCTIONS or name in DEFAULT_CONSTANTS:
        raise InvalidInputError(f"{kind}.parameters: {name!r} is a function or constant of Brian2; use another name.")
    try:
        Equations.check_identifier(name)
    except SyntaxError as error:
        raise InvalidInputError(f"{kind}.parameters: {error} Use another name.") from None
    if name in WORDS.split():
        raise InvalidInputError(f"{kind}.parameters: {name!r} is a word of C++ or Cython; use another name.")
    try:
        number = np.nan if isinstance(value, (str, complex)) or np.ndim(value) else float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise InvalidInputError(f"{kind}: parameter {name!r} must be one finite number with its unit, got {value!r}.")
    default = rule.parameters[name]
    if default is not None and get_dimensions(value) is not get_dimensions(default):
        plain = get_dimensions(default) is DIMENSIONLESS
        needed = "be a number without units" if plain else f"have the units of {default!r}"
        raise InvalidInputError(f"{kind}: parameter {name!r} must {needed}, got {value!r}.")


def _accuse_parameter(rule: Rule, dimensions: Mapping[str, Any]) -> None:
    """Raise an error if units only go wrong because of a parameter that has no default to say what it should be."""
    for name, default in rule.parameters.items():
        for words, dimension in USUAL.items() if default is None else ():
            try:
                fits = _kind_and_dimension(rule.step, {**dimensions, name: dimension})[1] is DIMENSIONLESS
            except Exception:
                fits = False
            if fits:
                raise InvalidInputError(
                    f"{type(rule).__name__}: parameter {name!r} {words}, got {rule.values[name]!r}."
                )


def _kind_and_dimension(step: str, dimensions: Mapping[str, Any]) -> tuple[str, Any]:
    """'boolean', 'integer' or 'float', and the physical dimension. Whatever Brian2 does not understand is an error."""
    variables = {name: Constant(name, 1.0, dimension) for name, dimension in dimensions.items()}
    kind = brian_ast(step, variables).dtype
    dimension = parse_expression_dimensions(step, {**DEFAULT_FUNCTIONS, **DEFAULT_CONSTANTS, **variables})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            str_to_sympy(step)  # so does Brian2, but not before the run starts
        except Exception as error:
            reason = str(error).partition("': ")[2] or str(error)
            conditions = (ast.Compare, ast.BoolOp, ast.Not)
            if "single comparisons" not in reason and any(isinstance(n, conditions) for n in ast.walk(ast.parse(step))):
                reason = "it computes with a condition, which is true or false; int(condition) is 1 or 0"
            raise SyntaxError(f"Brian2 cannot compile this: {reason}.") from None
    return kind, dimension


def _try_out(step: str, values: Mapping[str, float], where: str) -> None:
    """Raise an error if a step is not a number for some costs: a single NaN would spread to all weights."""
    costs = np.geomspace(1e-12, 1e12, 49)
    chances = np.array([1, 2**29, 2**30, 3 * 2**29, 2**31 - 2]) / (2**31 - 1)  # what `uniform` can be: never 0 or 1
    grid = {"cost_in": costs[:, None, None], "cost_out": costs[:, None], "uniform": chances}
    functions = {name: function.pyfunc for name, function in DEFAULT_FUNCTIONS.items()}
    constants = {name: constant.get_value() for name, constant in DEFAULT_CONSTANTS.items()}
    numbers = {name: np.float64(value) for name, value in values.items()}
    known = {"__builtins__": {}, "logical_not": np.logical_not, **functions, **constants, **numbers, **grid}
    try:
        # Brian2's own reading of it: `and`, `or` and `not` of arrays are those of their entries.
        code = NumpyNodeRenderer().render_expr(step)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            steps = np.broadcast_to(np.asarray(eval(code, known), dtype=float), (49, 49, 5))
    except Exception as error:
        raise InvalidInputError(f"{where}: {error}.") from None
    if np.isinf(steps).all():
        raise InvalidInputError(f"{where}: this is {steps.flat[0]:g} for all costs.")
    wrong = np.argwhere(np.isnan(steps))
    if wrong.size:
        # The least extreme case tells most.
        i, o, u = wrong[np.argmin(np.abs(wrong - [24, 24, 2]).sum(axis=1))]
        used = {"uniform": f"{chances[u]:.3g}", "dt": f"{values['dt']:g} s"}
        also = "".join(f", {name} = {value}" for name, value in used.items() if name in step)
        raise InvalidInputError(
            f"{where}: this is not a number at cost_in = {costs[i]:.3g}, cost_out = {costs[o]:.3g}{also}. Is it the "
            "logarithm or the square root of something negative, or 0/0?"
        )
