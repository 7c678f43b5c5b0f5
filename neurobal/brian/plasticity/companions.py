"""Checks of what runs beside a plasticity: it must know all that touches its neurons, and nothing may undo its work."""

from __future__ import annotations

from brian2.core.base import BrianObject

from neurobal.brian.network.newcomers import newcomers, running_with
from neurobal.brian.network.reading import Examined
from neurobal.errors import NeurobalError


def check_same_model(plasticity: BrianObject, examined: Examined) -> None:
    """Raise an error if what runs with a plasticity touches what it moves, and was not there when it was made."""
    for obj, touched in newcomers(running_with(plasticity), examined.everything, examined.moving()):
        raise NeurobalError(
            f"{obj.name} ({type(obj).__name__}) {touched}, and was not part of the network when {plasticity.name} was "
            f"made: {plasticity.name} would not take it into account. Create the plasticity last, and from all "
            "objects that run."
        )


def check_not_normalized(plasticity: BrianObject, examined: Examined) -> None:
    """Raise an error if a normalization runs that fixes sums of weights which a plasticity moves."""
    moving = {examined.synapses[name].id: name for name in examined.motion.synapses}
    for obj in sorted(running_with(plasticity), key=lambda obj: obj.name):
        undone = [moving[synapses.id] for synapses in getattr(obj, "normalizes", ()) if synapses.id in moving]
        if undone and obj.active and plasticity.active:
            raise NeurobalError(
                f"{obj.name} ({type(obj).__name__}) keeps the incoming weights of {' and '.join(undone)} at sums that "
                f"do not scale, and {plasticity.name} rescales these weights: they would undo each other's work, and "
                "the function would not be preserved. Use one of them, or pin the neurons at both ends."
            )
