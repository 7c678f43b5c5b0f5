"""What a cost is: it names the terms that synapses and neurons contribute to one sum. Costs can be added up.

Under a rescaling a power of a weight grows by ``λ_post^(p a) / λ_pre^(p b)``, and what a neuron costs by itself by a
power of its own λ. So the whole is convex in log λ, whatever it is made of.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from neurobal.circuit import Circuit, Projection
from neurobal.cost.dimensions import dimension_of, times
from neurobal.cost.terms import NeuronTerm, Term
from neurobal.errors import InvalidInputError


def _nearest(cls: type, method: str) -> int:
    """How far from a class, in the order in which methods are looked up, one is defined (`Cost` itself not counted)."""
    order = [kind for kind in cls.__mro__ if kind is not Cost]
    return next((k for k, kind in enumerate(order) if method in vars(kind)), len(order))


class Cost(ABC):
    """A sum over synapses and neurons. Add costs with ``+``, multiply by numbers: ``Power(2) + 0.1*Power(1)``.

    It answers two questions: what synapses cost (`synaptic_terms`), and what neurons cost by themselves
    (`neuron_terms`). A cost of your own defines one of them, or both.

    A factor with physical units has to stand behind the cost, ``Power(1)*(1/mV)``: on the left a quantity of Brian2
    would try to multiply the cost itself, and refuse.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if _nearest(cls, "terms") < _nearest(cls, "synaptic_terms"):
            warnings.warn(
                f"{cls.__name__}: Cost.terms(projection) is deprecated, define synaptic_terms(circuit, projections) -> "
                "{name: [Term, ...]}: a cost is asked once, with the whole circuit.",
                DeprecationWarning,
                stacklevel=3,  # past ABCMeta
            )
            cls.synaptic_terms = _terms_of_each  # type: ignore[assignment,method-assign]
        elif cls.neuron_terms is not Cost.neuron_terms and cls.synaptic_terms is Cost.synaptic_terms:
            cls.synaptic_terms = _no_synapses  # type: ignore[assignment,method-assign]

    @abstractmethod
    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        """The terms that this cost puts on the synapses of these projections of ``circuit``, by projection.

        It is asked once, and sees all populations and projections; only those that are named are to cost anything.
        """

    def neuron_terms(self, circuit: Circuit, populations: Collection[str]) -> dict[str, list[NeuronTerm]]:
        """The terms that this cost puts on the neurons of these populations of ``circuit``, by population; or none.

        It is asked once, as `synaptic_terms`, and sees all populations; only those that are named are to cost anything.
        """
        return {}

    def terms(self, projection: Projection) -> list[Term]:
        """Deprecated: the terms on the synapses of one projection. Use `synaptic_terms`."""
        circuit = Circuit()
        circuit.projections[projection.name] = projection
        # The nearest class that is not deprecated itself: one that is may call this as ``super().terms``.
        methods = (vars(kind).get("synaptic_terms", _terms_of_each) for kind in type(self).__mro__)
        method = next(method for method in methods if method is not _terms_of_each)
        return method(self, circuit, [projection.name]).get(projection.name, [])

    def powers(self) -> set[float]:
        """The exponents p of its terms on synapses: a `Plasticity` asks for them before there are synapses."""
        raise InvalidInputError(
            f"cost: {type(self).__name__} has no method powers(), which a Plasticity needs: define one that returns "
            "the exponents p of its terms, such as {2.0}."
        )

    @property
    def formula(self) -> str:
        """What it sums up, for printouts: "Σ w²"."""
        return type(self).__name__

    def __add__(self, other: object) -> Cost:
        return CostSum(((1.0, self), (1.0, other))) if isinstance(other, Cost) else NotImplemented

    def __mul__(self, factor: Any) -> Cost:
        return CostSum(((factor, self),)) if np.ndim(factor) == 0 and not isinstance(factor, Cost) else NotImplemented

    __rmul__ = __mul__


@dataclass(frozen=True, eq=False)
class CostSum(Cost):
    """A weighted sum of costs, as made by ``+`` and ``*``."""

    parts: tuple[tuple[Any, Cost], ...]

    def __post_init__(self) -> None:
        for factor, _ in self.parts:
            if not (np.isreal(factor) and 0 <= float(np.asarray(factor)) < math.inf):
                raise InvalidInputError(f"A cost can be multiplied by a number >= 0 only, not by {factor!r}.")

    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        total: dict[str, list[Term]] = {name: [] for name in projections}
        for factor, cost in self.parts:
            for name, terms in asked(cost, circuit, projections).items():
                total[name] += [
                    Term(t.power, float(np.asarray(factor)) * t.weight, times(t.dimension, dimension_of(factor)))
                    for t in terms
                ]
        return total

    def neuron_terms(self, circuit: Circuit, populations: Collection[str]) -> dict[str, list[NeuronTerm]]:
        total: dict[str, list[NeuronTerm]] = {}
        for factor, cost in self.parts:
            scalar, dimension = float(np.asarray(factor)), dimension_of(factor)
            for name, terms in asked_neurons(cost, circuit, populations).items():
                total.setdefault(name, []).extend(
                    term.times(scalar, times(term.dimension, dimension)) for term in terms
                )
        return total

    def powers(self) -> set[float]:
        return set().union(*(cost.powers() for _, cost in self.parts))

    @property
    def formula(self) -> str:
        return " + ".join(c.formula if np.asarray(f) == 1 else f"{_shown(f)} {c.formula}" for f, c in self.parts)

    def __repr__(self) -> str:
        return " + ".join(f"{c!r}" if np.asarray(f) == 1 else f"{f!r}*({c!r})" for f, c in self.parts)


def _shown(factor: Any) -> str:
    """A factor, for printouts: six digits of a number, and a quantity with its units."""
    return f"{factor:.6g}" if isinstance(factor, Real) else f"{factor}"


def asked(cost: Cost, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
    """The answer of `Cost.synaptic_terms`, checked: lists of terms for these projections, and for no others."""
    answer = cost.synaptic_terms(circuit, projections)
    owner = f"{type(cost).__name__}.synaptic_terms"
    if not isinstance(answer, Mapping):
        raise InvalidInputError(f"{owner}: expected a dict from projection to a list of Term, got {answer!r:.60}.")
    for name, terms in answer.items():
        if name not in projections:
            raise InvalidInputError(
                f"{owner}: answered for projection {name!r}, which is not to cost anything; it was asked for "
                f"{', '.join(map(repr, projections))}."
            )
        if not isinstance(terms, (list, tuple)) or not all(isinstance(term, Term) for term in terms):
            raise InvalidInputError(f"{owner}: expected a list of Term for projection {name!r}, got {terms!r:.60}.")
        for term in terms:
            if not (term.power > 0 and np.all(np.isfinite(term.weight)) and np.all(np.asarray(term.weight) >= 0)):
                raise InvalidInputError(
                    f"{owner}: a term of projection {name!r} has power {term.power!r} and weights {term.weight!r:.40}; "
                    "the power must be > 0, weights finite and >= 0."
                )
    return dict(answer)


def _terms_of_each(cost: Cost, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
    """`Cost.synaptic_terms` of a cost that only has the deprecated ``terms``."""
    return {name: cost.terms(circuit.projections[name]) for name in projections}


def asked_neurons(cost: Cost, circuit: Circuit, populations: Collection[str]) -> dict[str, list[NeuronTerm]]:
    """The answer of `Cost.neuron_terms`, checked: lists of terms for these populations, and for no others."""
    answer = cost.neuron_terms(circuit, populations)
    owner = f"{type(cost).__name__}.neuron_terms"
    if not isinstance(answer, Mapping):
        raise InvalidInputError(
            f"{owner}: expected a dict from population to a list of NeuronTerm, got {answer!r:.60}."
        )
    for name, terms in answer.items():
        if name not in populations:
            raise InvalidInputError(
                f"{owner}: answered for population {name!r}, which is not to cost anything; it was asked for "
                f"{', '.join(map(repr, populations))}."
            )
        if not isinstance(terms, (list, tuple)) or not all(isinstance(term, NeuronTerm) for term in terms):
            raise InvalidInputError(
                f"{owner}: expected a list of NeuronTerm for population {name!r}, got {terms!r:.60}."
            )
        shapes = ((), (circuit.populations[name].size,))
        for term in terms:
            exponent, weight = np.asarray(term.exponent), np.asarray(term.weight)
            numbers = all(x.dtype.kind in "iuf" and np.all(np.isfinite(x)) for x in (exponent, weight))
            if not (
                term.power > 0
                and numbers
                and exponent.shape in shapes
                and weight.shape in shapes
                and np.all(weight >= 0)
            ):
                raise InvalidInputError(
                    f"{owner}: a term of population {name!r} has exponent {term.exponent!r:.40} and weights "
                    f"{term.weight!r:.40}; expected finite numbers, one or {shapes[1][0]} of them, weights >= 0 and a "
                    "power > 0."
                )
    return {
        name: [
            replace(term, owner=term.owner or type(cost).__name__, weight=np.broadcast_to(term.weight, size))
            for size in [circuit.populations[name].size]
            for term in terms
        ]
        for name, terms in answer.items()
        if terms
    }


def parts_of(cost: Cost) -> list[Cost]:
    """The costs that a sum consists of, however deep."""
    return [one for _, part in cost.parts for one in parts_of(part)] if isinstance(cost, CostSum) else [cost]


def costs_neurons(cost: object) -> bool:
    """Whether a cost, or a part of it, can have terms on neurons."""
    return isinstance(cost, Cost) and any(type(one).neuron_terms is not Cost.neuron_terms for one in parts_of(cost))


def superscript(p: float) -> str:
    """An exponent, for printouts: "²", "^1.5", and nothing for 1."""
    if p == 1:
        return ""
    return "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(p)] if p in range(2, 10) else f"^{p:g}"


def _no_synapses(cost: Cost, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
    """`Cost.synaptic_terms` of a cost on neurons only."""
    return {}
