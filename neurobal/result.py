"""`Balance`: what `balance` found, ready to be read, applied and undone."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from neurobal.certificate import Certificate, certify
from neurobal.circuit import Circuit, Writing
from neurobal.errors import NeurobalError
from neurobal.formulation import Excluded, Formulation

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Balance:
    """The answer of `balance`.

    Attributes
    ----------
    success, status, message : as in SciPy
        Whether the tolerance was met: as a bool, as the solver's reason to stop, and as a sentence.
    method, iterations, evaluations
        An evaluation is one pass over all synapses (a pair of sparse matrix-vector products).
    cost_before, cost : float
        Total cost of all costed synapses that were not left out.
    imbalance_before, imbalance : float
        The largest Σ |in - out| / Σ p c of a connected component; sums over its free neurons (tied ones as one), and
        over the synapses that a rescaling can change. c is the cost of a synapse, p its power.
    worst_unit : float
        The largest |in - out| / (in + out) of a free neuron, or of a group of tied ones.
    excluded : tuple of Excluded
        Synapses without a balance, by projection. They are rescaled as their neurons are, but were not counted.
    scale : array, or dict of arrays by population
        λ: what multiplies the weights that come into each neuron. 1 for pinned neurons.
    weights : the input's container, or a dict of containers by projection
        The balanced weights.
    before, circuit : Circuit
        Snapshots of the network as it was, and as it is when balanced.
    formulation : Formulation
        The balanced network under its cost: what the analyses need to know of it.
    certificate : Certificate
        The proof that the function is preserved.
    history : recarray
        ``history.cost`` and ``history.imbalance`` per iteration (stochastic: per N visits), the start first.
    """

    success: bool
    status: str
    message: str
    method: str
    iterations: int
    evaluations: int
    cost_before: float
    cost: float
    imbalance_before: float
    imbalance: float
    worst_unit: float
    excluded: tuple[Excluded, ...]
    log_scale: dict[str, Array]
    before: Circuit
    circuit: Circuit
    formulation: Formulation
    history: np.recarray
    dyadic: bool
    _writings: list[Writing] = field(default_factory=list)  # the last one, if any

    @cached_property
    def scale(self) -> Any:
        """λ per neuron."""
        scale = {
            name: np.exp2(np.rint(h / np.log(2))) if self.dyadic else np.exp(h) for name, h in self.log_scale.items()
        }
        return next(iter(scale.values())) if self.before.is_matrix else scale

    @cached_property
    def weights(self) -> Any:
        """The balanced weights, in the container that they came in."""
        weights = {projection.name: projection.container for projection in self.circuit}
        return next(iter(weights.values())) if self.before.is_matrix else weights

    @cached_property
    def certificate(self) -> Certificate:
        """Compares the weights before and after; made when first asked for."""
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
        return any(writing.stands() for writing in self._writings)

    def apply(self) -> None:
        """Write weights, states and parameters into the network: all of it, or nothing if anything fails.

        Multiplies the *current* values, so the simulation may have gone on since `balance` was called. A network that
        has been put back, by `revert` or by its ``restore()``, can be balanced again.

        Raises
        ------
        NeurobalError
            It is applied already, wholly or in part, or there is nothing to write to.
        """
        binding = self.before.binding
        if binding is None:
            raise NeurobalError(
                "Balance.apply: there is nothing to write to. A matrix or Circuit is never changed; take the "
                "balanced weights from result.weights or result.circuit."
            )
        if self.is_applied():
            raise NeurobalError(
                "Balance.apply: already applied; a second time would rescale twice. Use revert() first."
            )
        self._writings[:] = [binding.write(self.log_scale, dyadic=self.dyadic)]

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
                "Balance.revert: nothing has been applied: the network stands where it was before apply(), or revert() "
                "or restore() has put it there. It is left as it is."
            )
        self._writings[0].undo()

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        fall = f"  ({self.cost / self.cost_before - 1:+.1%})" if self.cost_before > 0 else ""
        state = "balanced" if self.success else "NOT balanced"
        lines = [
            f"Balance: {state} ({self.method}, {self.iterations} iterations, {self.evaluations} evaluations)",
            f"{'':12}{'before':>12}{'after':>12}",
            f"{'cost':12}{self.cost_before:>12.5g}{self.cost:>12.5g}{fall}",
            f"{'imbalance':12}{self.imbalance_before:>12.2g}{self.imbalance:>12.2g}",
            f"{'population':16}{'neurons':>9}{'free':>9}   λ from ... to",
        ]
        lines += [f"{name:16}{neurons:>9,}{free:>9,}   {span}" for name, neurons, free, span in self._populations()]
        lines += [*self.before.notes, *(f"left out: {excluded}" for excluded in self.excluded)]
        if not self.success:
            lines.append(self.message)
        lines.append(str(self.certificate))
        return lines

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{before:.5g}</td><td>{after:.5g}</td></tr>"
            for name, before, after in (
                ("cost", self.cost_before, self.cost),
                ("imbalance", self.imbalance_before, self.imbalance),
            )
        )
        title, *rest = self._lines()
        notes = "".join(f"<div>{html.escape(line)}</div>" for line in rest[4 + len(self.before.populations) :])
        groups = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{neurons:,}</td><td>{free:,}</td>"
            f"<td>{span}</td></tr>"
            for name, neurons, free, span in self._populations()
        )
        return (
            f"<b>{html.escape(title)}</b><table><tr><th></th><th>before</th><th>after</th></tr>{rows}</table>"
            f"<table><tr><th>population</th><th>neurons</th><th>free</th><th>λ</th></tr>{groups}</table>{notes}"
        )

    def _populations(self) -> Iterator[tuple[str, int, int, str]]:
        """Name, neurons, free neurons and range of λ of each population."""
        for name, population in self.before.populations.items():
            h = self.log_scale[name]
            span = f"{np.exp(h.min()):.3g} ... {np.exp(h.max()):.3g}" if h.size else "-"
            yield name, population.size, int((~population.pinned).sum()), span
