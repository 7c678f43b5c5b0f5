"""`IncomingNormalization`: classical synaptic scaling, done right. It does not preserve what a network computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import Clock, NeuronGroup, Synapses, second
from brian2.core.base import BrianObject
from brian2.units.fundamentalunits import get_dimensions

from neurobal.brian.objects import float_array, parent, values_of
from neurobal.brian.plasticity import seconds
from neurobal.brian.runner import Runner
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
    and there is no certificate for it.

    Parameters
    ----------
    synapses
        One Synapses or a list of them that end on the same group; their weights are summed up together.
    dt
        Time between two updates.
    target
        The sum, with the weights' units: one number or one a neuron. None: what it is when the first run starts.
    rate
        How fast the sum relaxes to its target; None: at once.
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
        self._synapses: list[Synapses] = [synapses] if isinstance(synapses, Synapses) else list(synapses)
        self._weight, step = weight, seconds(dt, "IncomingNormalization")
        self._variables = [float_array(one, weight, "weight") for one in self._synapses]
        groups = {parent(one.target).name: parent(one.target) for one in self._synapses}
        if len(groups) != 1:
            raise InvalidInputError(
                "IncomingNormalization: expected Synapses that end on one group, got targets "
                f"{', '.join(groups) or 'none'}."
            )
        dimensions = {variable.dim for variable in self._variables}
        if len(dimensions) != 1 or (target is not None and get_dimensions(target) is not self._variables[0].dim):
            raise InvalidInputError("IncomingNormalization: the weights and their target must have the same units.")
        self._size = len(next(iter(groups.values())))
        self._target = None if target is None else np.broadcast_to(np.asarray(target, dtype=float), self._size)
        BrianObject.__init__(self, name=name, when="end")
        clock = Clock(dt=step * second, name=f"{self.name}_clock")
        self.sums = NeuronGroup(self._size, SUMS, clock=clock, name=f"{self.name}_sums", namespace={})
        fraction = 1.0 if rate is None else 1.0 - float(np.exp(-float(rate * step * second)))
        self.contained_objects.append(self.sums)
        code = NORMALIZE.format(fraction=repr(fraction))
        self.contained_objects.append(Runner(self.sums, code, clock, 2, f"{self.name}_normalize", {}))
        for one in self._synapses:
            references = {f"nb_{key}": (self.sums, key, "_postsynaptic_idx") for key in ("total", "factor")}
            for order, code in ((1, f"nb_total += abs({weight})"), (3, f"{weight} = {weight}*nb_factor")):
                runner = Runner(one, code, clock, order, f"{self.name}_{one.name}_{order}", references)
                self.contained_objects.append(runner)
            self.add_dependency(one)

    def before_run(self, run_namespace: Any) -> None:
        """Find the target, where none was given."""
        if self._target is None:
            total = np.zeros(self._size)
            for one, variable in zip(self._synapses, self._variables, strict=True):
                post = values_of(one.variables["_synaptic_post"])
                total += np.bincount(post, np.abs(values_of(variable)), minlength=self._size)
            self._target = total
        self.sums.goal = np.array(self._target)
        super().before_run(run_namespace)
