"""Undo on recorded values what a balance did to the network: then they can be compared with those before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from brian2.core.base import BrianObject
from brian2.core.variables import Subexpression

from neurobal.brian.network.binding import BrianBinding
from neurobal.brian.network.statements import collect_statements
from neurobal.errors import InvalidInputError
from neurobal.logarithms import multiplied
from neurobal.result import Balance
from neurobal.symmetry.expressions import INVARIANT, Free, Function, Value, Walker, parse
from neurobal.symmetry.model import Constant, Statement, Variable
from neurobal.symmetry.nullspace import Form

Array: TypeAlias = np.ndarray
#: What a trace is of: the names of the group (or Synapses) and of the variable.
Key: TypeAlias = tuple[str, str]


class Unscaling:
    """Undoes what a balance did to recorded values: x = c + (x' - c) / λ**power."""

    def __init__(
        self,
        balance: Balance | None,
        objects: Iterable[BrianObject],
        owners: Mapping[Key, Any],
        namespace: dict[str, Any],
    ) -> None:
        """``objects`` are those of the network, ``owners`` the group (or Synapses) of each trace."""
        self._dyadic = balance is not None and balance.dyadic
        self._moves: dict[Key, tuple[Array, float]] = {}
        if balance is None:
            return
        binding = balance.before.binding
        if not isinstance(binding, BrianBinding):
            raise InvalidInputError("compare: this Balance is not of a Brian2 network.")
        factors, origins = binding.log_factors(balance.log_scale)
        for variable, factor in factors.items():
            self._moves[variable.owner.name, variable.name] = factor, float(origins.get(variable, 0.0))
        named = [key for key, owner in owners.items() if isinstance(owner.variables[key[1]], Subexpression)]
        statements = collect_statements(objects, namespace).groups if named else {}
        for name, variable in named:
            motion = binding.motion.groups.get(name)
            if motion is None or motion.origins or name not in statements:
                continue
            definitions = {s.target: s for s in statements[name].statements if s.operation == "define" and s.target}
            power = _power(variable, name, definitions, motion.powers)
            if power is not None:
                self._moves[name, variable] = power * balance.log_scale[name], 0.0
        for key, owner in owners.items():
            if key in self._moves and self._moves[key][0].size != len(owner):
                raise InvalidInputError(
                    f"compare: the Balance is of another network: its {key[0]!r} has size {self._moves[key][0].size}."
                )

    def __call__(self, key: Key, index: Array, values: Array) -> tuple[Array, bool]:
        """Values of shape (times, neurons) of the neurons ``index``, and whether they had to be changed."""
        if key not in self._moves:
            return values, False
        factor, origin = self._moves[key]
        if not np.any(factor[index]):
            return values, False
        return multiplied(values - origin if origin else values, -factor[index], dyadic=self._dyadic) + origin, True


def _power(
    variable: str, group: str, definitions: Mapping[str, Statement], powers: Mapping[str, float]
) -> float | None:
    """By which power of λ a named expression moves, if the group's variables do by ``powers``; None if by none."""
    broken: list[Form] = []

    def value(name: str) -> Value:
        if name not in definitions:
            return Form({"λ": Fraction(powers.get(name, 0.0))})
        scope = definitions[name].scope

        def lookup(inner: str) -> Value | Function:
            reference = scope.get(inner)
            if isinstance(reference, Function):
                return reference
            if isinstance(reference, Constant) and reference.value is not None and np.isinf(reference.value):
                return Free.INFINITE
            return value(reference.name) if isinstance(reference, Variable) and reference.owner == group else INVARIANT

        def number(inner: str) -> Fraction | None:
            reference = scope.get(inner)
            if not isinstance(reference, Constant) or reference.value is None or not np.isfinite(reference.value):
                return None
            return Fraction(repr(reference.value))

        return Walker(lookup, lambda form, _: broken.append(form), number).walk(parse(definitions[name].expression))

    moved = value(variable) if variable in definitions else None
    if moved is None or any(broken):
        return None
    return float(moved.terms.get("λ", 0)) if isinstance(moved, Form) else 0.0
