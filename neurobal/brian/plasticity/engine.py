"""`Plasticity`: a rule that rescales neurons while a Brian2 network runs, and preserves its function at every moment.

An update, every ``dt`` at the end of a time step: the rule gives every neuron a step of its log-scale; in the same
instant all its synapses, states and parameters follow. Each synapse needs only its own weight and one number from
either of its neurons. Costs are summed up in the same pass over the synapses that rescales them, for the next
update, unless something else writes the weights in between.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from brian2 import Clock, NeuronGroup, second
from brian2.core.base import BrianObject
from brian2.devices.device import RuntimeDevice, get_device

from neurobal.brian.network.guarded_constants import check_constants, guard
from neurobal.brian.network.newcomers import running_with, warn_of_newcomers
from neurobal.brian.network.objects import parent
from neurobal.brian.network.reading import Examined, examine, snapshot
from neurobal.brian.plasticity import printout
from neurobal.brian.plasticity.claims import ALLOW, Claim, check_claims, check_other_rules, names_of, written_alone
from neurobal.brian.plasticity.companions import check_not_normalized, check_same_model
from neurobal.brian.plasticity.initial_costs import largest_power
from neurobal.brian.plasticity.measuring import CostMeter, RunState
from neurobal.brian.plasticity.neuron_update import EmittedScales, NeuronPass, move_code, reach_of
from neurobal.brian.plasticity.rule_check import check_rule
from neurobal.brian.plasticity.run_warnings import (
    warn_if_stiff,
    warn_of_lost_costs,
    warn_of_refused_steps,
    warn_of_unknown,
)
from neurobal.brian.plasticity.synapse_update import SynapsePass
from neurobal.brian.running.clocks import check_steps, seconds
from neurobal.circuit import Circuit
from neurobal.cost import Cost, Power
from neurobal.errors import NeurobalError, NotFiniteError, NotHomogeneousError, UnknownValuesError, did_you_mean
from neurobal.motion import Motion
from neurobal.rounding import common_step
from neurobal.rules import GradientFlow, Rule, find_rule

# A certificate allows the rounding errors of one rescaling; those of tens of thousands of updates add up to this many
# times as much.
ROUNDINGS = 10.0


class Plasticity(BrianObject):
    """Rescale neurons by a local rule while the network runs; takes effect once it is added to the network.

    The user's objects get no variables and no code: those of the updates belong to the plasticity. Other plasticities
    matter only if they run in the same network and are active: two of them may not move the same neurons.

    Parameters
    ----------
    network
        A Network, a list of Brian2 objects, or None for all that ``run()`` would run here. Every Synapses that
        touches a free neuron follows its scale, costed or not. An object that touches these neurons and is added to
        the network later leads to an error when it runs.
    rule
        A `Rule`, or the name of one.
    dt
        Time between two updates (a Quantity; not smaller than the time step of the simulation).
    cost, pinned, scaling, homogeneity, namespace, level
        As in `balance`.
    allow
        Names of constants in another plasticity rule of the same synapses (wmax, dA) that may stay as they are
        though weights are rescaled: that rule then takes other steps than before. Not named, they are an error.
    dyadic
        Emit scales only as whole powers of two: the simulation stays bitwise the same as without plasticity.

    Examples
    --------
    >>> import neurobal as nb
    >>> from brian2 import Network, NeuronGroup, Synapses, ms, second
    >>> cells = NeuronGroup(2, "dx/dt = (-x + I)/(10*ms) : 1\\nI : 1", method="euler", name="E")
    >>> synapses = Synapses(cells, cells, "w : 1\\nI_post = w*x_pre : 1 (summed)", name="S")
    >>> synapses.connect(i=[0, 1], j=[1, 0])
    >>> synapses.w = [0.1, 0.4]
    >>> net = Network(cells, synapses)
    >>> plasticity = nb.Plasticity(net, nb.NormalizedFlow(rate=100/second), dt=10*ms)
    >>> net.add(plasticity)
    >>> net.run(200*ms)
    >>> [round(float(w), 3) for w in synapses.w]
    [0.2, 0.2]
    >>> nb.verify(plasticity.before, net).preserved
    True

    ``plasticity['E']`` is a group with one neuron for each of E's, whose ``cost_in``, ``cost_out`` (the two halves of
    ∂C/∂h: p a and p b times the costs of its synapses, in units of the mean cost of a synapse at the start),
    ``imbalance`` and ``scale`` (λ since the start) can be read, and recorded by a StateMonitor. Shared by all of them
    are ``total_in``, ``total_out`` (the sums of ``cost_in`` and of ``cost_out``) and ``total_imbalance``
    (Σ|in - out| / Σ(in + out) over the free ones).
    """

    add_to_magic_network = True
    acts_on_networks = True  # and is no part of what it acts on

    def __init__(
        self,
        network: Any = None,
        rule: Any = None,
        dt: Any = None,
        *,
        cost: Cost | Mapping[str, Cost] = Power(2),  # noqa: B008  (frozen)
        pinned: Any = None,
        scaling: Mapping[str, Any] | None = None,
        homogeneity: Mapping[str, float] | None = None,
        dyadic: bool = False,
        allow: Iterable[str] = (),
        namespace: dict[str, Any] | None = None,
        level: int = 0,
        name: str = "plasticity*",
    ) -> None:
        self.rule: Rule = find_rule(rule)
        step = seconds(dt, "Plasticity")
        try:
            self._examined = examine(network, pinned, homogeneity, scaling, namespace, level + 1, names_of(allow))
        except NotHomogeneousError as error:
            if not error.allowable:
                raise
            raise NotHomogeneousError(f"{error}\n{ALLOW}") from None
        self._motion = self._examined.motion
        check_other_rules(self._motion)
        self.claim = _claim(self._examined)
        self.cost = cost
        self._power = largest_power(cost, self._motion.synapses)
        check_rule(self.rule, self._power, step)
        self._state = RunState()
        # Before its runners, so that they make their code from what it finds at the start of a run.
        BrianObject.__init__(self, name=name, when="end", order=-10)
        self._clock = Clock(dt=step * second, name=f"{self.name}_clock")
        whole = common_step(_powers(self._motion) + _roots(self._motion)) if dyadic else None
        self._add_passes(whole, step)
        self._meter = CostMeter(self.name, cost, self._neurons, self._passes, whole)
        for obj in (*self.claim.groups.values(), *self.claim.synapses.values()):
            self.add_dependency(obj)

    def __repr__(self) -> str:
        return printout.title(self)

    def __str__(self) -> str:
        return printout.describe(self)

    def _repr_html_(self) -> str:
        return printout.describe_html(self)

    def __getitem__(self, group: str) -> NeuronGroup:
        if group not in self._somas:
            why = self._motion.immovable.get(group)
            hint = f" It cannot move: {why}" if why else did_you_mean(group, self._somas)
            raise KeyError(f"{self.name}: no neuron of a group {group!r} moves.{hint}")
        return self._somas[group]

    @property
    def before(self) -> Circuit:
        """The network as it was before the first update, for `verify`.

        What other plasticities move counts as pinned here: with several of them take ``nb.as_circuit(network)`` before
        the run, and verify against that.
        """
        return self._read() if self._state.before is None else self._state.before

    def before_run(self, run_namespace: Any) -> None:
        """Check what can only be known now, and measure where the network stands."""
        check_steps(self._clock, self.claim.groups.values(), self.name)
        check_claims(self)
        check_not_normalized(self, self._examined)
        check_same_model(self, self._examined)
        check_constants(self._owners(), self._motion.assumed, run_namespace)
        alone = written_alone(self, self._motion, self._examined.everything)
        runtime = isinstance(get_device(), RuntimeDevice)
        if runtime:
            self._guard_constants()
            self._state.unit = self._meter.stored_unit()
        if runtime or self._state.unit is None:
            self._measure(alone)
        else:  # standalone: later values are not known here
            self._meter.check_still_alone(alone)
        super().before_run(run_namespace)

    def after_run(self) -> None:
        """Warn of steps that were not taken, and of costs that were no numbers."""
        if isinstance(get_device(), RuntimeDevice):
            warn_of_lost_costs(self.name, self._somas, self._what_is_not_finite)
            reach = reach_of(_powers(self._motion), next(iter(self._somas.values())).scale_[:].dtype)
            warn_of_refused_steps(self.name, self.rule, self._somas, reach)
        super().after_run()

    def _what_is_not_finite(self) -> str | None:
        """Which weights or parameters are no finite numbers now; None if all are."""
        try:
            self._read()
        except NotFiniteError as error:
            return str(error)
        return None

    def _guard_constants(self) -> None:
        """Let runs check what the proof rests on while scales are not 1, also in runs without this plasticity."""
        if self._state.guarded:
            return
        somas, itself = tuple(self._somas.values()), weakref.ref(self)
        moving = {obj.name: obj for obj in self._examined.moving()}
        one = next(iter(moving.values()))

        def moved() -> bool:
            return any(np.any(soma.log_scale_[:]) for soma in somas)

        def moved_before() -> bool:  # where it runs itself, newcomers are an error
            plasticity = itself()
            runs = plasticity is not None and plasticity.active and plasticity in running_with(one)
            return not runs and moved()

        undo = f"restore() a state from before {self.name}"
        for remove in (
            guard(self._owners(), self._motion.assumed, moved),
            warn_of_newcomers(moving, self._examined.everything, self.name, undo, moved_before),
        ):
            weakref.finalize(self, remove)
        self._state.guarded = True

    def _add_passes(self, whole: int | None, step: float) -> None:
        """Make what an update consists of: passes over neurons and over synapses; Brian2 sorts them by their order.

        ``whole``: scales are emitted as powers of ``2**whole``; None if as they are. ``step``: dt in seconds.
        """
        code = move_code(_powers(self._motion), whole)
        self._neurons = {
            name: NeuronPass(
                group,
                self._motion.groups[name],
                self.claim.free[name],
                self.rule,
                {"dt": step * second, "p": self._power, "homogeneity": _homogeneity(self._motion, self.claim, name)},
                code,
                self._clock,
                self.name,
                position,
            )
            for position, (name, group) in enumerate(self.claim.groups.items())
        }
        self._somas = {name: neurons.soma for name, neurons in self._neurons.items()}
        self._passes = {
            key: SynapsePass(
                self.claim.synapses[key], moves, self._somas, self._clock, self.name, unrounded=whole is not None
            )
            for key, moves in self._motion.synapses.items()
        }
        for neurons in self._neurons.values():
            self.contained_objects.extend((neurons.soma, *neurons.runners))
        for synapses in self._passes.values():
            self.contained_objects.extend((synapses.count, synapses.follow))

    def _owners(self) -> dict[str, BrianObject]:
        """The objects that own constants on which the symmetry rests."""
        return {**self._examined.groups, **self.claim.synapses}

    def _read(self) -> Circuit:
        """The network as it is now, with what a certificate has to know of a rescaling by many updates."""
        circuit = snapshot(self._examined)
        circuit.roundings = ROUNDINGS
        circuit.emitted = EmittedScales(self._somas)
        circuit.uncertified = frozenset(
            projection
            for name, moves in self._motion.synapses.items()
            for projection, weight in moves.projections(name).items()
            if (name, weight) in self._motion.changed
        )
        return circuit

    def _measure(self, alone: frozenset[str]) -> None:
        """Sum up all costs as they are now; the first time, find what the rule's costs are measured in."""
        state = self._state
        try:
            circuit = self._read()
        except UnknownValuesError as error:
            if isinstance(self.rule, GradientFlow):
                raise NeurobalError(
                    f"{self.name}: the pace of GradientFlow depends on the mean cost of a synapse, which is not known. "
                    f"{error} Or use NormalizedFlow."
                ) from error
            warn_of_unknown(self.name, error)
            self._meter.go_without(state)
            return
        state.before = circuit if state.before is None or state.unit is None else state.before
        largest = self._meter.sum_up(circuit, state, alone)
        warn_if_stiff(self.name, self.rule, self._power, largest, self._clock.dt_)


def _claim(examined: Examined) -> Claim:
    """What a plasticity of an examined network moves."""
    groups = {key: examined.groups[key] for key in examined.motion.groups}
    synapses = {key: examined.synapses[key] for key in examined.motion.synapses}
    return Claim(groups, {key: ~examined.pins[key] for key in groups}, synapses)


def _powers(motion: Motion) -> list[float]:
    """All powers of λ by which anything moves."""
    powers = [power for moves in motion.groups.values() for power in moves.powers.values()]
    return powers + [p for moves in motion.synapses.values() for pair in moves.powers.values() for p in pair]


def _roots(motion: Motion) -> list[float]:
    """All powers of λ by which square roots move that the simulation takes."""
    return [power for moves in motion.groups.values() for power in moves.roots]


def _homogeneity(motion: Motion, claim: Claim, group: str) -> float:
    """The exponent b of what a group sends where a = 1, and a + b - 1 elsewhere: a balancing step goes with a + b.

    Of several projections the largest a and the largest b count.
    """
    received, sent = [1.0], [0.0]
    for key, moves in motion.synapses.items():
        for weight in (weight for weight in moves.weights if weight in moves.powers):
            a, b = moves.powers[weight][0], -moves.powers[weight][1]
            received += [a] * (parent(claim.synapses[key].target).name == group)
            sent += [b] * (parent(claim.synapses[key].source).name == group)
    return max(received) + max(sent) - 1.0
