"""From scales back to Brian2 objects: multiply what moves, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from brian2 import Synapses
from brian2.core.variables import ArrayVariable

from neurobal.adapters import read
from neurobal.brian.network.guarded_constants import guard
from neurobal.brian.network.motion import Motion
from neurobal.brian.network.objects import check_device, float_array, parent, values_of
from neurobal.circuit import Circuit, multiplied
from neurobal.errors import NeurobalError

Array: TypeAlias = np.ndarray


class BrianBinding:
    """Remembers which variables of which objects move by which powers."""

    def __init__(
        self, groups: Mapping[str, Any], synapses: Mapping[str, Synapses], motion: Motion, reading: Mapping[str, Any]
    ) -> None:
        self.groups, self.synapses, self.motion, self.reading = groups, synapses, motion, reading

    def exponents(self) -> Mapping[str, list[float]]:
        """The powers of all moving variables, by group (and by Synapses, for both ends)."""
        found = {name: list(moves.powers.values()) for name, moves in self.motion.groups.items()}
        for name, moves in self.motion.synapses.items():
            found[name] = [power for pair in moves.powers.values() for power in pair]
        return found

    def check(self) -> None:
        """Refuse a standalone simulation that has run."""
        check_device()

    def reread(self, network: Any) -> Circuit:
        """Read another network, or (None) the same objects again, with the same declarations."""
        return read([*self.groups.values(), *self.synapses.values()] if network is None else network, **self.reading)

    def write(self, log_scale: Mapping[str, Array], *, dyadic: bool) -> Callable[[], None]:
        """Multiply all moving variables by their powers of λ; returns the function that undoes it."""
        self.check()
        factors, origins = self.log_factors(log_scale)

        def scaled(values: Array, variable: ArrayVariable, sign: int) -> Array:
            origin = origins.get(variable, 0.0)
            moved = multiplied(values - origin if origin else values, sign * factors[variable], dyadic=dyadic)
            return moved + origin if origin else moved

        before = {variable: values_of(variable) for variable in factors}
        after = {variable: scaled(values, variable, 1) for variable, values in before.items()}
        for variable, values in after.items():
            vanished = (values == 0) & (before[variable] != 0) & (variable not in origins)
            lost = np.isfinite(before[variable]) & (~np.isfinite(values) | vanished)
            if lost.any():
                k = int(np.flatnonzero(lost)[0])
                raise NeurobalError(
                    f"Nothing was written: {variable.owner.name}.{variable.name}[{k}] would go from "
                    f"{before[variable][k]:g} "
                    f"to {values[k]:g}, out of the range of {variable.dtype}."
                )
        _write(after, before)
        unguard = guard({**self.groups, **self.synapses}, self.motion.assumed)

        def undo() -> None:
            self.check()
            # Values that have not changed since are put back exactly; the rest lose the factor.
            now = {variable: values_of(variable) for variable in factors}
            _write({v: np.where(now[v] == after[v], before[v], scaled(now[v], v, -1)) for v in factors}, now)
            unguard()

        return undo

    def log_factors(
        self, log_scale: Mapping[str, Array]
    ) -> tuple[dict[ArrayVariable, Array], dict[ArrayVariable, float]]:
        """The logarithm of the factor of every moving variable's values, and what they are measured from, if not 0."""
        factors: dict[ArrayVariable, Array] = {}
        origins: dict[ArrayVariable, float] = {}
        for name, moving in self.motion.groups.items():
            for key, power in moving.powers.items():
                variable = float_array(self.groups[name], key, "variable")
                factors[variable] = power * log_scale[name]
                if moving.origins.get(key):
                    origins[variable] = moving.origins[key]
        for name, moves in self.motion.synapses.items():
            synapses = self.synapses[name]
            post, pre = (values_of(synapses.variables[key]) for key in ("_synaptic_post", "_synaptic_pre"))
            h_post, h_pre = (log_scale[parent(end).name] for end in (synapses.target, synapses.source))
            for key, (at_post, at_pre) in moves.powers.items():
                variable = float_array(synapses, key, "variable")
                factors[variable] = at_post * h_post[post] + at_pre * h_pre[pre]
        return factors, origins


def _write(new: Mapping[ArrayVariable, Array], old: Mapping[ArrayVariable, Array]) -> None:
    """Write all values; if anything fails half-way (Ctrl-C included), put everything back."""
    written: list[ArrayVariable] = []
    try:
        for variable, values in new.items():
            written.append(variable)
            variable.set_value(values)
    except BaseException:
        for variable in written:
            variable.set_value(old[variable])
        raise
