"""A network as arrays: populations of neurons, projections of synapses, and what one rescaling does to them.

A synapse e from neuron j to neuron i moves as ``w'_e = w_e exp(a_e h_i - b_e h_j)`` with ``h = log λ`` per neuron. A
`Circuit` is a snapshot: it shares no memory with the network it was read from. The way back is its ``binding``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Protocol, TypeAlias

import numpy as np

from neurobal.containers import Container, ListOfSynapses, read_list, read_matrix
from neurobal.description import Description
from neurobal.errors import InvalidInputError, NotFiniteError, did_you_mean
from neurobal.inputs import exponent, indices, neuron_mask, per_neuron, tie_labels
from neurobal.logarithms import multiplied, rescaled

Array: TypeAlias = np.ndarray

Emitted: TypeAlias = Callable[[], Mapping[str, Array]]

BIAS_SUFFIX = ".bias"


@dataclass(frozen=True, eq=False)
class Parameter:
    """A per-neuron constant of the model that moves with its neuron as ``values * λ**power``.

    ``values`` are measured from ``origin``, where what is stored is their sum: then their last digits are lost.
    """

    values: Array
    power: float
    origin: float = 0.0


@dataclass(frozen=True, eq=False)
class Population:
    """A group of neurons.

    ``homogeneity`` is the power with which the output grows when the input grows by λ: one number, or one a neuron.
    ``pinned`` marks neurons that keep λ = 1. ``tied`` holds an integer label per neuron: neurons that share a label
    share λ, a negative label ties to nobody. ``parameters`` are covariant constants that a certificate checks.
    """

    name: str
    size: int
    homogeneity: float | Array
    pinned: Array
    tied: Array | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from population ``pre`` to population ``post``, listed one by one.

    ``pre`` is None for synapses from a constant unit, such as a bias. The exponents are numbers, or arrays with one
    entry per neuron on their side. ``dimension`` is the weights' physical dimension (None: a plain number);
    ``kind`` is the kind of array that they came in.
    """

    name: str
    pre: str | None
    post: str
    post_index: Array
    pre_index: Array
    weight: Array
    shape: tuple[int, int]
    post_exponent: float | Array = 1.0
    pre_exponent: float | Array = 1.0
    costed: bool = True
    dimension: Any = None
    kind: Container = field(default_factory=ListOfSynapses)

    @property
    def exponents(self) -> tuple[float | Array, float | Array]:
        """``(a_e, b_e)``: numbers, or arrays with one entry a synapse."""
        return _gather(self.post_exponent, self.post_index), _gather(self.pre_exponent, self.pre_index)

    def log_factors(self, post_log_scale: Array, pre_log_scale: Array) -> Array:
        """``a_e h_i - b_e h_j`` for every synapse, from log-scales per neuron."""
        # The exponents belong to neurons, so they meet the log-scales before these are spread over the synapses.
        factors = (self.post_exponent * post_log_scale)[self.post_index]
        factors -= (self.pre_exponent * pre_log_scale)[self.pre_index]
        return factors

    def moved(self, post_log_scale: Array, pre_log_scale: Array, *, dyadic: bool) -> Array:
        """The weights times ``exp(a_e h_i - b_e h_j)``, from log-scales per neuron."""
        gain, loss = self.post_exponent * post_log_scale, self.pre_exponent * pre_log_scale
        return rescaled(self.weight, gain, self.post_index, loss, self.pre_index, dyadic=dyadic)

    @property
    def container(self) -> Any:
        """The weights as the kind of array that they came in (dense, sparse, or a list of synapses)."""
        return self.kind.filled(self.weight, self.post_index, self.pre_index)


class Writing(Protocol):
    """One writing of scales into the objects that a `Circuit` was read from."""

    def stands(self) -> bool:
        """Whether the objects hold what was written, by comparing; raise an error if only a part of them does."""

    def undo(self) -> None:
        """Put old values back; what has changed since is divided by its factor. All or nothing."""


class Binding(Protocol):
    """The way back from a `Circuit` to the objects it was read from."""

    def exponents(self) -> Mapping[str, list[float]]:
        """The powers of λ by which anything moves that depends on a population, by its name; its synapses, too."""

    def check(self) -> None:
        """Raise an error if nothing could be written now."""

    def write(self, log_scale: Mapping[str, Array], *, dyadic: bool) -> Writing:
        """Multiply all current values, all or nothing."""

    def reread(self, network: Any) -> Circuit:
        """Read ``network`` as this circuit was read; raise a `DifferentModelError` if it has another model."""

    def detached(self) -> Binding | None:
        """What can be kept in a file: a binding that can only `reread`; None if there is none."""


class Circuit:
    """Populations and projections as arrays. Build one with `add` and `connect`, or read one with `as_circuit`.

    Examples
    --------
    >>> circuit = Circuit()
    >>> circuit.add("in", 2, pinned=True)
    >>> circuit.add("E", 3)
    >>> circuit.connect("in", "E", np.ones((3, 2)))       # (post, pre)
    >>> circuit.connect("E", "E", post_index=[0, 1, 2], pre_index=[1, 2, 0], weight=[4.0, 1.0, 1.0])
    """

    def __init__(self) -> None:
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.binding: Binding | None = None
        self.basis = "declared"
        self.description: Description | None = None  # the rest of the model; None if there is no more to it
        self.is_matrix = False
        self.notes: list[str] = []  # what a reader of results should know of how the network was read
        self.advice = ""  # how to change the model so that more of it can be balanced
        self.assumptions: list[str] = []  # what else has to be so for the basis "assumed"
        self.uncertified: frozenset[str] = frozenset()  # projections whose weights something else changes, too
        self.emitted: Emitted | None = None  # log-scales by which a plasticity has moved the network since, if one did
        self.inexact: dict[str, tuple[str, ...]] = {}  # by population: what powers of two may round differently
        self.roundings = 1.0  # how many times more than one rescaling rounds, many small ones in a run do

    def add(
        self,
        name: str,
        size: int,
        homogeneity: float | Array = 1.0,
        pinned: Any = False,
        tied: Any = None,
        bias: Any = None,
        parameters: Mapping[str, tuple[Any, float] | tuple[Any, float, float]] | None = None,
    ) -> None:
        """Add a population.

        ``pinned``: True, a mask (size,), indices or a slice. ``tied``: True (one λ for all) or labels (size,): equal
        labels share λ, negative integers are not tied. ``bias`` (size,) scales along like a weight from a constant
        unit: it is projection ``name + '.bias'``, costed only if a dict of costs names it. ``parameters``: name ->
        (values (size,), power), constants that must move by λ**power for the function to be preserved; a third number
        is the origin that values are measured from.
        """
        if name in self.populations:
            raise InvalidInputError(f"Circuit.add: there is already a population {name!r}.")
        if isinstance(size, bool) or not isinstance(size, Integral) or size < 0:
            raise InvalidInputError(f"Circuit.add: size of population {name!r} must be an integer >= 0, got {size!r}.")
        size = int(size)
        population = Population(
            name,
            size,
            exponent(homogeneity, size, f"homogeneity of population {name!r}"),
            neuron_mask(pinned, size, f"pinned, population {name!r}"),
            tie_labels(tied, size, f"tied, population {name!r}"),
            {
                key: Parameter(
                    per_neuron(values, size, f"parameter {key!r} of population {name!r}"), *map(float, moves)
                )
                for key, (values, *moves) in (parameters or {}).items()
            },
        )
        if bias is not None:
            values = per_neuron(bias, size, f"bias of population {name!r}")
            self._append(
                Projection(name + BIAS_SUFFIX, None, name, np.arange(size, dtype=np.int32),
                           np.zeros(size, dtype=np.int32), values, (size, 1), 1.0, 0.0, costed=False)
            )  # fmt: skip
        self.populations[name] = population

    def connect(
        self,
        pre: str,
        post: str,
        weights: Any = None,
        *,
        post_index: Any = None,
        pre_index: Any = None,
        weight: Any = None,
        costed: bool = True,
        post_exponent: float | Array = 1,
        pre_exponent: float | Array | None = None,
        name: str | None = None,
        dimension: Any = None,
    ) -> None:
        """Connect ``pre`` to ``post`` by a (post, pre) array or sparse matrix, or by lists of synapses.

        Lists (``post_index``, ``pre_index``, ``weight``) may hold several synapses between the same two neurons. Masked
        entries of a masked array are absent synapses. Indices count from 0; negative ones are errors.
        ``post_exponent`` is a, ``pre_exponent`` b (default: the homogeneity of ``pre``): a number or one per neuron.
        ``costed=False``: a free rider, rescaled but without cost. ``name`` defaults to ``'pre->post'``.
        """
        for end in (pre, post):
            if end not in self.populations:
                raise InvalidInputError(
                    f"Circuit.connect: there is no population {end!r}.{did_you_mean(end, self.populations)}"
                )
        name = self._free_name(f"{pre}->{post}") if name is None else name
        source, target = self.populations[pre], self.populations[post]
        shape = (target.size, source.size)
        kind: Container = ListOfSynapses()
        if weights is not None:
            if not (post_index is None and pre_index is None and weight is None):
                raise InvalidInputError("Circuit.connect: give either a matrix, or post_index, pre_index and weight.")
            rows, columns, values, kind = read_matrix(weights, f"projection {name!r}", shape)
        else:
            if post_index is None or pre_index is None or weight is None:
                raise InvalidInputError("Circuit.connect: give a matrix, or all of post_index, pre_index and weight.")
            rows = indices(post_index, shape[0], f"post_index of projection {name!r}")
            columns = indices(pre_index, shape[1], f"pre_index of projection {name!r}")
            values, present, kind = read_list(weight, f"weights of projection {name!r}")
            if present is not None and present.shape == rows.shape == columns.shape:
                rows, columns = rows[present], columns[present]
            if not rows.shape == columns.shape == values.shape:
                raise InvalidInputError(
                    f"Circuit.connect: post_index, pre_index and weight of projection {name!r} must have equal "
                    f"lengths, got {rows.shape}, {columns.shape} and {values.shape}."
                )
        check_finite(values, rows, columns, name, post, pre)
        self._append(
            Projection(
                name, pre, post, rows, columns, values, shape,
                exponent(post_exponent, shape[0], f"post_exponent of projection {name!r}"),
                exponent(source.homogeneity if pre_exponent is None else pre_exponent, shape[1],
                          f"pre_exponent of projection {name!r}"),
                bool(costed), dimension, kind,
            )
        )  # fmt: skip

    def rescaled(self, log_scale: Mapping[str, Array], *, dyadic: bool = False) -> Circuit:
        """The circuit after every neuron moved by its log-scale (dict by population); index arrays are shared."""
        after = self._like()
        after.description = None if self.description is None else self.description.rescaled(log_scale)
        for name, population in self.populations.items():
            moved = {
                key: replace(p, values=multiplied(p.values, p.power * log_scale[name], dyadic=dyadic))
                for key, p in population.parameters.items()
            }
            after.populations[name] = replace(population, parameters=moved)
        for name, projection in self.projections.items():
            post, pre = self.log_scales_at(projection, log_scale)
            after.projections[name] = replace(projection, weight=projection.moved(post, pre, dyadic=dyadic))
        return after

    def log_scales_at(self, projection: Projection, log_scale: Mapping[str, Array]) -> tuple[Array, Array]:
        """Log-scales of the postsynaptic and the presynaptic neurons of a projection."""
        pre = np.zeros(1) if projection.pre is None else log_scale[projection.pre]
        return log_scale[projection.post], pre

    def with_constraints(self, *, pinned: Any = None, tied: Any = None, homogeneity: Any = None) -> Circuit:
        """A copy with more pins, ties and another homogeneity, each by population name (a matrix: for its neurons)."""
        after = self._like()
        after.populations = dict(self.populations)
        after.projections = dict(self.projections)
        for name, what in self._by_population(pinned, "pinned").items():
            population = after.populations[name]
            mask = neuron_mask(what, population.size, f"pinned, population {name!r}")
            after.populations[name] = replace(population, pinned=population.pinned | mask)
        for name, what in self._by_population(tied, "tied").items():
            population = after.populations[name]
            after.populations[name] = replace(
                population, tied=tie_labels(what, population.size, f"tied, population {name!r}")
            )
        for name, what in self._by_population(homogeneity, "homogeneity", spread=True).items():
            population = after.populations[name]
            power = exponent(what, population.size, f"homogeneity of population {name!r}")
            after.populations[name] = replace(population, homogeneity=power)
            for key, projection in after.projections.items():
                if projection.pre == name:
                    after.projections[key] = replace(projection, pre_exponent=power)
        return after

    def copy(self) -> Circuit:
        """An independent copy of all arrays."""
        after = self._like()
        for name, population in self.populations.items():
            after.populations[name] = replace(
                population,
                homogeneity=_copied(population.homogeneity),
                pinned=population.pinned.copy(),
                tied=_copied(population.tied),
                parameters={k: replace(p, values=p.values.copy()) for k, p in population.parameters.items()},
            )
        for name, projection in self.projections.items():
            after.projections[name] = replace(
                projection,
                post_index=projection.post_index.copy(),
                pre_index=projection.pre_index.copy(),
                weight=projection.weight.copy(),
                post_exponent=_copied(projection.post_exponent),
                pre_exponent=_copied(projection.pre_exponent),
            )
        return after

    def _like(self) -> Circuit:
        after = Circuit()
        after.binding, after.basis, after.is_matrix = self.binding, self.basis, self.is_matrix
        after.description = self.description
        after.notes, after.advice, after.assumptions = list(self.notes), self.advice, list(self.assumptions)
        after.uncertified, after.roundings, after.emitted = self.uncertified, self.roundings, self.emitted
        after.inexact = dict(self.inexact)
        return after

    def _append(self, projection: Projection) -> None:
        if projection.name in self.projections:
            raise InvalidInputError(f"Circuit.connect: there is already a projection {projection.name!r}.")
        self.projections[projection.name] = projection

    def _free_name(self, name: str) -> str:
        taken = (f"{name} ({k})" for k in range(2, len(self.projections) + 3))
        return name if name not in self.projections else next(n for n in taken if n not in self.projections)

    def _by_population(self, what: Any, argument: str, *, spread: bool = False) -> dict[str, Any]:
        """An argument by population: names stand for whole populations, a bare value for a matrix's neurons."""
        if what is None:
            return {}
        if isinstance(what, Mapping):
            chosen = dict(what)
        elif self.is_matrix:
            chosen = dict.fromkeys(self.populations, what)
        elif isinstance(what, str):
            chosen = {what: True}
        elif isinstance(what, (list, tuple, set, frozenset)) and what and all(isinstance(w, str) for w in what):
            chosen = dict.fromkeys(what, True)
        elif len(self.populations) == 1 or spread:
            chosen = dict.fromkeys(self.populations, what)
        else:
            raise InvalidInputError(
                f"{argument}: this network has {len(self.populations)} populations; give names, or a dict from a "
                "population's name to a mask, indices or labels. Populations: "
                f"{', '.join(map(repr, self.populations))}."
            )
        for name in chosen:
            if name not in self.populations:
                raise InvalidInputError(
                    f"{argument}: there is no population {name!r}.{did_you_mean(name, self.populations)}"
                )
        return chosen

    def __iter__(self) -> Iterator[Projection]:
        return iter(self.projections.values())

    def __repr__(self) -> str:
        neurons = sum(p.size for p in self.populations.values())
        synapses = sum(p.weight.size for p in self)
        return (
            f"Circuit({len(self.populations)} populations, {neurons} neurons, "
            f"{len(self.projections)} projections, {synapses} synapses)"
        )


def check_finite(weight: Array, post_index: Array, pre_index: Array, name: str, post: str, pre: str) -> None:
    """Raise an error that names the first synapse whose weight is not a finite number."""
    if not np.all(np.isfinite(weight)):
        bad = np.flatnonzero(~np.isfinite(weight))
        e = bad[0]
        raise NotFiniteError(
            f"Projection {name!r}: {bad.size} of {weight.size} weights are not finite; the first is {weight[e]} at the "
            f"synapse from {pre}[{pre_index[e]}] to {post}[{post_index[e]}]. Repair or remove these synapses.",
            f"weights of {name!r}",
        )


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _gather(exponent: float | Array, index: Array) -> float | Array:
    return exponent if isinstance(exponent, float) else exponent[index]
