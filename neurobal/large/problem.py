"""The flat problem of a network that is streamed: what counts of it, and its costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neurobal.cost import Cost, CostSum, Power
from neurobal.errors import InvalidInputError
from neurobal.large.components import SMALL, strong_components
from neurobal.large.passes import Passes
from neurobal.large.store import Counted, StreamedStore
from neurobal.large.structure import FromGround, Overview, Touching
from neurobal.large.works import Together
from neurobal.problem import Block, Ground, Problem
from neurobal.stores import InMemory

Array: TypeAlias = np.ndarray

SETTLED_IN_MEMORY = 20_000_000  # synapses of weak neurons, which are balanced one layer after the other


def powers_of(cost: Cost | Mapping[str, Cost]) -> dict[float, float]:
    """A cost as factors of powers of weights: ``Σ factor |w|^power``, a dict from power to factor.

    InvalidInputError if it is something else.
    """
    powers: dict[float, float] = {}
    for power, factor in _terms(cost):
        powers[power] = powers.get(power, 0.0) + factor
    powers = {power: factor for power, factor in powers.items() if factor > 0}
    if not powers:
        raise InvalidInputError("cost: all its factors are 0, so there is nothing to balance.")
    return powers


def _terms(cost: Cost | Mapping[str, Cost]) -> Iterable[tuple[float, float]]:
    if isinstance(cost, Power) and np.ndim(cost.weight) == 0 and not _has_unit(cost.weight):
        factor = float(cost.weight)
        if not 0 <= factor < math.inf:
            raise InvalidInputError(f"Power.weight: expected a number >= 0, got {cost.weight!r}.")
        yield float(cost.p), factor
    elif isinstance(cost, CostSum) and not any(_has_unit(factor) for factor, _ in cost.parts):
        for factor, part in cost.parts:
            yield from ((power, float(factor) * own) for power, own in _terms(part))
    else:
        raise InvalidInputError(
            f"cost: {cost!r:.80} is possible for networks in memory only. On disk a cost is a sum of powers, such as "
            "Power(2) or Power(2) + 0.1*Power(1), each with one plain number as its weight. Load the network, if it "
            "fits: nb.on_disk(folder).matrix()."
        )


def _has_unit(value: object) -> bool:
    return getattr(value, "dim", None) is not None


@dataclass(frozen=True, eq=False)
class Setting:
    """A problem, and what does not count in it.

    Attributes
    ----------
    problem : StreamedProblem
    components : array (n,) of int32
        The strong component of each neuron, all pinned ones being one node; -1: it is alone.
    left_out, present : int
        How many synapses lie on no cycle, of how many that are not 0.
    fixed_cost : float
        The cost of what no rescaling changes.
    """

    problem: StreamedProblem
    components: Array
    left_out: int
    present: int
    fixed_cost: float


def formulated(passes: Passes, powers: Mapping[float, float], pinned: Array, small: int = SMALL) -> Setting:
    """The problem of the synapses that lie on cycles, found by passes; ``small`` as in `strong_components`."""
    components = strong_components(passes, pinned, small)
    works = [Overview(components, pinned, tuple(powers))]
    grounds = [FromGround(components, pinned, power) for power in powers] if pinned.any() else []
    answers = passes.run(Together((*works, *grounds)))
    left_out, present, number, low, high, receives, sends, fixed = answers[:8]
    labels = np.where(pinned, -1, components)
    inside = labels >= 0
    labels[inside] = np.unique(labels[inside], return_inverse=True)[1].ravel()
    low, high = (math.log(low), math.log(high)) if number else (0.0, 0.0)
    counted = Counted(labels, number, low, high, receives, sends)
    blocks = [Block(power, 1.0, 1.0, StreamedStore(passes, counted, power, f)) for power, f in powers.items()]
    at_ground = []
    for (power, factor), *sums in zip(powers.items(), answers[8::2], answers[9::2], strict=bool(grounds)):
        for exponent, logs in zip((1.0, -1.0), sums, strict=True):
            nodes = np.flatnonzero(logs > -np.inf)
            at_ground.append(Ground(power, exponent, nodes, logs[nodes] + math.log(factor)))
    # Neurons that do not count are one more component, without any cost.
    everybody = np.where(inside, labels, labels.max(initial=-1) + 1)
    problem = StreamedProblem(passes, blocks, at_ground, everybody)
    with np.errstate(over="ignore"):
        return Setting(problem, components, left_out, present, float(np.dot(fixed, [*powers.values()])))


class Unsettled(Exception):
    """Neurons whose costs vanish beside those of the others have too many synapses to be balanced in memory."""

    def __init__(self, h: Array, synapses: int) -> None:
        super().__init__(f"{synapses:,} synapses")
        self.h, self.synapses = h, synapses


class StreamedProblem(Problem):
    """A `Problem` whose blocks are streamed; only a part with few synapses is ever loaded."""

    def __init__(self, passes: Passes, blocks: list[Block], grounds: list[Ground], labels: Array) -> None:
        super().__init__(passes.size, blocks, grounds, strong_labels=labels)
        self._passes = passes

    def restricted(self, free: Array, h: Array) -> tuple[Problem, Array]:
        """See `Problem.restricted`. Raises `Unsettled` if the part is too large."""
        blocks = []
        for block in self.blocks:
            assert isinstance(block.store, StreamedStore)
            costs, log_factor = block.store.logarithms()
            count, post, pre, logs = self._passes.run(Touching(costs, free, SETTLED_IN_MEMORY // 64))
            if count > SETTLED_IN_MEMORY or post.size < count:
                raise Unsettled(h, count)
            store = InMemory.of_synapses(post, pre, logs + log_factor, self.size)
            blocks.append(Block(block.power, block.a, block.b, store))
        return Problem(self.size, blocks, self.grounds).restricted(free, h)
