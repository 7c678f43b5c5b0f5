"""Small Brian2 networks for the tests: a rate network and a spiking one, with what scales in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from brian2 import Network, NeuronGroup, SpikeGeneratorGroup, SpikeMonitor, StateMonitor, Synapses, ms, mV, volt
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable

import neurobal as nb
from neurobal.testing.adapters import SIZE, Adapter

Array: TypeAlias = np.ndarray

RATE = """
dx/dt = (-x + drive + from_one + from_two)/(10*ms) : 1
r = clip(x, 0, inf) : 1
drive : 1
from_one : 1
from_two : 1
"""
RATE_SCALING = {
    "cells": {"x": 1, "drive": 1, "from_one": 1, "from_two": 1},
    "one": ("w", 1, 1),
    "two": ("w", 1, 1),
}

SPIKING = """
dv/dt = (drive + g - v)/(20*ms) : volt (unless refractory)
dg/dt = -g/(5*ms) : volt
drive : volt
theta : volt
v_reset : volt
a : 1
"""
SPIKING_SCALING = {
    "cells": {"v": 1, "g": 1, "drive": 1, "theta": 1, "v_reset": 1, "a": 1},
    "input_synapses": ("w", 1, 0),
    "exc": ("w", 1, 1),
    "inh": ("w", 1, 1),
    "output_synapses": ("w", 1, 1),
}


def connected(
    source: Any, target: Any, matrix: Array, model: str, name: str, unit: Any = 1.0, **options: Any
) -> Synapses:
    """Synapses with the weights of a (post, pre) matrix; its zeros are no synapses."""
    synapses = Synapses(source, target, model, name=name, **options)
    post, pre = np.nonzero(matrix)
    synapses.connect(i=pre, j=post)
    synapses.w = matrix[post, pre] * unit
    return synapses


def rate_network(matrix: Array, half: int) -> list[BrianObject]:
    """ReLU rate units; the first ``half`` and the others send by Synapses of their own, through summed variables."""
    cells = NeuronGroup(len(matrix), RATE, method="euler", name="cells")
    cells.drive = np.linspace(1, 2, len(matrix))
    cells.x = np.linspace(0, 1, len(matrix))
    dtype = {"w": matrix.dtype.type}
    parts = [
        connected(part, cells, columns, f"w : 1\n{variable}_post = w*r_pre : 1 (summed)", name, dtype=dtype)
        for part, columns, variable, name in (
            (cells[:half], matrix[:, :half], "from_one", "one"),
            (cells[half:], matrix[:, half:], "from_two", "two"),
        )
    ]
    return [cells, *parts]


@dataclass
class Spiking:
    """Integrate-and-fire neurons whose spikes have an amplitude, driven by given spikes, with a readout."""

    seed: int = 0
    size: int = 20
    delays: bool = True
    objects: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng, n = np.random.default_rng(self.seed), self.size
        many = n // 2
        cells = NeuronGroup(
            n, SPIKING, threshold="v > theta", reset="v = v_reset", refractory=2 * ms, method="euler", name="cells"
        )
        cells.theta, cells.v_reset = rng.uniform(12, 18, n) * mV, rng.uniform(0, 5, n) * mV
        cells.drive, cells.v = rng.uniform(5, 14, n) * mV, rng.uniform(0, 10, n) * mV
        cells.a = rng.lognormal(0, 1, n)
        steps, senders = np.nonzero(rng.random((950, 5)) < 0.04)
        given = SpikeGeneratorGroup(5, senders, steps * 0.1 * ms, name="given")
        readout = NeuronGroup(2, "dy/dt = -y/(50*ms) : volt", method="euler", name="readout")
        sizes = np.asarray(cells.a)

        def weights(post: int, columns: slice, size: float) -> Array:
            pre = sizes[columns]
            chosen = rng.random((post, pre.size)) < 0.5
            return chosen * rng.lognormal(np.log(size), 1, chosen.shape) / pre

        parts = {
            "input_synapses": connected(
                given, cells, 5 * rng.random((n, 5)), "w : volt", "input_synapses", mV, on_pre="g_post += w"
            ),
            "exc": connected(
                cells[:many], cells, weights(n, slice(many), 3.0), "w : volt", "exc", mV, on_pre="g_post += w*a_pre"
            ),
            "inh": connected(
                cells[many:], cells, weights(n, slice(many, n), 4.0), "w : volt", "inh", mV, on_pre="g_post -= w*a_pre"
            ),
            "output_synapses": connected(
                cells[:many], readout, weights(2, slice(many), 1.0), "w : volt", "output_synapses", mV,
                on_pre="y_post += w*a_pre",
            ),
        }  # fmt: skip
        if self.delays:
            for synapses in parts.values():
                synapses.delay = rng.uniform(0.1, 3, len(synapses)) * ms
        spikes, trace = SpikeMonitor(cells, name="spikes"), StateMonitor(readout, "y", record=True, name="trace")
        found = [cells, given, readout, *parts.values(), spikes, trace]
        self.objects = {obj.name: obj for obj in found}
        self.network = Network(*self.objects.values())

    def __getitem__(self, name: str) -> Any:
        return self.objects[name]

    def run(self, duration: Any = 100 * ms) -> tuple[Array, Array, Array]:
        """The spikes (neurons, times) and the readout."""
        self.network.run(duration)
        return np.array(self["spikes"].i), np.array(self["spikes"].t / ms), np.array(self["trace"].y / volt)


def spiking_arguments(**more: Any) -> dict[str, Any]:
    """How to balance `Spiking`: recurrent synapses are costed, the readout is pinned."""
    cost = {"exc": nb.Power(2), "inh": nb.Power(2)}
    return {"scaling": SPIKING_SCALING, "pinned": ["readout"], "cost": cost, **more}


def everything(objects: Iterable[BrianObject]) -> dict[tuple[str, str], Array]:
    """A copy of every array that these objects own."""
    return {
        (obj.name, name): np.array(variable.get_value())
        for obj in objects
        for name, variable in getattr(obj, "variables", {}).items()
        if isinstance(variable, ArrayVariable) and variable.owner.name == obj.name and not variable.scalar
    }


def changed(before: dict[tuple[str, str], Array], after: dict[tuple[str, str], Array]) -> set[tuple[str, str]]:
    """The names of the arrays that differ, bit by bit."""
    assert before.keys() == after.keys()
    return {key for key, values in before.items() if values.tobytes() != after[key].tobytes()}


class BrianAdapter(Adapter):
    """The rate network above, as a list of objects."""

    half = 5

    def build(self, matrix: Array) -> list[BrianObject]:
        return rate_network(matrix, self.half)

    def read(self, network: list[BrianObject]) -> Array:
        _, one, two = network
        dense = np.zeros((SIZE, SIZE), dtype=one.variables["w"].dtype)
        for synapses in (one, two):
            dense[self._ends(synapses)] = synapses.variables["w"].get_value()
        return dense

    def overwrite(self, network: list[BrianObject], matrix: Array) -> None:
        for synapses in network[1:]:
            synapses.w[:] = matrix[self._ends(synapses)]

    @staticmethod
    def _ends(synapses: Synapses) -> tuple[Array, Array]:
        return tuple(np.array(synapses.variables[key].get_value()) for key in ("_synaptic_post", "_synaptic_pre"))

    def arguments(self, pinned: Array | None = None, tied: Array | None = None) -> dict[str, Any]:
        return {
            "pinned": None if pinned is None else {"cells": pinned},
            "tied": None if tied is None else {"cells": tied},
            "scaling": RATE_SCALING,
        }

    def scale(self, result: nb.Balance) -> Array:
        return result.scale["cells"]

    def balanced(self, network: list[BrianObject], result: nb.Balance) -> list[BrianObject]:
        result.apply()
        return network
