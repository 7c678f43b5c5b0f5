"""What a plasticity warns of when a run starts, and when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from brian2 import NeuronGroup
from brian2.utils.logger import get_logger

from neurobal.errors import UnknownValuesError
from neurobal.rules import GradientFlow, Rule

logger = get_logger("neurobal.plasticity")


def warn_if_stiff(name: str, rule: Rule, power: float, largest: float, dt: float) -> None:
    """Warn if explicit steps of `GradientFlow` are unstable; ``largest`` is the largest cost_in + cost_out."""
    if not isinstance(rule, GradientFlow):
        return
    stiffness = rule.stiffness(power, largest, dt)
    if stiffness > 1:
        logger.warn(
            f"{name}: GradientFlow is stable for rate*dt*p*max(in + out) < 1 only, which is {stiffness:.3g} here. "
            f"Divide rate or dt by {np.ceil(2 * stiffness):g}, or use NormalizedFlow.",
            "stiff",
            once=True,
        )


def warn_of_unknown(name: str, error: UnknownValuesError) -> None:
    """Warn that a standalone simulation starts from weights that only it will know."""
    logger.warn(
        f"{name}: nothing could be checked: synapses without a balance are counted like the others, "
        "neurons without incoming or outgoing cost do not move, costs are in base units, and there is no "
        f"certificate. {error}",
        "unknown",
        once=True,
    )


def warn_of_refused_steps(name: str, rule: Rule, somas: Mapping[str, NeuronGroup], reach: float) -> None:
    """Warn of steps that were not taken in the run that has ended, and forget them."""
    for group, soma in somas.items():
        stopped = np.flatnonzero(soma.refused_[:])
        if stopped.size:
            soma.refused_ = 0
            logger.warn(
                f"{name}: {type(rule).__name__} gave neurons {_first_of(stopped)} of {group!r} steps that are "
                f"no numbers, or that lead beyond log-scales of ±{reach:.3g}. They stayed where they were then, "
                "and the function is preserved. Bound the rule, or its rate.",
                "refused_steps",
            )


def warn_of_lost_costs(name: str, somas: Mapping[str, NeuronGroup], culprit: Callable[[], str | None]) -> None:
    """Warn of costs that were no finite numbers in the run that has ended, and forget them.

    ``culprit`` says which values of the network still are none, if any.
    """
    for group, soma in somas.items():
        lost = np.flatnonzero(soma.lost_[:])
        if lost.size:
            soma.lost_ = 0
            reason = culprit() or "Their weights are finite now; they were not, or are too large for their costs."
            logger.warn(
                f"{name}: the costs of neurons {_first_of(lost)} of {group!r} were no finite numbers in this run, and "
                f"these neurons stayed where they were meanwhile. {reason}",
                "lost_costs",
            )


def _first_of(neurons: np.ndarray) -> str:
    """The first five neurons, and how many more there are."""
    return ", ".join(map(str, neurons[:5])) + (f" and {neurons.size - 5} more" if neurons.size > 5 else "")
