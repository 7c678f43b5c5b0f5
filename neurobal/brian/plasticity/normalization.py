"""`IncomingNormalization`: classical synaptic scaling, done right. It does not preserve what a network computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from brian2 import Clock, NeuronGroup, Quantity, Synapses, second
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable
from brian2.devices.device import RuntimeDevice, get_device
from brian2.units.fundamentalunits import get_dimensions, get_unit

from neurobal.brian.network.objects import parent
from neurobal.brian.network.values import declared_array, values_of
from neurobal.brian.running.clocks import check_steps, seconds
from neurobal.brian.running.runner import Accumulation, Runner
from neurobal.errors import InvalidInputError

SUMS = """
total : 1
goal : 1
factor : 1
"""

# A neuron that receives nothing has nothing to normalise: its sum would divide by zero.
NORMALIZE = """
factor = 1.0 + int(total > 0)*((goal/(total + int(total == 0)))**({fraction}) - 1.0)
total = 0
"""


class IncomingNormalization(BrianObject):
    """Keep the sum of absolute incoming weights of each neuron at a target, by one factor for all of them.

    This is what users write as ``w /= sum(w_incoming)``: every ``dt`` the weights that come into neuron i are
    multiplied by ``(target_i / Σ|w|)^(1 - exp(-rate dt))``. Only existing synapses count, so that sparse
    connectivity is no special case.

    It changes what the network computes, other than `Plasticity`: outgoing synapses and thresholds do not follow,
    and there is no certificate for it. So it cannot run together with a `Plasticity` that moves the same synapses.

    Parameters
    ----------
    synapses
        One Synapses or a list of them that end on the same group; their weights are summed up together.
    dt
        Time between two updates.
    target
        The sum, with the weights' units: one number or one a neuron. None: what it is when the first run starts.
    rate
        How fast the sum relaxes to its target, such as 1/second; None: at once.
    weight
        Name of the weight variable.
    """

    add_to_magic_network = True
    acts_on_networks = True

    def __init__(
        self,
        synapses: Any,
        dt: Any,
        *,
        target: Any = None,
        rate: Any = None,
        weight: str = "w",
        name: str = "incoming_normalization*",
    ) -> None:
        self.normalizes = _listed(synapses)
        step = seconds(dt, "IncomingNormalization")
        self._variables = [_weights(each, weight) for each in self.normalizes]
        groups = {parent(each.target).name: parent(each.target) for each in self.normalizes}
        if len(groups) != 1:
            raise InvalidInputError(
                "IncomingNormalization: expected Synapses that end on one group, got targets "
                f"{', '.join(groups) or 'none'}."
            )
        (self._group,) = groups.values()
        dimensions = {variable.dim for variable in self._variables}
        if len(dimensions) != 1:
            raise InvalidInputError("IncomingNormalization: all weights must have the same units.")
        size = len(self._group)
        self._target = None if target is None else _sums(target, self._group, *dimensions)
        fraction = 1.0 if rate is None else 1.0 - float(np.exp(-_pace(rate) * step))
        BrianObject.__init__(self, name=name, when="end")
        self._clock = Clock(dt=step * second, name=f"{self.name}_clock")
        self.sums = NeuronGroup(size, SUMS, clock=self._clock, name=f"{self.name}_sums", namespace={})
        self.contained_objects.append(self.sums)
        self._run(self.sums, NORMALIZE.format(fraction=repr(fraction)), 2, "normalize")
        for each in self.normalizes:
            # Added up by the template of rescaling: Brian2's own would let threads add to one sum at the same time.
            total = Accumulation("_nb_size", "_nb_total", "_postsynaptic_idx", in_register=False)
            self._run(each, f"_nb_size = abs({weight})", 1, f"{each.name}_sum", "total", (total,))
            self._run(each, f"{weight} = {weight}*_nb_factor", 3, f"{each.name}_follow", "factor")
            self.add_dependency(each)

    def _run(
        self, group: Any, code: str, order: int, name: str, seen: str = "", sums: tuple[Accumulation, ...] = ()
    ) -> None:
        """Let code run at every update; synapses see a variable of the sums of their neuron, by a name of ours."""
        references = {f"_nb_{seen}": (self.sums, seen, "_postsynaptic_idx")} if seen else {}
        self.contained_objects.append(
            Runner(group, code, self._clock, order, f"{self.name}_{name}", references, sums=sums)
        )

    def before_run(self, run_namespace: Any) -> None:
        """Check the time step, and find the target, where none was given."""
        check_steps(self._clock, [self._group], self.name)
        if self._target is None:
            self._target = self._restored()
        if self._target is None:
            total = np.zeros(len(self._group))
            for each, variable in zip(self.normalizes, self._variables, strict=True):
                post = values_of(each.variables["_synaptic_post"])
                total += np.bincount(post, np.abs(values_of(variable)), minlength=len(self._group))
            self._target = total
        self.sums.goal = np.array(self._target)
        super().before_run(run_namespace)

    def _restored(self) -> np.ndarray | None:
        """Targets that an earlier run found, if its state was stored and restored."""
        goal = np.array(self.sums.goal_[:]) if isinstance(get_device(), RuntimeDevice) else np.zeros(1)
        return goal if goal.any() else None


def _listed(synapses: Any) -> list[Synapses]:
    """One Synapses or several, as a list."""
    if isinstance(synapses, Synapses):
        return [synapses]
    listed = [synapses] if isinstance(synapses, str) or not isinstance(synapses, Iterable) else list(synapses)
    for item in listed:
        if not isinstance(item, Synapses):
            raise InvalidInputError(
                f"IncomingNormalization.synapses: expected a Synapses or a list of them, got {item!r}."
                + (" Give the object itself instead of its name." if isinstance(item, str) else "")
            )
    return listed


def _weights(synapses: Synapses, name: str) -> ArrayVariable:
    try:
        return declared_array(synapses, name, "weight")
    except InvalidInputError as error:
        raise InvalidInputError(f"IncomingNormalization.{str(error).removeprefix('scaling: the ')}") from None


def _sums(target: Any, group: Any, dimension: Any) -> np.ndarray:
    """A target for each neuron, in base units."""
    try:
        values, own = np.asarray(target, dtype=float), get_dimensions(target)
    except (TypeError, ValueError):
        raise InvalidInputError(f"IncomingNormalization.target: expected numbers, got {target!r}.") from None
    if own is not dimension:
        raise InvalidInputError(
            f"IncomingNormalization.target: must have the same units as the weights, {get_unit(dimension)!r}, got "
            f"{target!r}."
        )
    if values.shape not in ((), (len(group),)):
        raise InvalidInputError(
            f"IncomingNormalization.target: expected one number, or one for each of the {len(group)} neurons of "
            f"{group.name!r}, got shape {values.shape}."
        )
    wrong = np.atleast_1d(values)[~(np.isfinite(np.atleast_1d(values)) & (np.atleast_1d(values) >= 0))]
    if wrong.size:
        raise InvalidInputError(
            f"IncomingNormalization.target: a sum of absolute weights is a finite number >= 0, got {wrong[0]:g}."
        )
    return np.broadcast_to(values, len(group)).copy()


def _pace(rate: Any) -> float:
    """The rate per second."""
    fits = isinstance(rate, Quantity) and rate.has_same_dimensions(1 / second) and not np.ndim(rate)
    if not fits or not 0 < float(rate) < np.inf:
        raise InvalidInputError(
            f"IncomingNormalization.rate: expected a rate > 0 such as 1/second, or None for at once, got {rate!r}."
        )
    return float(rate)
