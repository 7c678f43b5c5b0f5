"""`rescale`: any scales, as a result that can be read, applied and undone like that of a balance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from neurobal.adapters import as_circuit, as_writable_circuit
from neurobal.certificate import Certificate, certify
from neurobal.circuit import Circuit, Population, Writing
from neurobal.errors import DifferentModelError, InvalidInputError, NeurobalError, did_you_mean
from neurobal.inputs import numbers
from neurobal.rounding import quantum

Array: TypeAlias = np.ndarray

ROUNDING = 1e-12  # of a log-scale: a scale of 1, or equal to that of a tied neuron, but for the last digits


class Written:
    """What the last `Rescaling.apply` wrote, if anything.

    Copies within a process share it, for they have the same network; what is pickled has none.
    """

    def __init__(self) -> None:
        self.last: Writing | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Written, ()

    def __deepcopy__(self, memo: Any) -> Written:
        return self


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Rescaling:
    """A network whose neurons have been rescaled, not written yet.

    Attributes
    ----------
    log_scale : dict of arrays by population
        log λ per neuron.
    before, circuit : Circuit
        Snapshots of the network as it was, and as it is when rescaled.
    dyadic : bool
        Every power of λ that occurs is a power of two.
    scale : array, or dict of arrays by population
        λ: what multiplies the weights that come into each neuron. 1 for pinned neurons.
    weights : the input's container, or a dict of containers by projection
        The rescaled weights.
    certificate : Certificate
        The proof that the function is preserved.
    """

    log_scale: dict[str, Array]
    before: Circuit
    circuit: Circuit
    dyadic: bool
    _written: Written = field(default_factory=Written)

    @cached_property
    def scale(self) -> Any:
        """λ per neuron."""
        scale = {
            name: np.exp2(np.rint(h / np.log(2))) if self.dyadic else np.exp(h) for name, h in self.log_scale.items()
        }
        return next(iter(scale.values())) if self.before.is_matrix else scale

    @cached_property
    def weights(self) -> Any:
        """The rescaled weights, in the container that they came in."""
        weights = {projection.name: projection.container for projection in self.circuit}
        return next(iter(weights.values())) if self.before.is_matrix else weights

    @cached_property
    def certificate(self) -> Certificate:
        """Compares the network before and after; made when first asked for."""
        return certify(self.before, self.circuit, self.log_scale)

    def is_applied(self) -> bool:
        """Whether the network holds what `apply` wrote; its values are compared, for a ``restore()`` may change them.

        Parameters and weights decide, unless the simulation itself changes them; where every value has changed since,
        the last of `apply` and `revert` counts, with a warning.

        Raises
        ------
        NeurobalError
            Some values are those that were written, others those from before.
        """
        return self._written.last is not None and self._written.last.stands()

    def apply(self) -> None:
        """Write weights, states and parameters into the network: all of it, or nothing if anything fails.

        Multiplies the *current* values, so the simulation may have gone on since the network was read. A network that
        has been put back, by `revert` or by its ``restore()``, can be rescaled again.

        Raises
        ------
        NeurobalError
            It is applied already, wholly or in part, or there is nothing to write to.
        """
        name = type(self).__name__
        binding = self.before.binding
        if binding is None:
            raise NeurobalError(
                f"{name}.apply: there is nothing to write to. A matrix or Circuit is never changed; take the new "
                "weights from result.weights or result.circuit."
            )
        if self.is_applied():
            raise NeurobalError(
                f"{name}.apply: already applied; a second time would rescale twice. Use revert() first."
            )
        self._written.last = binding.write(self.log_scale, dyadic=self.dyadic)

    def apply_to(self, network: Any) -> Rescaling:
        """Rescale another network of the same model by the same scales: one built anew, say, with the same names.

        Multiplies its current values. Returns the `Rescaling` of that network, with a ``revert()`` of its own; for a
        matrix or `Circuit`, which are never written to, it holds the rescaled weights.

        Raises
        ------
        DifferentModelError
            The network does not compute with the same model, connections and delays.
        """
        binding = self.before.binding
        if binding is None:
            return rescaled(_like(self.before, as_circuit(network)), self.log_scale, dyadic=self.dyadic)
        other = rescaled(binding.reread(network), self.log_scale, dyadic=self.dyadic)
        other.apply()
        return other

    def table(self) -> dict[str, Any]:
        """Columns with one entry a neuron, population after population: ``pandas.DataFrame(result.table())``.

        ``population``, ``index`` (of the neuron in it), ``scale`` (λ), ``pinned``.
        """
        populations = self.before.populations.values()
        scale = {"": self.scale}.values() if self.before.is_matrix else self.scale.values()
        return {
            "population": np.repeat([p.name for p in populations], [p.size for p in populations]),
            "index": np.concatenate([np.arange(p.size) for p in populations]),
            "scale": np.concatenate([*scale]),
            "pinned": np.concatenate([p.pinned for p in populations]),
        }

    def revert(self) -> None:
        """Undo `apply`: what has not changed since gets its old value back, what has is divided by its factor.

        Raises
        ------
        NeurobalError
            The network stands where it was before `apply` (it was reverted, or restored from a stored state), or only a
            part of it does. Nothing is changed then.
        """
        if not self.is_applied():
            raise NeurobalError(
                f"{type(self).__name__}.revert: nothing has been applied: the network stands where it was before "
                "apply(), or revert() or restore() has put it there. It is left as it is."
            )
        assert self._written.last is not None
        self._written.last.undo()

    def __repr__(self) -> str:
        moved = {name: int(np.count_nonzero(h)) for name, h in self.log_scale.items()}
        lines = [f"Rescaling: {sum(moved.values()):,} of {sum(h.size for h in self.log_scale.values()):,} neurons move"]
        lines += [f"{'population':16}{'neurons':>9}{'moved':>9}   λ from ... to"]
        for name, h in self.log_scale.items():
            lines.append(f"{name:16}{h.size:>9,}{moved[name]:>9,}   {span(np.exp(h))}")
        return "\n".join([*lines, *self.before.notes, str(self.certificate)])


def rescale(
    network: Any,
    scale: Any,
    *,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Mapping[str, Any] | None = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> Rescaling:
    """Rescale a network's neurons by any scales, without changing what it computes.

    ``w'_e = w_e λ_i^a λ_j^-b``, and all that belongs to a neuron moves along (Stock et al. 2022). The argument is
    never changed: the answer writes only when its ``apply()`` is called.

    Parameters
    ----------
    network
        As in `balance`.
    scale
        λ > 0: an array (n,) for a matrix, else a dict from a population's name to a number or an array (size,).
        Populations that are not named keep λ = 1.
    pinned, tied, homogeneity, scaling, namespace, level
        As in `balance`.

    Raises
    ------
    InvalidInputError
        A scale is not a positive number; it moves a neuron that is pinned or cannot be rescaled, or tied neurons apart.

    Examples
    --------
    >>> J = np.array([[0.0, 8.0], [0.5, 0.0]])
    >>> result = nb.rescale(J, [0.5, 2.0])
    >>> result.weights.tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    >>> result.certificate.preserved, result.certificate.exact
    (True, True)
    """
    circuit = as_writable_circuit(
        network,
        pinned=pinned,
        tied=tied,
        homogeneity=homogeneity,
        scaling=scaling,
        namespace=namespace,
        level=level + 1,
    )
    log_scale = {name: np.zeros(p.size) for name, p in circuit.populations.items()}
    for name, values in _by_population(circuit, scale).items():
        if name not in circuit.populations:
            raise InvalidInputError(f"scale: there is no population {name!r}.{did_you_mean(name, circuit.populations)}")
        log_scale[name] = _log_scale(circuit, circuit.populations[name], values)
    whole = _whole(circuit, log_scale)
    return rescaled(circuit, log_scale if whole is None else whole, dyadic=whole is not None)


def rescaled(circuit: Circuit, log_scale: Mapping[str, Array], *, dyadic: bool) -> Rescaling:
    """The rescaling of a circuit by known log-scales."""
    after = circuit.rescaled(log_scale, dyadic=dyadic)
    return Rescaling(log_scale=dict(log_scale), before=circuit, circuit=after, dyadic=dyadic)


def _like(circuit: Circuit, other: Circuit) -> Circuit:
    """``other`` with the constraints of ``circuit``, which must have populations and projections of the same kind."""
    sizes = [{p.name: p.size for p in c.populations.values()} for c in (circuit, other)]
    ends = [{p.name: (p.pre, p.post) for p in c} for c in (circuit, other)]
    for what, (here, there) in (("populations (name: neurons)", sizes), ("projections (name: from, to)", ends)):
        if here != there:
            raise DifferentModelError(f"apply_to: the {what} are {there} and were {here}.", what)
    same = other.copy()
    for name, population in circuit.populations.items():
        parameters = same.populations[name].parameters
        same.populations[name] = replace(population, parameters=parameters)
    for name, projection in circuit.projections.items():
        same.projections[name] = replace(
            same.projections[name],
            post_exponent=projection.post_exponent,
            pre_exponent=projection.pre_exponent,
            costed=projection.costed,
        )
    return same


def _by_population(circuit: Circuit, scale: Any) -> Mapping[str, Any]:
    if isinstance(scale, Mapping):
        return scale
    if not circuit.is_matrix:
        raise InvalidInputError(
            f"scale: expected a dict from a population's name to its scales, got {type(scale).__name__}. "
            f"Populations: {', '.join(map(repr, circuit.populations))}."
        )
    return {next(iter(circuit.populations)): scale}


def _log_scale(circuit: Circuit, population: Population, values: Any) -> Array:
    """The logarithms of checked scales; those of pinned neurons exactly 0."""
    name, size = population.name, population.size
    scale = np.broadcast_to(numbers(values, f"scale of {name!r}", (), (size,)), (size,))

    def refuse(wrong: Array, why: str) -> None:
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise InvalidInputError(f"scale: λ of {name}[{k}] is {scale[k]:g}, {why}")

    refuse(scale <= 0, "and must be positive.")
    h = np.log(scale)
    held = next((note for note in circuit.notes if note.startswith(f"held at λ = 1: {name},")), "it is pinned")
    refuse(
        population.pinned & (np.abs(h) > ROUNDING), f"and must be 1: {held.removeprefix(f'held at λ = 1: {name}, ')}."
    )
    if population.tied is not None:
        labels, first, inverse = np.unique(population.tied, return_index=True, return_inverse=True)
        apart = (labels[inverse] >= 0) & (np.abs(h - h[first[inverse]]) > ROUNDING)
        k = int(first[inverse[np.flatnonzero(apart)[0]]]) if apart.any() else 0
        refuse(apart, f"and that of {name}[{k}], which is tied to it, is {scale[k]:g}.")
    return np.where(population.pinned, 0.0, h)


def _whole(circuit: Circuit, log_scale: Mapping[str, Array]) -> dict[str, Array] | None:
    """The log-scales without their last digits, if all that moves does so by powers of two; None if not."""
    try:
        step = quantum(circuit)
    except InvalidInputError:  # an irrational exponent
        return None
    whole = {name: np.rint(h / step) * step for name, h in log_scale.items()}
    near = all(np.allclose(h, whole[name], rtol=0, atol=ROUNDING) for name, h in log_scale.items())
    return whole if near else None


def span(scale: Array) -> str:
    """The least and the largest of some scales, as they are printed."""
    return f"{scale.min():.3g} ... {scale.max():.3g}" if scale.size else "-"
