"""`LargeBalance`: what `balance` found by passes over a network, and `BalanceOnDisk`, which can be written to files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from neurobal import notebook_html
from neurobal.certificate import TOLERANCE, Certificate
from neurobal.cost import Cost, formula
from neurobal.disk import SynapsesOnDisk
from neurobal.large.balancing import Solved
from neurobal.large.checks import Check, ends
from neurobal.large.files import OnFiles
from neurobal.large.writing import write
from neurobal.progress import Report

Array: TypeAlias = np.ndarray

NO_WAY_BACK = "no way back"
LEFT_OUT = "(left out are synapses that no scales balance; they move with their neurons, but do not count)"


@dataclass(frozen=True)
class LeftOut:
    """How many ``synapses`` have no balance, ``of`` how many that are not 0, and the ``reason``."""

    synapses: int
    of: int
    reason: str = NO_WAY_BACK

    def __str__(self) -> str:
        return f"{self.synapses:,} of {self.of:,} synapses: {self.reason}"

    __repr__ = __str__


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LargeBalance:
    """The answer of `balance` for a network that is larger than memory: scales by neuron, and what they do to costs.

    Attributes
    ----------
    success, status, message : as in SciPy
        Whether the tolerance was met: as a bool, as the solver's reason to stop, and as a sentence.
    method, iterations, evaluations
        ``evaluations`` is the number of passes over all synapses, those that decided what counts included.
    cost_before, cost : float
        Total cost of all synapses that were not left out.
    imbalance_before, imbalance : float
        The largest Σ |in - out| / Σ p c of a strong component (all pinned neurons are one node).
    worst_unit : float
        The largest |in - out| / (in + out) of a free neuron.
    excluded : tuple of LeftOut
        How many synapses have no balance; empty if there are none. They are rescaled as their neurons are, but were not
        counted.
    ids, scale, log_scale : arrays (n,)
        What the neurons are called, their λ (1 for pinned neurons), and log λ.
    pinned : mask (n,)
    left_out : mask (n,)
        Neurons none of whose costs takes part in the balance.
    history : recarray
        ``history.cost`` and ``history.imbalance`` per iteration, the start first.
    synapses : int
    cost_function : Cost
        What was asked for.
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
    excluded: tuple[LeftOut, ...]
    ids: Array
    log_scale: Array
    pinned: Array
    left_out: Array
    history: np.recarray
    synapses: int
    cost_function: Cost | Mapping[str, Cost]

    @cached_property
    def scale(self) -> Array:
        """λ of each neuron: what multiplies the weights that come in."""
        return np.exp(self.log_scale)

    def table(self) -> dict[str, Array]:
        """Columns with one entry a neuron: ``pandas.DataFrame(result.table())``.

        ``id``, ``scale`` (λ), ``pinned``, ``left_out``.
        """
        return {"id": self.ids, "scale": self.scale, "pinned": self.pinned, "left_out": self.left_out}

    def __repr__(self) -> str:
        title, numbers, notes = self._parts()
        lines = [title, f"{'':12}{'before':>12}{'after':>12}"]
        for name, before, after, remark in numbers:
            lines.append(f"{name:12}{before:>12}{after:>12}  {remark}".rstrip())
        return "\n".join([*lines, *notes])

    def _repr_html_(self) -> str:
        title, numbers, notes = self._parts()
        table = notebook_html.table(("", "before", "after", ""), numbers)
        return notebook_html.heading(title) + table + notebook_html.notes(notes)

    def _where(self) -> str:
        """Where the synapses are, as a part of a sentence."""
        return ""

    def _parts(self) -> tuple[str, list[tuple[str, str, str, str]], list[str]]:
        state = "balanced" if self.success else "NOT balanced"
        title = f"LargeBalance: {state} ({self.method}, {self.iterations} iterations, {self.evaluations} passes)"
        fall = f"({self.cost / self.cost_before - 1:+.1%}) " if self.cost_before > 0 else ""
        numbers = [
            ("cost", f"{self.cost_before:.5g}", f"{self.cost:.5g}", f"{fall}{formula(self.cost_function)}"),
            ("imbalance", f"{self.imbalance_before:.2g}", f"{self.imbalance:.2g}", ""),
        ]
        held = int(np.count_nonzero(self.pinned))
        low, high = np.exp(self.log_scale.min(initial=0.0)), np.exp(self.log_scale.max(initial=0.0))
        notes = [
            f"{self.log_scale.size:,} neurons ({held:,} pinned), {self.synapses:,} synapses{self._where()}; "
            f"λ from {low:.3g} to {high:.3g}"
        ]
        notes += [f"left out: {excluded}" for excluded in self.excluded]
        notes += [LEFT_OUT] if self.excluded else []
        notes += [] if self.success else [self.message]
        return title, numbers, notes


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BalanceOnDisk(LargeBalance):
    """The `LargeBalance` of a network on disk. Nothing is written until `write` is called, and then to a new folder.

    Attributes
    ----------
    network : SynapsesOnDisk
        The network that was balanced, as it was.
    """

    network: SynapsesOnDisk

    @cached_property
    def certificate(self) -> Certificate:
        """Compares the weights that `write` would write with those before, in one pass; made when first asked for."""
        deviation, wrong, exact = OnFiles(self.network).run(Check(self.log_scale))
        return certificate(
            deviation, wrong, exact, self.scale, self.network.stored_ids, TOLERANCE[self.network.weight.dtype]
        )

    def write(self, folder: str | os.PathLike[str], report: Report = None) -> SynapsesOnDisk:
        """Write the rescaled network to a new folder, in the same format: ``w_ij λ_i / λ_j``.

        The folder is a network only when all is done; if that is stopped, call it again. Memory does not grow with
        the number of synapses.

        Parameters
        ----------
        folder
            A folder, new or empty: nothing is overwritten.
        report
            None, ``'text'``, ``'stderr'``, ``'bar'`` or a function: how to tell the progress.

        Raises
        ------
        InvalidInputError
            The folder is not new, or a weight leaves the range of its precision: the message names the synapse.
        NeurobalError
            The disk is full. Nothing is left behind.

        Examples
        --------
        >>> net = nb.to_disk(np.array([[0.0, 8.0], [0.5, 0.0]]), "unbalanced")
        >>> nb.balance(net).write("balanced").weight.round(6).tolist()
        [2.0, 2.0]
        """
        return write(self.network, self.log_scale, folder, report)

    def _where(self) -> str:
        return f" in {str(self.network.folder)!r}"


def columns_of(
    found: Solved, pinned: Array, cost: Cost | Mapping[str, Cost], tol: float, method: str = "newton"
) -> dict[str, Any]:
    """The fields of a `LargeBalance`, all but those that say which network it was: ``ids`` and ``synapses``."""
    solution, imbalance = found.solution, found.solution.imbalance
    return {
        "success": solution.balanced,
        "status": solution.status,
        "message": solution.message(tol),
        "method": method,
        "iterations": solution.iterations,
        "evaluations": found.passes,
        "cost_before": found.cost_before,
        "cost": found.cost,
        "imbalance_before": found.imbalance_before,
        "imbalance": imbalance.total,
        "worst_unit": imbalance.worst_unit,
        "excluded": (LeftOut(found.left_out, found.present),) if found.left_out else (),
        "log_scale": found.log_scale,
        "pinned": pinned,
        "left_out": (found.components < 0) & ~pinned,
        "history": found.history,
        "cost_function": cost,
    }


def certificate(
    deviation: tuple[float, Any],
    wrong: tuple[float, Any],
    exact: bool,
    scale: Array,
    ids: Array | None,
    tolerance: float,
) -> Certificate:
    """The certificate of what `Check` found."""
    residual, worst = deviation
    kind, place = wrong
    fits = not kind and residual <= tolerance
    if fits:
        message = f"function preserved (basis: declared; residual {residual:.1e} <= {tolerance:.0e}"
        message += ", bit-exact)" if exact else ")"
    elif kind == 2:
        name = place if ids is None else repr(ids[place].item())
        message = f"function NOT preserved: the synapses that neuron {name} receives come from other neurons"
    elif kind:
        message = f"function NOT preserved: signs or zeros changed ({ends(place, ids)})"
    else:
        message = f"function NOT preserved: residual {residual:.1e} > {tolerance:.0e}. The largest deviation is at "
        message += f"{ends(worst, ids)}."
    return Certificate(fits, "declared", residual, scale, not kind, bool(exact and fits), message)
