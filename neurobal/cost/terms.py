"""What a cost consists of: powers of the weights of synapses, and exponentials of the log-scales of neurons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from neurobal.cost.dimensions import same
from neurobal.logarithms import pieces, positive_range

Array: TypeAlias = np.ndarray


@dataclass(frozen=True)
class Term:
    """``weight_e |w_e|^power`` for every synapse e of one projection; ``dimension`` is the physical one of the sum."""

    power: float
    weight: float | np.ndarray
    dimension: Any

    def of(self, weight: np.ndarray, log_unit: float = 0.0) -> np.ndarray:
        """The cost of each synapse in units of ``exp(log_unit)``; infinite where it is out of range."""
        with np.errstate(over="ignore", under="ignore"):
            size = np.abs(weight, dtype=float)
            if log_unit:
                size *= math.exp(-log_unit / self.power)
            if self.power == 2:
                size *= size  # far faster than a general power
            elif self.power != 1:
                size **= self.power
            if np.ndim(self.weight) or self.weight != 1:
                size *= self.weight
        return size

    def total(self, weight: np.ndarray, counted: np.ndarray | None = None) -> float:
        """The sum of `of` over all synapses, or over those in the mask ``counted``."""
        total = 0.0
        for piece in pieces(weight.size):
            costs = replace(self, weight=self.weight[piece] if np.ndim(self.weight) else self.weight).of(weight[piece])  # type: ignore[index]
            total += float((costs if counted is None else costs[counted[piece]]).sum())
        return total

    def log_bounds(self, weight: np.ndarray) -> tuple[float, float] | None:
        """Bounds of the logarithms of all costs that are not 0; None if there are none."""
        ranges = [positive_range(weight), positive_range(np.atleast_1d(self.weight))]
        if ranges[0] is None or ranges[1] is None:
            return None
        return tuple(self.power * math.log(w) + math.log(f) for w, f in zip(*ranges, strict=True))  # type: ignore[return-value]

    def log_of(self, weight: np.ndarray) -> np.ndarray:
        """The logarithm of `of`, -inf where there is no cost; never out of range."""
        with np.errstate(divide="ignore"):
            log_cost = np.abs(weight, dtype=np.float64)
            np.log(log_cost, out=log_cost)
            log_cost *= self.power
            if np.ndim(self.weight) or self.weight != 1:
                log_cost += np.log(self.weight)
        return log_cost


@dataclass(frozen=True)
class NeuronTerm:
    """``weight_i^power exp(exponent_i h_i)`` for every neuron i of one population, h its log-scale.

    ``exponent`` is any number, or one a neuron; ``weight`` ≥ 0 too; both belong to the network as it is when the cost
    is asked. A large ``power`` > 0 never leaves the range of numbers, as what it is raised to might. ``dimension`` is
    the physical one of the sum. ``owner`` is what messages call the cost that it belongs to.
    """

    exponent: float | Array
    weight: float | Array
    dimension: Any = None
    power: float = 1.0
    owner: str = ""

    def log_costs(self) -> Array:
        """The logarithms of all terms where h = 0; -inf where there is none. One, or one a neuron."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.power * np.log(self.weight))

    def times(self, factor: float, dimension: Any) -> NeuronTerm:
        """The term times a factor; its new dimension."""
        return replace(self, weight=factor ** (1 / self.power) * np.asarray(self.weight), dimension=dimension)


def same_terms(left: Mapping[str, list[Term]], right: Mapping[str, list[Term]]) -> bool:
    """Whether two costs put the same terms on the same synapses."""
    return _same(left, right, lambda term: (term.power,))


def same_neuron_terms(left: Mapping[str, list[NeuronTerm]], right: Mapping[str, list[NeuronTerm]]) -> bool:
    """Whether two costs put the same terms on the same neurons."""
    return _same(left, right, lambda term: (term.power, *np.atleast_1d(term.exponent).tolist()))


def _same(
    left: Mapping[str, list[Any]], right: Mapping[str, list[Any]], key: Callable[[Any], tuple[float, ...]]
) -> bool:
    """Whether lists of terms by name agree in their keys, weights and dimensions, in any order of keys."""

    def sorted_terms(terms: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        return {name: sorted(here, key=key) for name, here in terms.items() if here}

    def equal(first: Any, second: Any) -> bool:
        weights = bool(np.all(np.asarray(first.weight) == np.asarray(second.weight)))
        return key(first) == key(second) and weights and same(first.dimension, second.dimension)

    left, right = sorted_terms(left), sorted_terms(right)
    return left.keys() == right.keys() and all(
        len(left[name]) == len(right[name]) and all(map(equal, left[name], right[name])) for name in left
    )
