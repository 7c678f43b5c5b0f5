"""Costs before a run: which projections of a network have one, and of which power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurobal.brian.network.motion import SynapticMotion
from neurobal.circuit import Circuit
from neurobal.cost import Cost, Term
from neurobal.errors import InvalidInputError, UnbalanceableError, did_you_mean


def largest_power(cost: Any, moving: Mapping[str, SynapticMotion]) -> float:
    """The largest power of what the moving synapses cost; an error if nothing costs anything."""
    known = [projection for name, moves in moving.items() for projection in moves.projections(name)]
    if isinstance(cost, Mapping):
        for key in cost:
            if key not in known:
                raise InvalidInputError(f"cost: no Synapses {key!r} moves along.{did_you_mean(key, known)}")
    powers: set[float] = set()
    for key in known:
        one = cost_of(cost, key)
        if one is not None and not isinstance(one, Cost):
            raise InvalidInputError(f"cost: expected a cost such as Power(2) for {key!r}, got {one!r}.")
        powers |= set() if one is None else one.powers()
    if not powers:
        raise UnbalanceableError("Nothing can be balanced: no synapse that moves has a cost.")
    return max(powers)


def cost_of(cost: Any, projection: str) -> Any:
    """The cost of one projection, None for a free rider."""
    return cost.get(projection) if isinstance(cost, Mapping) else cost


def terms_unseen(cost: Any, projections: Mapping[str, str]) -> dict[str, list[Term]]:
    """The costs of weights, by projection, whose synapses are not known: all of them have to be alike."""
    stand_in = Circuit()
    stand_in.add("stand-in", 1)
    terms = {}
    for key, weight in projections.items():
        one = cost_of(cost, key)
        if one is None:
            continue
        stand_in.connect("stand-in", "stand-in", np.ones((1, 1)), name=key)
        terms[weight] = one.terms(stand_in.projections[key])
        if any(np.ndim(term.weight) for term in terms[weight]):
            raise InvalidInputError(
                f"cost: that of {key!r} differs from synapse to synapse, but its synapses are not known before the "
                "standalone simulation runs. Connect them from arrays (connect(i=..., j=...))."
            )
    return terms
