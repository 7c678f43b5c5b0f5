"""One writing of scales into Brian2 objects: what it changed, whether it still stands there, and how it is undone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.utils.logger import get_logger

from neurobal.brian.network.values import check_device, values_of
from neurobal.errors import NeurobalError
from neurobal.logarithms import multiplied

Array: TypeAlias = np.ndarray
logger = get_logger("neurobal.network")

_NOTHING_TO_COMPARE = (
    "All values that apply() wrote have changed since: they do not tell whether the network has been restored to a "
    "state from before. It is taken as still applied. If it was restored, do not revert()."
)


class Writing:
    """Values before and after all that moves was multiplied by its power of λ, once.

    Parameters
    ----------
    log_factors
        For each moving variable the logarithm of the factor of each of its values.
    origins
        What values of a variable are measured from, where that is not 0: ``x -> c + factor (x - c)``.
    changing
        Those of the variables that a simulation changes by itself; all others change only if somebody writes them.
    """

    def __init__(
        self,
        log_factors: Mapping[ArrayVariable, Array],
        origins: Mapping[ArrayVariable, float],
        changing: Collection[ArrayVariable],
        *,
        dyadic: bool,
    ) -> None:
        self._log_factors, self._origins, self._changing, self._dyadic = log_factors, origins, changing, dyadic
        self._before = {variable: values_of(variable) for variable in log_factors}
        self._after = {variable: self._scaled(values, variable, 1) for variable, values in self._before.items()}
        for variable in log_factors:
            self._check_range(variable)
        write_all(self._after, self._before)
        self.last_act = LastAct()

    def stands(self) -> bool:
        """Whether the variables hold what was written: they are compared, for a restore() may have changed them.

        Variables that no simulation changes decide, if one of them has all its values from before the writing, or any
        of those after it; if they tell nothing, the others do. Where nothing can be told, because values have changed
        since, the last that was done here counts, with a warning.

        Raises
        ------
        NeurobalError
            Some variables hold what was written, others their values from before.
        """
        check_device()
        earlier, written = self._evidence()
        if earlier and written:
            raise NeurobalError(_mixed(earlier, written))
        if earlier or written:
            self.last_act.wrote = bool(written)
        elif self.last_act.wrote and self._moved():
            logger.warn(_NOTHING_TO_COMPARE, "nothing_to_compare")
        return self.last_act.wrote

    def in_effect(self) -> bool:
        """Whether scales other than 1 may be in the variables now."""
        earlier, written = self._evidence()
        return bool(written) or (not earlier and self.last_act.wrote)

    def _evidence(self) -> tuple[list[ArrayVariable], list[ArrayVariable]]:
        """The variables that are as they were before the writing, and those that are as it left them."""
        constant = [variable for variable in self._before if variable not in self._changing]
        earlier, written = self._compared(constant)
        states_earlier, states_written = self._compared(list(self._changing))
        if written:
            return earlier, written
        if earlier:  # states that are wholly as the writing left them have not been restored with the constants
            return earlier, [state for state in states_written if self._is_wholly_written(state)]
        return states_earlier, states_written

    def _is_wholly_written(self, variable: ArrayVariable) -> bool:
        moved, _, after = self._compare(variable)
        return after == moved

    def _compared(self, variables: Iterable[ArrayVariable]) -> tuple[list[ArrayVariable], list[ArrayVariable]]:
        earlier, written = [], []
        for variable in variables:
            moved, before, after = self._compare(variable)
            if moved and before == moved:
                earlier.append(variable)
            elif after and (after == moved or not before):
                written.append(variable)
        return earlier, written

    def undo(self) -> None:
        """Put values that have not changed since back exactly; the others lose their factor."""
        check_device()
        now = {variable: values_of(variable) for variable in self._before}
        for variable, values in now.items():
            if values.size != self._before[variable].size:
                raise NeurobalError(
                    f"Nothing was undone: {variable.owner.name}.{variable.name} had {self._before[variable].size:,} "
                    f"values when it was rescaled and has {values.size:,} now. Restore the network as it was then."
                )
        restored = {
            variable: np.where(
                values == self._after[variable], self._before[variable], self._scaled(values, variable, -1)
            )
            for variable, values in now.items()
        }
        write_all(restored, now)
        self.last_act.wrote = False

    def _scaled(self, values: Array, variable: ArrayVariable, sign: int) -> Array:
        origin = self._origins.get(variable, 0.0)
        factors = sign * self._log_factors[variable]
        moved = multiplied(values - origin if origin else values, factors, dyadic=self._dyadic)
        return moved + origin if origin else moved

    def _check_range(self, variable: ArrayVariable) -> None:
        before, after = self._before[variable], self._after[variable]
        vanished = (after == 0) & (before != 0) & (variable not in self._origins)
        lost = np.isfinite(before) & (~np.isfinite(after) | vanished)
        if lost.any():
            k = int(np.flatnonzero(lost)[0])
            raise NeurobalError(
                f"Nothing was written: {variable.owner.name}.{variable.name}[{k}] would go from {before[k]:g} "
                f"to {after[k]:g}, out of the range of {variable.dtype}."
            )

    def _moved(self) -> bool:
        """Whether the writing changed any value."""
        return any(np.any(self._before[variable] != self._after[variable]) for variable in self._before)

    def _compare(self, variable: ArrayVariable) -> tuple[int, int, int]:
        """How many values the writing changed, and how many of them are now those before it, and those after it."""
        now, before, after = values_of(variable), self._before[variable], self._after[variable]
        if now.size != before.size:
            return 0, 0, 0
        moved = before != after
        return int(np.sum(moved)), int(np.sum(moved & (now == before))), int(np.sum(moved & (now == after)))


@dataclass
class LastAct:
    """What was last done with a writing: written (True), or undone (False)."""

    wrote: bool = True


def write_all(new: Mapping[ArrayVariable, Array], old: Mapping[ArrayVariable, Array]) -> None:
    """Write all values; if anything fails half-way (Ctrl-C included), put everything back."""
    written: list[ArrayVariable] = []
    try:
        for variable, values in new.items():
            written.append(variable)
            variable.set_value(values)
    except BaseException:
        for variable in written:
            variable.set_value(old[variable])
        raise


def _mixed(earlier: Iterable[ArrayVariable], written: Iterable[ArrayVariable]) -> str:
    def listed(variables: Iterable[ArrayVariable]) -> str:
        return ", ".join(f"{variable.owner.name}.{variable.name}" for variable in variables)

    return (
        "Nothing was changed: the network is neither as it was before apply() nor as apply() left it. Values from "
        f"before stand in {listed(earlier)}, applied ones in {listed(written)}. Has only a part of it been restored? "
        "restore() all of it, or write the values of one of them anew (Balance.before has those from before, "
        "Balance.circuit the balanced ones)."
    )
