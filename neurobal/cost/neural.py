"""Costs on neurons: what a neuron pays by itself, whatever its synapses weigh, as a power of its λ.

Under a rescaling a state moves as ``x_i → λ_i x_i``, and what a neuron of homogeneity b sends as ``r_i → λ_i^b r_i``.
So sums of powers of activity, and the noise that reaches the output, are sums of ``g_i exp(q_i h_i)`` with h = log λ:
they are convex in h, as costs of synapses are, and add to them. They act as synapses that come from the pinned neurons
(q > 0) or go there (q < 0).

The numbers are those of the network that is balanced, as it is before: after ``apply()`` they have to be measured
again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from neurobal.circuit import Circuit
from neurobal.cost.base import Cost, superscript
from neurobal.cost.dimensions import dimension_of, raised
from neurobal.cost.terms import NeuronTerm
from neurobal.errors import InvalidInputError, did_you_mean
from neurobal.inputs import exponent, numbers

Array: TypeAlias = np.ndarray

STATE, SENT = "state", "sent"


@dataclass(frozen=True, eq=False)
class Activity(Cost):
    """Activity, or the energy of graded signals: ``Σ_i s_i^p``, which becomes ``Σ_i s_i^p λ_i^(p k)``.

    k is 1 for states, and the homogeneity b for what neurons send. A large p with maxima limits the range of states:
    ``Activity(maxima / X, p=16)`` grows steeply where a state exceeds X. With p = 1 and ``values = fanout * mean``
    it counts synaptic operations.

    Parameters
    ----------
    values
        What each neuron's activity is, as the network is now: root mean squares, means or maxima, ≥ 0, measured from
        the origin of the potential (where a neuron without input rests). One number, an array (n,) if there is one
        population, or a dict by the names of populations; those that it does not name cost nothing. They may carry
        units. Neurons that are never active (0) cost nothing.
    p
        Any number > 0: 2 is the mean squared activity.
    of
        Whose values they are: "state", or "sent", such as rates.

    Examples
    --------
    Two neurons whose noise matters alike, one of them ten times as active: activity is shared out (λ⁴ ∝ G/s²).

    >>> cost = nb.Activity([10.0, 1.0]) + nb.OutputNoise([1.0, 1.0])
    >>> (nb.balance(np.array([[0, 1], [1, 0]]), cost=cost).scale ** 4).round(6).tolist()
    [0.01, 1.0]
    """

    values: Any
    p: float = 2
    of: str = STATE

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not isinstance(self.p, Real) or not 0 < self.p < math.inf:
            raise InvalidInputError(f"Activity.p: expected a number > 0, got {self.p!r}.")
        _check_of(self.of, "Activity")

    def neuron_terms(self, circuit: Circuit, populations: Collection[str]) -> dict[str, list[NeuronTerm]]:
        terms = {}
        for name, (values, dimension) in _by_population(self.values, circuit, populations, "Activity.values").items():
            power = self.p * _moves(circuit, name, self.of, "Activity")
            terms[name] = [NeuronTerm(power, values, raised(dimension, self.p), float(self.p))]
        return terms

    def powers(self) -> set[float]:
        return set()

    @property
    def formula(self) -> str:
        return f"Σ {'s' if self.of == STATE else 'r'}{superscript(self.p)}"

    def __repr__(self) -> str:
        return f"Activity(values{'' if self.p == 2 else f', p={self.p:g}'}{_of(self.of)})"


@dataclass(frozen=True, eq=False)
class OutputNoise(Cost):
    """The noise in the output that private noise of fixed size on every neuron causes: ``Σ_i g_i λ_i^(-2 k)``.

    Noise on a variable that moves as λ^k acts like noise divided by λ^k in the network before, to first order in its
    size: k is 1 for states, and the homogeneity b for what neurons send. Independent noise only: covariances between
    neurons could be negative, and their cost not convex. Noise that scales along (a part of the activity) does not
    change under any rescaling.

    Parameters
    ----------
    noise_gains
        ``g_i = σ_i² G_i`` ≥ 0, the variance in the output that the noise of neuron i alone causes, as the network is
        now. G is what `analysis.noise_gains` finds: for a linear network, the diagonal of the observability Gramian
        (``Aᵀ Q + Q A + Cᵀ C = 0``). One number, an array (n,) if there is one population, or a dict by
        the names of populations. It may carry units.
    of
        What the noise is added to: "state", or what is "sent".

    Examples
    --------
    >>> noise = nb.OutputNoise([4.0, 1.0])
    >>> result = nb.balance(np.array([[0, 1], [1, 0]]), cost=noise + nb.Activity([1.0, 1.0]))
    >>> (result.scale ** 4).round(6).tolist()  # the balance of both terms, neuron by neuron
    [4.0, 1.0]
    """

    noise_gains: Any
    of: str = STATE

    def __post_init__(self) -> None:
        _check_of(self.of, "OutputNoise")

    def neuron_terms(self, circuit: Circuit, populations: Collection[str]) -> dict[str, list[NeuronTerm]]:
        gains = _by_population(self.noise_gains, circuit, populations, "OutputNoise.noise_gains")
        return {
            name: [NeuronTerm(-2 * _moves(circuit, name, self.of, "OutputNoise"), values, dimension)]
            for name, (values, dimension) in gains.items()
        }

    def powers(self) -> set[float]:
        return set()

    @property
    def formula(self) -> str:
        return "Σ G/λ²" if self.of == STATE else "Σ G/λ²ᵇ"

    def __repr__(self) -> str:
        return f"OutputNoise(noise_gains{_of(self.of)})"


@dataclass(frozen=True, eq=False)
class NeuronCost(Cost):
    """Any power of λ: ``Σ_i g_i λ_i^q``, for every real q. `Activity` and `OutputNoise` are of this kind.

    Noise whose variance grows as |x|^γ, on a variable that moves as λ^k, has q = -(2 - γ) k.

    Parameters
    ----------
    weight
        g ≥ 0, the cost of each neuron as the network is now: one number, an array (n,) if there is one population, or
        a dict by the names of populations. It may carry units.
    exponent
        q: one number, or as ``weight``, with a value for each population that ``weight`` has one for.

    Examples
    --------
    >>> cost = nb.Power(2) + nb.NeuronCost([1.0, 1.0, 1.0], exponent=2) + nb.NeuronCost(np.ones(3), exponent=-2)
    >>> nb.balance(np.array([[0, 8, 0], [0.5, 0, 0], [1, 0, 0]]), cost=cost).excluded  # they hold neuron 2
    ()
    """

    weight: Any
    exponent: Any

    def neuron_terms(self, circuit: Circuit, populations: Collection[str]) -> dict[str, list[NeuronTerm]]:
        weights = _by_population(self.weight, circuit, populations, "NeuronCost.weight")
        powers = _by_population(self.exponent, circuit, list(weights), "NeuronCost.exponent", positive=False)
        terms = {}
        for name, (values, dimension) in weights.items():
            if name not in powers or powers[name][1] is not None:
                found = "none" if name not in powers else "one with units"
                raise InvalidInputError(f"NeuronCost.exponent: expected a number for population {name!r}, got {found}.")
            power = exponent(powers[name][0], circuit.populations[name].size, "NeuronCost.exponent")
            terms[name] = [NeuronTerm(power, values, dimension)]
        return terms

    def powers(self) -> set[float]:
        return set()

    @property
    def formula(self) -> str:
        return f"Σ g λ{superscript(float(self.exponent))}" if isinstance(self.exponent, Real) else "Σ g λ^q"

    def __repr__(self) -> str:
        return f"NeuronCost(weight, {self.exponent if isinstance(self.exponent, Real) else 'exponent'})"


def _by_population(
    values: Any, circuit: Circuit, populations: Collection[str], what: str, *, positive: bool = True
) -> dict[str, tuple[Array, Any]]:
    """Numbers per neuron of each population that has some, in base units, and their dimensions."""
    if isinstance(values, Mapping):
        for name in values:
            if name not in circuit.populations:
                raise InvalidInputError(
                    f"{what}: there is no population {name!r}.{did_you_mean(name, circuit.populations)}"
                )
        chosen = {name: values[name] for name in populations if name in values}
    elif np.ndim(values) == 0 or len(populations) == 1:
        chosen = dict.fromkeys(populations, values)
    elif not populations:
        chosen = {}
    else:
        raise InvalidInputError(
            f"{what}: this network has {len(populations)} populations; give a dict from a population's name to an "
            f"array, {{{next(iter(populations))!r}: ...}}. Those that it does not name cost nothing. Populations: "
            f"{', '.join(map(repr, populations))}."
        )
    return {
        name: (
            _checked(one, circuit.populations[name].size, f"{what}, population {name!r}", positive),
            dimension_of(one),
        )
        for name, one in chosen.items()
    }


def _checked(values: Any, size: int, what: str, positive: bool) -> Array:
    array = np.broadcast_to(numbers(values, what, (), (size,)), (size,))
    wrong = np.flatnonzero(array < 0)
    if positive and wrong.size:
        raise InvalidInputError(
            f"{what}: expected numbers >= 0, got {array[wrong[0]]:g} for neuron {wrong[0]}. Give sizes, such as root "
            "mean squares."
        )
    return array


def _moves(circuit: Circuit, name: str, of: str, owner: str) -> float | Array:
    """The power of λ by which the states of a population move, or what it sends."""
    if of == STATE:
        return 1.0
    declared = circuit.populations[name].homogeneity
    if np.any(np.asarray(declared) != 1.0):
        return declared
    # Where it is derived from a model's equations, only projections know it.
    found: list[float | Array] = []
    for projection in circuit:
        b = projection.pre_exponent
        if projection.pre == name and not any(np.array_equal(b, other) for other in found):
            found.append(b)
    if len(found) > 1:
        shown = ", ".join("one that differs from neuron to neuron" if np.ndim(b) else f"{b:g}" for b in found)
        raise InvalidInputError(
            f"{owner}: what population {name!r} sends moves by more than one power of λ ({shown}), so that of='sent' "
            "is not clear. Use NeuronCost(weight, exponent) with the power of what you have measured."
        )
    return found[0] if found else declared


def _check_of(of: Any, owner: str) -> None:
    if of not in (STATE, SENT):
        raise InvalidInputError(f"{owner}.of: expected 'state' or 'sent', got {of!r}.")


def _of(of: str) -> str:
    return "" if of == STATE else f", of={of!r}"
