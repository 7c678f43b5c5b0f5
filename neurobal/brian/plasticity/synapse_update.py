"""The part of an update that one Synapses takes: its variables follow the scales of their neurons, costs are summed up.

A synapse sees its own weight and numbers of its two neurons: ``_nb_factor_post`` and the like are those of their somas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from brian2 import Clock, NeuronGroup, Synapses

from neurobal.brian.network.objects import parent
from neurobal.brian.running.runner import Accumulation, Runner
from neurobal.circuit import Projection
from neurobal.cost import Term
from neurobal.motion import SynapticMotion

Array: TypeAlias = np.ndarray
# What synapses see of their neurons' somas.
SEEN = ("factor", "inverse", "lead", "lag", "raw_in", "raw_out", "rank")


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
        self._unrounded, self.fused = unrounded, False
        self._ends = {"post": parent(synapses.target).name, "pre": parent(synapses.source).name}
        self._moving = [side for side, group in self._ends.items() if group in somas]
        references: dict[str, tuple[Any, str, str | None]] = {}
        for side in self._moving:
            for variable in SEEN:
                references[f"_nb_{variable}_{side}"] = (somas[self._ends[side]], variable, f"_{side}synaptic_idx")
        references["_nb_to"] = (synapses, "_synaptic_post", None)
        references["_nb_from"] = (synapses, "_synaptic_pre", None)
        self.count, self.follow = (
            Runner(synapses, "", clock, order, f"{owner}_{task}_{synapses.name}", references)
            for task, order in (("count", -1), ("follow", 3))
        )

    def set_code(self, terms: Mapping[str, Sequence[Term]], *, fused: bool, uneven: bool, projection: Any) -> None:
        """Decide what the passes do in the next run.

        ``terms`` are the costs of each weight variable; ``uneven``: some synapses have no balance; ``projection`` is
        one of these Synapses in the circuit, or None if connections are not known.
        """
        self.fused = fused
        counter = self.follow if fused else self.count
        listed = [(weight, term) for weight, parts in terms.items() for term in parts]
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
            steady_side=_side_with_longer_runs(projection),
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


def follow_code(moves: SynapticMotion, mixed_autapses: bool) -> str:
    """Synaptic variables follow the scales of their neurons; ``mixed_autapses`` as for `cost_code`.

    Factors are multiplied one after the other: the rounding error of their product would be the same at every update.
    """
    lines = ""
    for variable, (at_post, at_pre) in moves.powers.items():
        factors = [factor for side, power in (("post", at_post), ("pre", at_pre))
                   for factor in factors_of(f"_nb_factor_{side}", f"_nb_inverse_{side}", power)]  # fmt: skip
        if mixed_autapses and at_post + at_pre == 0:  # λ times 1/λ is not quite 1, and would add up
            lines += f"_nb_factor = {'*'.join(factors)}*int(_nb_to != _nb_from) + int(_nb_to == _nb_from)\n"
            factors = ["_nb_factor"]
        lines += "".join(f"{variable} = {variable}*{factor}\n" for factor in factors)
    return lines


def cost_code(
    moves: SynapticMotion,
    terms: Sequence[tuple[str, float, str]],
    *,
    unrounded: bool,
    mixed_autapses: bool,
    uneven: Sequence[str],
    steady_side: str,
) -> tuple[str, tuple[Accumulation, ...]]:
    """The costs of synapses, and to which sums of their neurons they are added.

    Parameters
    ----------
    terms
        Weight variable, power, and code for the price of a synapse of weight 1.
    unrounded
        Count weights as the rule sees them, before scales are rounded to powers of two.
    mixed_autapses
        There are self-connections of which some weights move and others do not, as their two ends move alike. Those
        that do not move are not counted.
    uneven
        The sides whose neurons' ranks tell which synapses have no balance: those whose rank falls from pre to post.
    steady_side
        The side whose neuron stays the same over many synapses in turn; its sums are kept in registers.
    """
    lines = ""
    shares: dict[str, list[str]] = {"post": [], "pre": []}
    for k, (weight, power, price) in enumerate(terms):
        a, b = moves.powers[weight][0], -moves.powers[weight][1]
        seen = [weight]
        if unrounded:  # the rule sees un-rounded weights
            seen += [power_of(f"_nb_lead_{side}", f"_nb_lag_{side}", exponent)
                     for side, exponent in (("post", a), ("pre", -b)) if exponent]  # fmt: skip
        lines += f"_nb_w{k} = {'*'.join(seen)}\n"
        magnitude = (
            f"_nb_w{k}*_nb_w{k}" if power == 2 else f"abs(_nb_w{k})**({power!r})" if power != 1 else f"abs(_nb_w{k})"
        )
        falls = "+".join(f"({exponent!r})*_nb_rank_{side}" for side, exponent in (("post", a), ("pre", -b))
                         if side in uneven and exponent)  # fmt: skip
        counts = f"*int({falls} > -0.5)" if falls else ""
        counts += "*int(_nb_to != _nb_from)" if mixed_autapses and a == b else ""
        lines += f"_nb_c{k} = {price}*{magnitude}{counts}\n"
        for side, exponent in (("post", a), ("pre", b)):
            if exponent:
                shares[side].append(f"_nb_c{k}" if exponent == 1 else f"{exponent!r}*_nb_c{k}")
    sums = []
    for side, total in (("post", "_nb_raw_in_post"), ("pre", "_nb_raw_out_pre")):
        if shares[side]:
            lines += f"_nb_{side} = {' + '.join(shares[side])}\n"
            sums.append(Accumulation(f"_nb_{side}", total, f"_{side}synaptic_idx", in_register=side == steady_side))
    return lines, tuple(sums)


def factors_of(name: str, inverse: str, power: float) -> list[str]:
    """Code for the factors of ``name**power``: of whole powers one by one, as exact as they can be."""
    base = name if power > 0 else inverse
    return [base] * int(abs(power)) if abs(power) in (1, 2, 3) else [f"{base}**({abs(power)!r})"] if power else []


def power_of(name: str, inverse: str, power: float) -> str:
    """Code for ``name**power``."""
    return "*".join(factors_of(name, inverse, power)) or "1.0"
