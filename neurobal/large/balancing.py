"""`balance` of networks that are larger than memory: from passes over their synapses to log-scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neurobal.cost import Cost
from neurobal.errors import InvalidInputError, UnbalanceableError
from neurobal.large.checkpoint import Checkpoint, Reached
from neurobal.large.components import SMALL
from neurobal.large.passes import Passes
from neurobal.large.problem import Setting, Unsettled, formulated, powers_of
from neurobal.potential import Imbalance, log_balance
from neurobal.problem import Problem
from neurobal.progress import Progress
from neurobal.solvers import Monitor, Newton, Solution

Array: TypeAlias = np.ndarray
Name: TypeAlias = Callable[[int], str]

NAMED = 5  # neurons without a balance that a message names


@dataclass(frozen=True, eq=False)
class Solved:
    """What was found, as `LargeBalance` tells it; ``log_scale`` (n,)."""

    solution: Solution
    log_scale: Array
    cost_before: float
    cost: float
    imbalance_before: float
    history: np.recarray
    left_out: int
    present: int
    components: Array
    passes: int


class Watch(Monitor):
    """A `Monitor` that also tells how far a pass is, and keeps what was reached in a `Checkpoint`."""

    def __init__(self, progress: Progress, tol: float, checkpoint: Checkpoint | None = None) -> None:
        checkpoint = checkpoint or Checkpoint(None, {})
        reached = checkpoint.read()
        super().__init__(progress, tol, None if reached is None else reached.h)
        self._shown, self._now, self._checkpoint = progress, "", checkpoint
        self._known = reached is not None  # the start is what was recorded last
        if reached is not None:
            self.cost += reached.cost
            self.imbalance += reached.imbalance

    def record(self, cost: float, imbalance: Imbalance, h: Array | None = None) -> None:
        self._now = f", imbalance {imbalance.total:.1e}"
        if self._known:
            self._known = False
            return
        super().record(cost, imbalance, h)
        if h is not None:
            self._checkpoint.keep(Reached(h, self.cost, self.imbalance))

    def tell(self, count: int, done: float) -> None:
        """Pass number ``count`` is ``done`` to this share."""
        self._shown.update(0.0, f"pass {count} ({done:.0%}){self._now}")


def solve(
    passes: Passes,
    cost: Cost | Mapping[str, Cost],
    pinned: Array,
    *,
    tol: float,
    monitor: Monitor,
    max_iter: int | None = None,
    strict: bool = False,
    small: int = SMALL,
    name: Name = str,
) -> Solved:
    """Balance a network by passes over its synapses.

    Parameters
    ----------
    passes
        Its synapses.
    cost
        A sum of powers with numbers as weights.
    pinned : mask (n,)
    tol, max_iter
        As in `neurobal.balance`.
    strict
        Whether synapses without a balance are an error.
    monitor
        Records the way.
    small
        See `strong_components`.
    name
        What a neuron is called in messages.

    Raises
    ------
    InvalidInputError
        The cost is something else, or no neuron is free.
    UnbalanceableError
        Nothing can be balanced; or something cannot, and ``strict``.
    """
    powers = powers_of(cost)
    if not passes.size or not passes.synapses:
        raise InvalidInputError("The network is empty: it has no synapses, so there is nothing to balance.")
    if pinned.all():
        raise InvalidInputError(
            f"No neuron is free: all {pinned.size:,} are pinned, so nothing can be rescaled. Pin less."
        )
    begin = passes.count
    setting = formulated(passes, powers, pinned, small)
    _check(setting, pinned, strict, name)
    solution = _solution(setting.problem, tol, max_iter, monitor)
    h = setting.problem.centred(solution.h)
    return Solved(
        solution=solution,
        log_scale=h,
        cost_before=monitor.cost[0] + setting.fixed_cost,
        cost=monitor.cost[-1] + setting.fixed_cost,
        imbalance_before=monitor.imbalance[0],
        history=monitor.history(setting.fixed_cost),
        left_out=setting.left_out,
        present=setting.present,
        components=setting.components,
        passes=passes.count - begin,
    )


def _solution(problem: Problem, tol: float, max_iter: int | None, monitor: Monitor) -> Solution:
    try:
        return Newton().solve(problem, tol, max_iter, monitor)
    except Unsettled as unsettled:
        imbalance = log_balance(problem, unsettled.h).imbalance
        status = (
            "Costs span too many decades: some vanish beside the others, and those have too many synapses "
            f"({unsettled.synapses:,}) to be balanced in memory afterwards. Pin or leave out what has extreme weights, "
            "or try a larger tol."
        )
        return Solution(
            unsettled.h, imbalance.within(tol), status, len(monitor.cost) - 1, 0, imbalance
        )  # passes are counted elsewhere


def _check(setting: Setting, pinned: Array, strict: bool, name: Name) -> None:
    """Raise an error if nothing has a balance, or, if ``strict``, if anything has none."""
    nothing = not setting.problem.connected.any()
    if not nothing and not (strict and setting.left_out):
        return
    if not setting.left_out:
        what = "are self-connections" + (", or join pinned neurons" if pinned.any() else "")
        raise UnbalanceableError(
            f"Nothing can be balanced: of {setting.present:,} synapses that are not 0 all {what}, which never change "
            "under a rescaling. Give synapses between neurons whose scales are their own."
        )
    alone = np.flatnonzero((setting.components < 0) & ~pinned)
    names = ", ".join(name(int(neuron)) for neuron in alone[:NAMED]) + (", ..." if alone.size > NAMED else "")
    raise UnbalanceableError(
        f"{'Nothing can be balanced: ' if nothing else ''}{setting.left_out:,} of {setting.present:,} synapses have no "
        f"balance: they lie on no directed cycle (all pinned neurons count as one), so that nothing holds their cost: "
        f"it falls for ever. On no cycle at all lie {alone.size:,} neurons{': ' + names if names else ''}. Pin inputs "
        f"and readouts{'' if nothing else ', or use on_unbalanceable=' + repr('exclude')}."
    )
