"""The one line of code of a plasticity rule: does it parse, does it know its names, is it a number?"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
from brian2 import second
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.variables import Constant
from brian2.parsing.bast import brian_ast
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, get_dimensions, get_unit

from neurobal.errors import InvalidInputError, did_you_mean
from neurobal.rules import VOCABULARY, Rule


def dimension_of(value: Any) -> Any:
    """The physical dimension of a number or quantity."""
    return get_dimensions(value)


def check_rule(rule: Rule, power: float) -> None:
    """Raise an error that shows the line of a rule's code that is wrong, and what is wrong with it."""
    kind = type(rule).__name__
    where = f"{kind}.step = {rule.step!r}"
    for name, value in rule.values.items():
        if isinstance(value, (str, complex)) or np.ndim(value) or not np.isfinite(float(value)):
            raise InvalidInputError(
                f"{kind}: parameter {name!r} must be one finite number with its unit, got {value!r}."
            )
        if name in DEFAULT_FUNCTIONS or name in DEFAULT_CONSTANTS:
            raise InvalidInputError(
                f"{kind}.parameters: {name!r} is a function or constant of Brian2; use another name."
            )
        default = rule.parameters[name]
        if default is not None and get_dimensions(value) is not get_dimensions(default):
            raise InvalidInputError(f"{kind}: parameter {name!r} must have the units of {default!r}, got {value!r}.")
    try:
        tree = ast.parse(rule.step, mode="eval")
    except SyntaxError as error:
        raise InvalidInputError(f"{where}: this is no expression: {error.msg} (column {error.offset}).") from None
    values = {**rule.values, **dict.fromkeys(VOCABULARY, 1.0), "dt": 1.0 * second, "p": power}
    known = [*values, *DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS]
    for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
        if name not in known and name not in ("True", "False"):
            raise InvalidInputError(f"{where}: there is no {name!r} here.{did_you_mean(name, known[: len(values)])}")
        if name in DEFAULT_FUNCTIONS and not DEFAULT_FUNCTIONS[name].stateless:
            raise InvalidInputError(
                f"{where}: {name}() would draw from the network's random numbers and change its run. Use 'uniform', "
                "which has a stream of its own for each neuron."
            )
    variables = {name: Constant(name, float(value), get_dimensions(value)) for name, value in values.items()}
    try:
        kind_of_value = brian_ast(rule.step, variables).dtype
        dimension = parse_expression_dimensions(rule.step, {**DEFAULT_FUNCTIONS, **DEFAULT_CONSTANTS, **variables})
    except Exception as error:
        raise InvalidInputError(f"{where}: {error}") from None
    if kind_of_value == "boolean":
        raise InvalidInputError(f"{where}: this is true or false, not a number; int(...) makes it 1 or 0.")
    if dimension is not DIMENSIONLESS:
        raise InvalidInputError(
            f"{where}: the step of a log-scale is a number without units, this has {get_unit(dimension)!r}. A rate "
            "that is multiplied by dt has the unit 1/second."
        )
    _try_out(rule.step, {name: float(value) for name, value in values.items()}, where)


def _try_out(step: str, values: dict[str, float], where: str) -> None:
    """Raise an error if a step is not a number for some costs: one NaN would spread to all weights."""
    ratio = np.geomspace(1e-6, 1e6, 49)
    functions = {name: function.pyfunc for name, function in DEFAULT_FUNCTIONS.items()}
    constants = {name: constant.get_value() for name, constant in DEFAULT_CONSTANTS.items()}
    seen = {"cost_in": ratio, "cost_out": ratio[::-1]}
    try:
        with np.errstate(all="ignore"):
            found = eval(compile(step, "<step>", "eval"), {"__builtins__": {}}, functions | constants | values | seen)
    except ZeroDivisionError as error:
        raise InvalidInputError(f"{where}: {error}.") from None
    wrong = np.flatnonzero(np.isnan(np.broadcast_to(found, ratio.shape)))
    if wrong.size:
        k = wrong[0]
        raise InvalidInputError(
            f"{where}: this is not a number at cost_in = {ratio[k]:.3g}, cost_out = {ratio[::-1][k]:.3g}. Is it the "
            "logarithm or the square root of something negative, or 0/0?"
        )
