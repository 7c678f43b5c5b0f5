"""A rate network of one group, and what tests of its plasticity ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, second
from brian2.core.base import BrianObject, BrianObjectException

import neurobal as nb

Array: TypeAlias = np.ndarray

RATE = """
dx/dt = (-x + drive + I)/(10*ms) : 1
r = clip(x, 0, inf) : 1
drive : 1
I : 1
"""
SUMMED = "w : 1\nI_post = w*r_pre : 1 (summed)"
QUICK = 20 / second
FAST = nb.NormalizedFlow(rate=1000 / second)


class Still(nb.Rule):
    """Only looks."""

    step = "0*cost_in"


def matrix(size: int = 8, seed: int = 1, spread: float = 1.0, autapses: bool = False) -> Array:
    """A (post, pre) matrix of both signs, far from balance, for a network whose activity stays small."""
    rng = np.random.default_rng(seed)
    h = rng.normal(0, spread, size)
    weights = (
        0.3 / size * rng.lognormal(0, 1, (size, size)) * np.exp(h[:, None] - h) * rng.choice([-1, 1], (size, size))
    )
    return weights if autapses else weights * ~np.eye(size, dtype=bool)


def rate_network(weights: Array | None = None, equations: str = RATE, model: str = SUMMED) -> list[Any]:
    """Units E with the synapses S of a (post, pre) matrix; its zeros are no synapses."""
    weights = matrix() if weights is None else weights
    cells = NeuronGroup(len(weights), equations, method="euler", name="E")
    cells.drive, cells.x = np.linspace(1, 2, len(weights)), np.linspace(0, 1, len(weights))
    synapses = Synapses(cells, cells, model, name="S")
    post, pre = np.nonzero(weights)
    synapses.connect(i=pre, j=post)
    synapses.w = weights[post, pre]
    return [cells, synapses]


def attached(
    objects: Sequence[BrianObject], rule: Any = None, dt: Any = 10 * ms, **options: Any
) -> tuple[Network, Any]:
    """A network with its plasticity, added."""
    network = Network(*objects)
    plasticity = nb.Plasticity(network, rule or nb.NormalizedFlow(rate=QUICK), dt=dt, **options)
    network.add(plasticity)
    return network, plasticity


def absolute(synapses: Synapses) -> tuple[Array, Array]:
    """Post- and presynaptic neurons, counted in their groups."""
    return tuple(np.array(synapses.variables[key].get_value()) for key in ("_synaptic_post", "_synaptic_pre"))


def costs_of(synapses: Sequence[Synapses], size: int, power: float = 2) -> tuple[Array, Array]:
    """Incoming and outgoing halves of ∂C/∂h for one group of units with a = b = 1, in units of the mean cost."""
    incoming, outgoing, total, count = np.zeros(size), np.zeros(size), 0.0, 0
    for one in synapses:
        post, pre = absolute(one)
        costs = np.abs(np.array(one.w)) ** power
        total, count = total + costs.sum(), count + costs.size
        moving = post != pre
        np.add.at(incoming, post[moving], power * costs[moving])
        np.add.at(outgoing, pre[moving], power * costs[moving])
    return incoming * count / total, outgoing * count / total


def refusal(network: Network, kind: type[Exception] = nb.NeurobalError, duration: Any = 10 * ms) -> str:
    """What is said when a run does not start; Brian2 wraps what happens then."""
    with pytest.raises((kind, BrianObjectException)) as error:
        network.run(duration)
    reason = error.value.__cause__ if isinstance(error.value, BrianObjectException) else error.value
    assert isinstance(reason, kind)
    assert network.t == 0 * second
    return str(reason)
