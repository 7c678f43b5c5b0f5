"""`Balance`: what `balance` found, ready to be read, applied and undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neurobal import notebook_html
from neurobal.cost import Cost, formula
from neurobal.formulation import Excluded, Formulation
from neurobal.limits import Budget
from neurobal.neuron_costs import ExcludedNeurons
from neurobal.rescaling import Rescaling, span

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row: TypeAlias = tuple[str, str, str, str]

FREE = "(free are neurons that may have a λ other than 1)"
LEFT_OUT = "(left out are synapses that no scales balance; they move with their neurons, but do not count)"
EXCEEDED = 1e-6  # share from which on a printout says that a budget is exceeded
NOT_HELD = "(left out are costs on neurons that no scales balance: these neurons are not scaled for their sake)"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Balance(Rescaling):
    """The answer of `balance`: a rescaling, and what it did to costs.

    Attributes
    ----------
    success, status, message : as in SciPy
        Whether the tolerance was met: as a bool, as the solver's reason to stop, and as a sentence.
    method, iterations, evaluations
        An evaluation is one pass over all synapses (a pair of sparse matrix-vector products), or over all neurons if
        only they cost anything.
    cost_before, cost : float
        Total cost of all costed synapses and neurons that were not left out.
    budgets : tuple of Budget
        What became of each budget: limit, totals before and after, multiplier μ; none if none were given.
    effective_cost : Cost, or dict of costs
        ``cost + Σ μ_k budget_k``: what these scales balance. Without budgets the cost itself. Balancing it leads to
        the same scales without budgets.
    imbalance_before, imbalance : float
        The largest Σ |in - out| / Σ p c of a connected component; sums over its free neurons (tied ones as one), and
        over the synapses that a rescaling can change. c is the cost of a synapse, p its power.
    worst_unit : float
        The largest |in - out| / (in + out) of a free neuron, or of a group of tied ones.
    excluded : tuple of Excluded and ExcludedNeurons
        Synapses without a balance, by projection. They are rescaled as their neurons are, but were not counted. So
        are the costs of neurons by themselves (`Activity`, `OutputNoise`) that nothing holds, by population.
    scale, weights, before, circuit, certificate, ...
        As in a `Rescaling`.
    formulation : Formulation
        The balanced network under its effective cost: what the analyses need to know of it.
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
    excluded: tuple[Excluded | ExcludedNeurons, ...]
    formulation: Formulation
    history: np.recarray
    budgets: tuple[Budget, ...] = ()
    minimised: Cost | dict[str, Cost] | None = None  # where budgets were given

    @property
    def effective_cost(self) -> Cost | dict[str, Cost]:
        """What these scales balance: the cost, plus the budgets times their multipliers."""
        cost = self.formulation.cost
        return cost if isinstance(cost, Cost) else dict(cost)

    def table(self) -> dict[str, Any]:
        """Columns with one entry a neuron, as those of `Rescaling.table`, and these:

        ``incoming``, ``outgoing`` are the two halves of ∂C/∂h, equal where a neuron is balanced (costs on neurons
        that grow with λ are incoming, those that fall outgoing), and
        ``incoming_before``, ``outgoing_before`` those of the network as it was. ``left_out``: the neuron could
        move, but none of its costs takes part in the balance.

        Examples
        --------
        >>> table = nb.balance(np.array([[0, 8, 0], [0.5, 0, 0], [1, 0, 0]])).table()  # nothing comes back from 2
        >>> table["left_out"].tolist(), (table["incoming"] - table["outgoing"]).round(6).tolist()
        ([False, False, True], [0.0, 0.0, 0.0])
        """
        columns = super().table()
        for circuit, moved, suffix in ((self.circuit, self.log_scale, ""), (self.before, {}, "_before")):
            sums = self.formulation.at(circuit, moved).neuron_sums()
            for side, name in enumerate(("incoming", "outgoing")):
                columns[name + suffix] = np.concatenate([sums[population][side] for population in sums])
        without_cost = self.formulation.nodes.spread(~self.formulation.problem.connected)
        columns["left_out"] = np.concatenate([without_cost[population] > 0 for population in without_cost])
        return columns

    def plot(self) -> Figure:
        """Draw incoming against outgoing cost of each neuron, before and after, and the imbalance in each iteration.

        Balanced neurons lie on the diagonal; pinned neurons, and those without a balance, are open circles.
        """
        from neurobal.plot import balance_figure

        return balance_figure(self)

    def __repr__(self) -> str:
        title, numbers, populations, notes = self._parts()
        lines = [title, f"{'':12}{'before':>12}{'after':>12}"]
        for name, before, after, remark in numbers:
            lines.append(f"{name:12}{before:>12}{after:>12}  {remark}".rstrip())
        lines.append(f"{'population':16}{'neurons':>9}{'free':>9}   λ from ... to")
        lines += [f"{name:16}{neurons:>9}{free:>9}   {scales}" for name, neurons, free, scales in populations]
        return "\n".join([*lines, *notes])

    def _repr_html_(self) -> str:
        title, numbers, populations, notes = self._parts()
        return (
            notebook_html.heading(title)
            + notebook_html.table(("", "before", "after", ""), numbers)
            + notebook_html.table(("population", "neurons", "free", "λ from ... to"), populations)
            + notebook_html.notes(notes)
        )

    def _parts(self) -> tuple[str, list[Row], list[Row], list[str]]:
        """A title, rows of numbers before and after, rows of populations, and notes."""
        state = "balanced" if self.success else "NOT balanced"
        own = [excluded for excluded in self.excluded if isinstance(excluded, ExcludedNeurons)]
        if own:
            state += f" WITHOUT the costs on {sum(excluded.neurons.size for excluded in own):,} neurons, see below"
        title = f"Balance: {state} ({self.method}, {self.iterations} iterations, {self.evaluations} evaluations)"
        fall = f"({self.cost / self.cost_before - 1:+.1%}) " if self.cost_before > 0 else ""
        what = self.formulation.formula if self.minimised is None else formula(self.minimised)
        numbers = [
            ("cost", f"{self.cost_before:.5g}", f"{self.cost:.5g}", f"{fall}{what}"),
            *map(_budget_row, self.budgets),
            ("imbalance", f"{self.imbalance_before:.2g}", f"{self.imbalance:.2g}", ""),
        ]
        populations = []
        for name, population in self.before.populations.items():
            h, free = self.log_scale[name], int((~population.pinned).sum())
            populations.append((name, f"{population.size:,}", f"{free:,}", span(np.exp(h))))
        notes = [FREE, *self.before.notes, *(f"left out: {excluded}" for excluded in self.excluded)]
        notes += [NOT_HELD] if own else []
        notes += [LEFT_OUT] if len(self.excluded) > len(own) else []
        return title, numbers, populations, [*notes, *([] if self.success else [self.message]), str(self.certificate)]


def _budget_row(budget: Budget) -> Row:
    """The row of a budget in a printout."""
    unit = "" if budget.dimension is None else f" [{budget.dimension}]"
    if budget.excess > EXCEEDED:
        state = f"EXCEEDED by {100 * budget.excess:.3g} %"
    else:
        state = f"active, multiplier {budget.multiplier:.4g}{unit}" if budget.active else "not active"
    before, after = f"{budget.before:.5g}", f"{budget.after:.5g}"
    return f"≤ {budget.limit:.4g} ×", before, after, f"({budget.ratio - 1:+.1%}) {budget.name}, {state}"
