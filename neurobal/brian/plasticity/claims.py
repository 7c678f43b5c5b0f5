"""Who else writes what a plasticity moves: other plasticities of the same run, and rules of the model itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Synapses
from brian2.core.base import BrianObject
from brian2.core.operations import NetworkOperation

from neurobal.brian.network.newcomers import running_with
from neurobal.errors import InvalidInputError, NeurobalError, NotHomogeneousError
from neurobal.motion import Motion

ALLOW = (
    "Constants of another plasticity rule in the same synapses (bounds, increments) may stay as they are if you say "
    "so, allow=['wmax', ...]: that rule then moves rescaled weights by other steps than before."
)


@dataclass(frozen=True)
class Claim:
    """What a plasticity moves: groups, which of their neurons are free (by group), and Synapses, all by name."""

    groups: Mapping[str, Any]
    free: Mapping[str, np.ndarray]
    synapses: Mapping[str, Synapses]

    def shared_group(self, other: Claim) -> str | None:
        """The first group of which both move the same neurons; None if there is none."""
        for name, group in self.groups.items():
            if other.groups.get(name) is group and np.any(other.free[name] & self.free[name]):
                return name
        return None


def check_claims(plasticity: Any) -> None:
    """Raise an error if another active plasticity of the run moves the same neurons."""
    for rival in _rivals(plasticity):
        group = plasticity.claim.shared_group(rival.claim)
        if group is not None and plasticity.active:
            raise NeurobalError(
                f"{plasticity.name} and {rival.name} both move neurons of group {group!r}. Pin in each what the other "
                "moves."
            )


def written_alone(plasticity: Any, motion: Motion, objects: Iterable[BrianObject]) -> frozenset[str]:
    """The Synapses whose weights nothing else changes in this run: no rule or code of the model, no plasticity."""
    if any(isinstance(obj, NetworkOperation) for obj in objects):  # Python code may write anything
        return frozenset()
    claimed = {synapses.id for rival in _rivals(plasticity) for synapses in rival.claim.synapses.values()}
    return frozenset(
        name
        for name, synapses in plasticity.claim.synapses.items()
        if synapses.id not in claimed and not _changed_by_model(motion, name)
    )


def check_other_rules(motion: Motion) -> None:
    """Raise an error if a declared motion is at odds with a rule that writes the same weights: it would cut them."""
    for name, lines in motion.contradicted.items():
        if lines and _changed_by_model(motion, name) and name not in motion.allowed:
            raise NotHomogeneousError(
                f"Plasticity: another rule writes the weights of {name!r}, and does not scale along: {lines[0]}. "
                f"{ALLOW}"
            )


def names_of(allow: Any) -> tuple[str, ...]:
    """``allow`` as a tuple of names."""
    names = (allow,) if isinstance(allow, str) else tuple(allow)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInputError(f"allow: expected names of constants such as ('wmax', 'dA'), got {name!r}.")
    return names


def _rivals(plasticity: Any) -> list[Any]:
    """The other active plasticities of the network that runs."""
    others = (obj for obj in running_with(plasticity) if isinstance(getattr(obj, "claim", None), Claim))
    return sorted((obj for obj in others if obj is not plasticity and obj.active), key=lambda obj: obj.name)


def _changed_by_model(motion: Motion, name: str) -> bool:
    """Whether the model itself writes weights of these Synapses."""
    return any((name, weight) in motion.changed for weight in motion.synapses[name].weights)
