"""What a user declares about a model: which variables move by which powers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from neurobal.errors import InvalidInputError, did_you_mean

from .constraints import Exponent
from .model import Model

Number = int | float | Fraction
Declaration = Mapping[str, Mapping[str, Number] | tuple[str, Number, Number]]


@dataclass(frozen=True)
class Declared:
    """A declaration, checked for names. ``parts``: the groups and synapses of which everything is said."""

    parts: frozenset[str] = frozenset()
    powers: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)
    weights: Mapping[Exponent, Fraction] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def read_declaration(model: Model, declaration: Declaration) -> Declared:
    """Check the names in a declaration, and write it as exponents.

    Raises
    ------
    InvalidInputError
        For a name that the network does not know, or a value that is no power.
    """
    powers: dict[tuple[str, str], Fraction] = {}
    weights: dict[Exponent, Fraction] = {}
    variables: dict[str, str] = {}
    for owner, declared in declaration.items():
        if owner in model.populations:
            if not isinstance(declared, Mapping):
                raise InvalidInputError(
                    f"scaling[{owner!r}]: expected {{variable: power}} for a group, got {declared!r}."
                )
            known = model.populations[owner].units
            for name, power in declared.items():
                _check(name, known, f"scaling[{owner!r}]: {owner} has no variable {name!r}.")
                powers[owner, name] = _power(power, owner)
        elif owner in model.projections:
            if not isinstance(declared, tuple) or len(declared) != 3:
                raise InvalidInputError(f"scaling[{owner!r}]: expected (weight, a, b) for synapses, got {declared!r}.")
            name, a, b = declared
            _check(name, model.projections[owner].units, f"scaling[{owner!r}]: {owner} has no variable {name!r}.")
            variables[owner] = name
            weights[Exponent(owner, name, "post")] = _power(a, owner)
            weights[Exponent(owner, name, "pre")] = -_power(b, owner)
        else:
            raise InvalidInputError(
                f"scaling: the network has no group or synapses {owner!r}."
                + did_you_mean(owner, [*model.populations, *model.projections])
            )
    return Declared(frozenset(declaration), powers, weights, variables)


def _check(name: str, known: Mapping[str, str], message: str) -> None:
    if name not in known:
        raise InvalidInputError(message + did_you_mean(name, known))


def _power(value: Number, owner: str) -> Fraction:
    try:
        return Fraction(str(value))
    except ValueError:
        raise InvalidInputError(f"scaling[{owner!r}]: expected a finite power, got {value!r}.") from None
