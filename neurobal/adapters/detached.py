"""What is kept of a network without its objects: enough to read another one, built anew, as the first was read.

A `Circuit` that is pickled or saved loses the objects that it was read from. What remains of its binding finds them
again in a network that it is given, by their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from neurobal.adapters.dispatch import ADAPTERS
from neurobal.circuit import Circuit, Writing
from neurobal.description import Description
from neurobal.errors import NeurobalError
from neurobal.motion import Motion


@dataclass(frozen=True, eq=False)
class Reading:
    """How a network was read, and what it was found to be.

    Attributes
    ----------
    motion
        What moves.
    pinned
        Masks of pinned neurons, by group.
    undefined
        Names that the model uses, and that stood for nothing.
    namespace
        What was given to look names up in, before those of the script (None: nothing).
    schedule
        The slots of a time step, in their order.
    description
        The model.
    """

    motion: Motion
    pinned: Mapping[str, np.ndarray]
    undefined: frozenset[str]
    namespace: Mapping[str, Any] | None
    schedule: tuple[str, ...]
    description: Description


@dataclass(frozen=True, eq=False)
class DetachedBinding:
    """The binding of a circuit that was loaded: it knows how the network was read, and has no network to write to.

    ``adapter`` is the simulator, as in `ADAPTERS`; ``powers`` are the `exponents`.
    """

    adapter: str
    powers: Mapping[str, list[float]]
    reading: Reading

    def exponents(self) -> Mapping[str, list[float]]:
        """The powers of λ by which anything moves that depends on a population, by its name."""
        return self.powers

    def check(self) -> None:
        """Nothing: balancing what was loaded is of use, for its scales can be applied to a network."""

    def write(self, log_scale: Mapping[str, np.ndarray], *, dyadic: bool) -> Writing:
        """Refuse: there are no objects."""
        raise NeurobalError(
            "There is no network to write to: this was loaded from a file or pickle, without the objects that it was "
            "read from. Use apply_to(network), which finds them by their names."
        )

    def reread(self, network: Any) -> Circuit:
        """Read ``network`` as the first one was read.

        Raises
        ------
        DifferentModelError
            It computes something else.
        NeurobalError
            It is not given, or uses a name that is defined nowhere.
        """
        if network is None:
            raise NeurobalError(
                "Say which network: this was loaded from a file or pickle, without the objects that it was read from."
            )
        circuit: Circuit = import_module(ADAPTERS[self.adapter]).read_again(self.reading, network)
        return circuit

    def detached(self) -> DetachedBinding:
        return self
