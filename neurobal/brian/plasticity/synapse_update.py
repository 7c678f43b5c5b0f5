"""The passes of an update over one Synapses: its variables follow the scales of their neurons, costs are summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from brian2 import Clock, NeuronGroup, Synapses

from neurobal.brian.network.motion import SynapticMotion
from neurobal.brian.network.objects import parent
from neurobal.brian.plasticity.synapse_code import cost_code, follow_code
from neurobal.brian.running.runner import Runner
from neurobal.circuit import Projection
from neurobal.cost import Term

Array: TypeAlias = np.ndarray
# What synapses see of their neurons' somas.
SEEN = ("factor", "inverse", "lead", "lag", "raw_in", "raw_out", "level")


class SynapsePass:
    """Two runners: ``count`` sums up costs before the rule decides, ``follow`` rescales afterwards.

    Where nothing else writes the weights the costs are summed up while they are rescaled, for the next update; then
    ``count`` does nothing. What the code has to do is known when a run starts.
    """

    def __init__(
        self,
        synapses: Synapses,
        moves: SynapticMotion,
        somas: Mapping[str, NeuronGroup],
        clock: Clock,
        owner: str,
        *,
        unrounded: bool,
    ) -> None:
        self.synapses, self.moves = synapses, moves
        self._unrounded = unrounded
        self._ends = {"post": parent(synapses.target).name, "pre": parent(synapses.source).name}
        self._moving = [side for side, group in self._ends.items() if group in somas]
        references: dict[str, tuple[Any, str, str | None]] = {}
        for side in self._moving:
            for variable in SEEN:
                references[f"_nb_{variable}_{side}"] = (somas[self._ends[side]], variable, f"_{side}synaptic_idx")
        references["_nb_to"] = (synapses, "_synaptic_post", None)
        references["_nb_from"] = (synapses, "_synaptic_pre", None)
        self.count, self.follow = (
            Runner(synapses, "", clock, order, f"{owner}_{what}_{synapses.name}", references)
            for what, order in (("count", -1), ("follow", 3))
        )

    def set_code(self, terms: Mapping[str, Sequence[Term]], *, fused: bool, uneven: bool, projection: Any) -> None:
        """Decide what the passes do in the next run.

        ``terms`` are the costs of each weight variable; ``uneven``: some synapses have no balance; ``projection`` is
        one of these Synapses in the circuit, or None if connections are not known.
        """
        counter = self.follow if fused else self.count
        listed = [(weight, term) for weight, some in terms.items() for term in some]
        # Self-connections whose two ends move alike stay as they are, and balance nothing.
        idle = [post + pre == 0 for post, pre in self.moves.powers.values()] if self._has_autapses(projection) else []
        apart = ("_nb_to", "_nb_from") if idle and all(idle) else ()
        mixed = any(idle) and not all(idle)
        code, sums = cost_code(
            self.moves,
            [(weight, term.power, self._price(counter, term, k)) for k, (weight, term) in enumerate(listed)],
            unrounded=self._unrounded,
            mixed_autapses=mixed,
            uneven=self._moving if uneven else (),
            hold=_side_with_longer_runs(projection),
        )
        follow, moved = follow_code(self.moves, mixed), list(self.moves.powers)
        if fused:
            self.count.set_code("")
            self.follow.set_code(follow + code, sums, apart, moved)
        else:
            self.count.set_code(code, sums, apart)
            self.follow.set_code(follow, (), apart, moved)

    def _price(self, counter: Runner, term: Term, position: int) -> str:
        """Code for what a synapse of unit weight costs: a number, or the name of an array with one for each synapse."""
        if np.ndim(term.weight) == 0:
            return repr(float(term.weight) * term.power)
        values = np.asarray(term.weight, dtype=float) * term.power
        name = f"_nb_price{position}_{counter.name}"
        if name not in counter.variables:
            counter.variables.add_array(name, size=values.size, values=values, index="_idx")
        else:
            counter.variables[name].set_value(values)
        return name

    def _has_autapses(self, projection: Projection | None) -> bool:
        if self._ends["post"] != self._ends["pre"]:
            return False
        return projection is None or bool(np.any(projection.post_index == projection.pre_index))


def _side_with_longer_runs(projection: Projection | None) -> str:
    """The side whose neuron stays the same over more synapses that follow each other."""
    if projection is None:
        return "pre"  # as Brian2 makes connections
    changes = {side: np.count_nonzero(np.diff(index)) for side, index in
               (("pre", projection.pre_index), ("post", projection.post_index))}  # fmt: skip
    return min(changes, key=changes.__getitem__)
