"""From scales back to Brian2 objects: multiply what moves, all of it or nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from brian2 import Synapses
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable

from neurobal.adapters.detached import DetachedBinding, Reading
from neurobal.brian.network.guarded_constants import guard
from neurobal.brian.network.newcomers import warn_of_newcomers
from neurobal.brian.network.objects import parent
from neurobal.brian.network.values import check_device, float_array, values_of
from neurobal.brian.network.writing import Writing
from neurobal.circuit import Circuit

Array: TypeAlias = np.ndarray


class BrianBinding:
    """Remembers which variables of which objects move by which powers."""

    def __init__(
        self,
        groups: Mapping[str, Any],
        synapses: Mapping[str, Synapses],
        reading: Reading,
        objects: Collection[BrianObject],
        read_again: Callable[[Any], Circuit],
    ) -> None:
        self.groups, self.synapses, self.motion = groups, synapses, reading.motion
        self.objects = objects  # all that was read, if it is still there
        self._reading = reading
        self._read_again = read_again

    def exponents(self) -> Mapping[str, list[float]]:
        """By group, the powers of its neurons' λ by which variables, its synapses' too, and square roots move."""
        powers = {name: [*moves.powers.values(), *moves.roots] for name, moves in self.motion.groups.items()}
        for name, moving in self.motion.synapses.items():
            ends = self.synapses[name].target, self.synapses[name].source
            for group, at_end in zip(ends, zip(*moving.powers.values(), strict=True), strict=False):
                powers.setdefault(parent(group).name, []).extend(at_end)
        return powers

    def check(self) -> None:
        """Refuse a standalone simulation that has run."""
        check_device()

    def reread(self, network: Any) -> Circuit:
        """Read another network, or (None) the same objects again, as these were read.

        Names that no group knows are looked up in the script that calls this package, unless a namespace was given.

        Raises
        ------
        DifferentModelError
            The other network computes something else.
        NeurobalError
            It uses a name that is defined nowhere.
        """
        return self._read_again(network)

    def detached(self) -> DetachedBinding:
        """The binding without the objects. Of the script's names it keeps numbers, and no functions."""
        numbers = {
            name: value
            for name, value in self.motion.external.items()
            if isinstance(value, int | float | np.number | np.ndarray)
        }
        given = self._reading.namespace
        namespace = None if given is None else {name: value for name, value in numbers.items() if name in given}
        reading = replace(self._reading, motion=replace(self.motion, external=numbers), namespace=namespace)
        powers = {name: list(map(float, listed)) for name, listed in self.exponents().items()}
        return DetachedBinding("brian2", powers, reading)

    def __reduce__(self) -> tuple[Any, ...]:
        kept = self.detached()
        return DetachedBinding, (kept.adapter, kept.powers, kept.reading)

    def __deepcopy__(self, memo: Any) -> BrianBinding:
        return self  # the way back leads to the same objects

    def write(self, log_scale: Mapping[str, Array], *, dyadic: bool) -> Writing:
        """Multiply all moving variables by their powers of λ: all of them, or none if anything fails."""
        self.check()
        factors, origins = self.log_factors(log_scale)
        changing = {variable for variable in factors if (variable.owner.name, variable.name) in self.motion.changed}
        writing = Writing(factors, origins, changing, dyadic=dyadic)
        self._guard(writing)
        return writing

    def _guard(self, writing: Writing) -> None:
        """Let runs check what the proof rests on while a writing is in effect, even if nobody can undo it."""
        reference, last_act = weakref.ref(writing), writing.last_act

        def in_effect() -> bool:
            alive = reference()
            return last_act.wrote if alive is None else alive.in_effect()

        objects = {**self.groups, **self.synapses}
        moving = {name: objects[name] for name in (*self.motion.groups, *self.motion.synapses)}
        removals = (
            guard(objects, self.motion.assumed, in_effect),
            warn_of_newcomers(moving, self.objects, "apply()", "revert() it", in_effect),
        )

        def end() -> None:
            if not last_act.wrote:
                for remove in removals:
                    remove()

        weakref.finalize(writing, end)

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
