"""What a neuron keeps while it is balanced, and the code of one update: sense costs, let the rule decide, move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from brian2 import Clock, NeuronGroup, prefs

from neurobal.brian.running.finite import FINITE_OR
from neurobal.brian.running.runner import Sum

Array: TypeAlias = np.ndarray

# What a neuron keeps: the live sums of its costs, what the rule sees, and its scales.
SOMA = """
raw_in : 1
raw_out : 1
cost_in : 1
cost_out : 1
imbalance : 1
seen_in : 1
seen_out : 1
moves : 1
free : 1
level : 1
step : 1
log_scale : 1
scale : 1
factor : 1
inverse : 1
remainder : 1
held : 1
lead : 1
lag : 1
random_state : integer
uniform : 1
unit : 1 (shared)
total_in : 1 (shared)
total_out : 1 (shared)
total_gap : 1 (shared)
total_free : 1 (shared)
total_imbalance : 1 (shared)
"""

# Park and Miller's generator (1988), in 32-bit arithmetic by Schrage's method: a stream of its own for each neuron. Not
# 1 in single precision either: rules take log(1 - uniform).
DRAW = """
random_state = 16807*(random_state % 127773) - 2836*(random_state // 127773)
random_state = random_state + 2147483647*int(random_state < 0)
uniform = clip(random_state/2147483647.0, 0.0, 0.99999994)
"""

# ``raw_in`` is the sum as the synapses make it, ``cost_in`` the same in units of the mean cost of a synapse,
# ``seen_in`` what the rule is given: of a neuron without incoming or outgoing cost, which does not move, it does not
# see the zeros (log 0, 0/0) but 1 and 2.
SENSE = """
cost_in = raw_in*unit
cost_out = raw_out*unit
moves = free*int(cost_in > 0)*int(cost_out > 0)
imbalance = (cost_in - cost_out)/(cost_in + cost_out + int(cost_in + cost_out == 0))
seen_in = cost_in*moves + 1*int(moves == 0)
seen_out = cost_out*moves + 2*int(moves == 0)
raw_in = 0
raw_out = 0
_nb_gap = abs(cost_in - cost_out)*free
_nb_free = (cost_in + cost_out)*free
_nb_in = cost_in
_nb_out = cost_out
"""
TOTALS = (
    Sum("_nb_in", "total_in"),
    Sum("_nb_out", "total_out"),
    Sum("_nb_gap", "total_gap"),
    Sum("_nb_free", "total_free"),
)

# A step that is no number is none; nor is one to where scales or costs would leave the range of numbers. ``held``
# counts them.
BOUND = """
total_imbalance = total_gap/(total_free + int(total_free == 0))
step = moves*clip(finite_or(step, {never}), -{never}, {never})
held = held + int(abs(step) > {never}/2)
step = clip(step, -{most}, {most})*int(abs(step) <= {never}/2)
held = held + int(abs(log_scale + step) > {reach})
step = step*int(abs(log_scale + step) <= {reach})
"""
# Rounding errors must not add up: steps below √ε would round what they move in the same direction again and again.
# They wait until they are more.
MOVE = """
remainder = remainder + step
step = remainder*int(abs(remainder) > {least})
remainder = remainder - step
log_scale = log_scale + step
factor = exp(step)
inverse = exp(-step)
scale = scale*factor
"""

# The rule goes its way un-rounded; whole powers of two are emitted when it has clearly left the last one. ``lead``
# and ``lag`` turn stored weights into those that the rule has in mind.
MOVE_DYADIC = """
log_scale = log_scale + step
remainder = remainder + step/{quantum}
factor = 2.0**({whole}*floor(remainder + 0.5)*int(abs(remainder) > 0.55))
remainder = remainder - floor(remainder + 0.5)*int(abs(remainder) > 0.55)
inverse = 1.0/factor
scale = scale*factor
lead = exp(remainder*{quantum})
lag = 1.0/lead
"""

MOST = 20.0  # of one step: a factor of 5e8, more than any sensible rule asks for
NEVER = 1e30  # no step: it was nan or infinite


def make_soma(free: Array, clock: Clock, name: str, seed: Sequence[int]) -> NeuronGroup:
    """One helper neuron for each neuron of a group; ``free`` ones may move, ``seed`` is of their random streams."""
    soma = NeuronGroup(free.size, SOMA, clock=clock, name=name, namespace={"finite_or": FINITE_OR})
    soma.scale = soma.factor = soma.inverse = soma.lead = soma.lag = np.ones(free.size)
    soma.free = free.astype(float)
    soma.random_state = np.random.default_rng(seed).integers(1, 2147483646, free.size)
    return soma


def show_costs(soma: NeuronGroup, incoming: Array, outgoing: Array, free: Array) -> None:
    """Something to read before the first update: what `SENSE` would find."""
    gap, both = incoming - outgoing, incoming + outgoing
    away, total = np.abs(gap)[free].sum(), both[free].sum()
    soma.cost_in, soma.cost_out = incoming, outgoing
    soma.imbalance = np.divide(gap, both, out=np.zeros_like(both), where=both > 0)
    soma.total_in, soma.total_out = incoming.sum(), outgoing.sum()
    soma.total_gap, soma.total_free, soma.total_imbalance = away, total, away / (total or 1.0)


def move_code(powers: Sequence[float], whole: int | None) -> str:
    """The code from the rule's step to factors.

    ``powers`` of λ occur in the model. Scales are emitted as powers of ``2**whole``, or, if that is None, as they are.
    """
    dtype = prefs.core.default_float_dtype
    bound = BOUND.format(never=NEVER, most=MOST, reach=repr(reach_of(powers, dtype)))
    if whole is None:
        return bound + MOVE.format(least=repr(float(np.sqrt(np.finfo(dtype).eps))))
    return bound + MOVE_DYADIC.format(whole=whole, quantum=repr(quantum(whole)))


def quantum(whole: int) -> float:
    """The step of log-scales that are emitted as powers of ``2**whole``."""
    return whole * float(np.log(2))


def reach_of(powers: Sequence[float], dtype: Any) -> float:
    """How far log-scales may go: what two of them multiply, both away from what is usual, is still a number."""
    return 0.28 * float(np.log(np.finfo(dtype).max)) / max(1.0, *map(abs, powers))
