"""What a user declares about a model with ``scaling``: which variables move by which powers of λ.

The one place where a declaration is checked. What a simulator's variables must be like, so that their values can be
multiplied, is checked where they are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from numbers import Real
from typing import Any

from neurobal.errors import InvalidInputError, did_you_mean

from .constraints import Exponent
from .model import Model

Number = int | float | Fraction
Declaration = Mapping[str, Mapping[str, Number] | tuple[str, Number, Number] | None]


@dataclass(frozen=True)
class Declared:
    """A declaration as exponents.

    ``powers`` are those of groups' variables, by (group, variable); ``variables`` the declared weight of each Synapses,
    and ``weights`` the exponents of these weights. ``parts`` are the groups and Synapses of which everything is said.
    """

    parts: frozenset[str] = frozenset()
    powers: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)
    weights: Mapping[Exponent, Fraction] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def read_declaration(declaration: Mapping[str, Any], groups: Collection[str], synapses: Collection[str]) -> Declared:
    """Check the form of a declaration and its numbers, and write it as exponents; variables are not looked up.

    Synapses that are declared as None (nothing of them moves) are not in the answer.

    Raises
    ------
    InvalidInputError
        For a name that is neither in ``groups`` nor in ``synapses``, a value of the wrong form, or no power.
    """
    powers: dict[tuple[str, str], Fraction] = {}
    weights: dict[Exponent, Fraction] = {}
    variables: dict[str, str] = {}
    for owner, declared in declaration.items():
        where = f"scaling[{owner!r}]"
        if owner in groups:
            if not isinstance(declared, Mapping):
                raise InvalidInputError(
                    f"{where}: expected a dict from variable to power, such as {{'v': 1, 'v_th': 1}}, got {declared!r}."
                )
            for name, power in declared.items():
                powers[owner, name] = read_power(power, f"{where}[{name!r}]")
        elif owner not in synapses:
            known = [*groups, *synapses]
            raise InvalidInputError(
                f"scaling: there is no group and no Synapses {owner!r} in this network.{did_you_mean(owner, known)}"
            )
        elif declared is not None:
            if not (isinstance(declared, tuple) and len(declared) == 3 and isinstance(declared[0], str)):
                raise InvalidInputError(
                    f"{where}: expected (weight variable, a, b) such as ('w', 1, 1), or None if nothing of these "
                    f"synapses moves; got {declared!r}."
                )
            name, a, b = declared
            variables[owner] = name
            weights[Exponent(owner, name, "post")] = read_power(a, where)
            weights[Exponent(owner, name, "pre")] = -read_power(b, where)
    parts = frozenset(owner for owner, declared in declaration.items() if declared is not None)
    return Declared(parts, powers, weights, variables)


def read_power(power: Any, where: str) -> Fraction:
    """A number as the power of λ."""
    if isinstance(power, bool) or not isinstance(power, Real) or not isfinite(float(power)):
        raise InvalidInputError(f"{where}: expected a finite number as the power of λ, got {power!r}.")
    return Fraction(str(power))


def check_variables(declared: Declared, model: Model) -> None:
    """Raise an error if a declared variable is none of its group or Synapses."""
    for owner, name in declared.powers:
        if name not in model.groups[owner].units:
            raise no_such_variable("variable", name, owner, model.groups[owner].units)
    for owner, name in declared.variables.items():
        if name not in model.synapses[owner].units:
            raise no_such_variable("weight", name, owner, model.synapses[owner].units)


def no_such_variable(role: str, name: str, owner: str, known: Iterable[str]) -> InvalidInputError:
    """The error for a declared name that is no variable; ``role`` says what it is declared as."""
    return InvalidInputError(
        f"scaling: the {role} {name!r} of {owner!r} is no variable of it. If it is a constant of the script, make it a "
        f"variable of its own ({name} : 1 in the model, then {owner}.{name} = ...).{did_you_mean(name, known)}"
    )
