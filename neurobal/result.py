"""`Balance`: what `balance` found, ready to be read, applied and undone."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurobal.formulation import Excluded, Formulation
from neurobal.rescaling import Rescaling


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Balance(Rescaling):
    """The answer of `balance`: a rescaling, and what it did to costs.

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
    scale, weights, before, circuit, certificate, ...
        As in a `Rescaling`.
    formulation : Formulation
        The balanced network under its cost: what the analyses need to know of it.
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
    formulation: Formulation
    history: np.recarray

    def table(self) -> dict[str, Any]:
        """Columns with one entry a neuron, as those of `Rescaling.table`, and these:

        ``incoming``, ``outgoing`` are the two halves of ∂C/∂h, equal where a neuron is balanced, and
        ``incoming_before``, ``outgoing_before`` those of the network as it was. ``left_out``: the neuron could
        move, but none of its costs takes part in the balance.

        Examples
        --------
        >>> table = nb.balance(np.array([[0, 8, 0], [0.5, 0, 0], [1, 0, 0]])).table()  # nothing comes back from 2
        >>> table["left_out"].tolist(), (table["incoming"] - table["outgoing"]).round(6).tolist()
        ([False, False, True], [0.0, 0.0, 0.0])
        """
        columns = super().table()
        for circuit, suffix in ((self.circuit, ""), (self.before, "_before")):
            sums = self.formulation.at(circuit).neuron_sums()
            for side, name in enumerate(("incoming", "outgoing")):
                columns[name + suffix] = np.concatenate([sums[population][side] for population in sums])
        without_cost = self.formulation.nodes.spread(~self.formulation.problem.connected)
        columns["left_out"] = np.concatenate([without_cost[population] > 0 for population in without_cost])
        return columns

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
