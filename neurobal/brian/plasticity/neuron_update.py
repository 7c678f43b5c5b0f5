"""The part of an update that one group takes: what its neurons keep, sense costs, let the rule decide, move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from brian2 import Clock, NeuronGroup, prefs

from neurobal.brian.plasticity.synapse_update import power_of
from neurobal.brian.running.finite_or import FINITE_OR
from neurobal.brian.running.runner import Accumulation, Runner
from neurobal.motion import GroupMotion
from neurobal.rules import Rule

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
rank : 1
step : 1
log_scale : 1
scale : 1
factor : 1
inverse : 1
remainder : 1
refused : 1
lost : 1
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
# see the zeros (log 0, 0/0) but 1 and 2. Nor does a neuron move whose costs are no numbers, or infinite, which ``lost``
# counts.
SENSE = """
cost_in = raw_in*unit
cost_out = raw_out*unit
_nb_finite = int(finite_or(cost_in + cost_out, -1.0) >= 0)
lost = lost + free*(1 - _nb_finite)
moves = free*int(cost_in > 0)*int(cost_out > 0)*_nb_finite
imbalance = (cost_in - cost_out)/(cost_in + cost_out + int(cost_in + cost_out == 0))
seen_in = finite_or(cost_in, 0.0)*moves + 1*int(moves == 0)
seen_out = finite_or(cost_out, 0.0)*moves + 2*int(moves == 0)
raw_in = 0
raw_out = 0
_nb_gap = abs(cost_in - cost_out)*free
_nb_free = (cost_in + cost_out)*free
_nb_in = cost_in
_nb_out = cost_out
"""
TOTALS = (
    Accumulation("_nb_in", "total_in"),
    Accumulation("_nb_out", "total_out"),
    Accumulation("_nb_gap", "total_gap"),
    Accumulation("_nb_free", "total_free"),
)

# Steps that are not finite are not taken, nor are those that would take scales or costs out of the range of floats.
# ``refused`` counts both.
BOUND = """
total_imbalance = total_gap/(total_free + int(total_free == 0))
step = moves*clip(finite_or(step, {never}), -{never}, {never})
refused = refused + int(abs(step) > {never}/2)
step = clip(step, -{most}, {most})*int(abs(step) <= {never}/2)
refused = refused + int(abs(log_scale + step) > {reach})
step = step*int(abs(log_scale + step) <= {reach})
"""
# Rounding errors must not add up: steps below √ε would round what they move in the same direction again and again.
# They are kept in ``remainder`` until their sum is larger.
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

LARGEST_STEP = 20.0  # a factor of 5e8, more than any sensible rule asks for
NO_STEP = 1e30  # stands for a step that was nan or infinite
# The largest log-scale, as a part of the logarithm of the largest float: two scales multiply to at most 0.56 of it, and
# the rest is for the value that they scale.
REACH = 0.28


class NeuronPass:
    """The runners of one group's neurons: ``sense`` costs, let the ``rule`` decide, ``move`` scales, ``follow`` them.

    Parameters
    ----------
    group, moves
        The group, and which of its variables move by which powers of λ.
    free
        Which of its neurons may move.
    rule, constants
        The rule, and the numbers of its vocabulary that stay the same (``dt``, ``p``, ``homogeneity``).
    code
        From the rule's step to factors, by `move_code`.
    clock, owner, position
        When updates are, the plasticity's name, and which of its groups this is (its random streams depend on it).
    """

    def __init__(
        self,
        group: Any,
        moves: GroupMotion,
        free: Array,
        rule: Rule,
        constants: Mapping[str, Any],
        code: str,
        clock: Clock,
        owner: str,
        position: int,
    ) -> None:
        self.free, self._clock, self._owner = free, clock, owner
        self.soma = soma = make_soma(free, clock, f"{owner}_{group.name}", [rule.seed, position])
        draw = DRAW if "uniform" in rule.step else ""
        seen = {"cost_in": (soma, "seen_in", None), "cost_out": (soma, "seen_out", None)}
        values = {**rule.values, **constants}
        name = group.name
        self.runners = [
            self._runner(soma, draw + SENSE, 0, f"sense_{name}", {}, sums=TOTALS),
            self._runner(soma, f"step = {rule.step}", 1, f"rule_{name}", seen, values),
            self._runner(soma, code, 2, f"move_{name}", {}),
        ]
        if moves.powers:  # of one order with the synapses: nothing that a user runs comes in between
            factors = {"_nb_factor": (soma, "factor", "_idx"), "_nb_inverse": (soma, "inverse", "_idx")}
            self.runners.append(self._runner(group, state_code(moves), 3, f"follow_{name}", factors))

    def _runner(
        self,
        group: Any,
        code: str,
        order: int,
        name: str,
        references: Mapping[str, tuple[Any, str, str | None]],
        constants: Mapping[str, Any] | None = None,
        sums: Sequence[Accumulation] = (),
    ) -> Runner:
        return Runner(
            group, code, self._clock, order, f"{self._owner}_{name}", references, constants, bool(constants), sums
        )


def state_code(moves: GroupMotion) -> str:
    """States and parameters of neurons follow their scales, each measured from its origin."""
    lines = []
    for variable, power in moves.powers.items():
        origin, factor = moves.origins.get(variable, 0.0), power_of("_nb_factor", "_nb_inverse", power)
        moved = f"({variable} - ({origin!r}))*{factor} + ({origin!r})" if origin else f"{variable}*{factor}"
        lines.append(f"{variable} = {moved}")
    return "\n".join(lines)


def make_soma(free: Array, clock: Clock, name: str, seed: Sequence[int]) -> NeuronGroup:
    """One helper neuron for each of a group's; ``free`` ones may move, ``seed`` starts their random streams."""
    soma = NeuronGroup(free.size, SOMA, clock=clock, name=name, namespace={"finite_or": FINITE_OR})
    soma.scale = soma.factor = soma.inverse = soma.lead = soma.lag = np.ones(free.size)
    soma.free = free.astype(float)
    soma.random_state = np.random.default_rng(seed).integers(1, 2147483646, free.size)
    soma.add_attribute("acts_on_networks")
    soma.acts_on_networks = True
    return soma


def show_costs(soma: NeuronGroup, incoming: Array, outgoing: Array, free: Array) -> None:
    """Set what can be read before the first update to what `SENSE` would compute."""
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
    bound = BOUND.format(never=NO_STEP, most=LARGEST_STEP, reach=repr(reach_of(powers, dtype)))
    if whole is None:
        return bound + MOVE.format(least=repr(float(np.sqrt(np.finfo(dtype).eps))))
    return bound + MOVE_DYADIC.format(whole=whole, quantum=repr(quantum(whole)))


def quantum(whole: int) -> float:
    """The step of log-scales that are emitted as powers of ``2**whole``."""
    return whole * float(np.log(2))


def reach_of(powers: Sequence[float], dtype: Any) -> float:
    """The largest absolute log-scale: a value that two neurons scale by the largest of ``powers`` stays finite."""
    return REACH * float(np.log(np.finfo(dtype).max)) / max(1.0, *map(abs, powers))


class EmittedScales:
    """The log-scales by which a plasticity has moved each group so far; what is pickled knows of none (None)."""

    def __init__(self, somas: Mapping[str, Any]) -> None:
        self._somas = somas

    def __call__(self) -> dict[str, np.ndarray]:
        return {name: np.log(np.asarray(soma.scale)) for name, soma in self._somas.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def __deepcopy__(self, memo: Any) -> EmittedScales:
        return self
