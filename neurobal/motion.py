"""What moves along when neurons are rescaled: which variables of which objects, by which powers of λ.

A simulator's adapter finds it; it names objects and holds none, so that it can be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class GroupMotion:
    """How a group's variables move: ``x -> c + λ**power (x - c)``, with an origin c: 0 unless ``origins`` says else.

    ``origin_values`` are the constants, by name, that these origins are the values of: the same for all neurons.
    ``inexact`` is what may be rounded differently then, even if λ is a power of two; ``roots`` are the powers of λ by
    which square roots move.
    """

    powers: Mapping[str, float] = field(default_factory=dict)
    origins: Mapping[str, float] = field(default_factory=dict)
    origin_values: Mapping[str, float] = field(default_factory=dict)
    inexact: tuple[str, ...] = ()
    roots: tuple[float, ...] = ()


@dataclass(frozen=True)
class SynapticMotion:
    """How variables of one Synapses move: ``x -> x λ_post**p λ_pre**q``, powers (p, q); ``weights`` can be costed."""

    weights: tuple[str, ...] = ()
    powers: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def projections(self, synapses: str) -> dict[str, str]:
        """The weights that move, by the name of their projection in a circuit."""
        moving = [weight for weight in self.weights if weight in self.powers]
        return {synapses if len(moving) == 1 else f"{synapses}.{weight}": weight for weight in moving}


@dataclass(frozen=True)
class Motion:
    """All that moves in a network, and where that knowledge comes from.

    Attributes
    ----------
    groups, synapses
        What moves, by the name of the group or Synapses.
    changed
        The variables, by (owner, name), that some statement of the model writes.
    basis
        "equations", "declared" or "assumed", as in a certificate.
    immovable
        The groups that cannot move, and why not.
    assumed
        The constants of the model, by (owner, name), on whose values the symmetries rest.
    advice
        How to change the model so that more can be balanced.
    allowed
        Constants, by Synapses, that should scale but stay as they are.
    contradicted
        Lines of Synapses, by their name, that do not agree with what was declared.
    external
        The names of the script that the model uses, with what they stand for.
    """

    groups: Mapping[str, GroupMotion]
    synapses: Mapping[str, SynapticMotion]
    changed: frozenset[tuple[str, str]]
    basis: str
    immovable: Mapping[str, str] = field(default_factory=dict)
    assumed: Mapping[tuple[str, str], float] = field(default_factory=dict)
    advice: str = ""
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contradicted: Mapping[str, list[str]] = field(default_factory=dict)
    external: Mapping[str, Any] = field(default_factory=dict)

    def parameters(self, group: str) -> dict[str, float]:
        """Those of a group's moving variables that the simulation itself never changes."""
        powers = self.groups[group].powers if group in self.groups else {}
        return {key: power for key, power in powers.items() if (group, key) not in self.changed}
