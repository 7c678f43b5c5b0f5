"""`Plasticity`: a rule that rescales neurons while a Brian2 network runs, and preserves its function at every moment.

An update, every ``dt`` at the end of a time step: the rule gives every neuron a step of its log-scale; in the same
instant all its synapses, states and parameters follow. Each synapse needs only its own weight and one number from
either of its neurons. Costs are summed up in the same pass over the synapses that rescales them, for the next
update, unless something else writes the weights in between.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from brian2 import Clock, NeuronGroup, get_local_namespace, second
from brian2.core.base import BrianObject
from brian2.core.operations import NetworkOperation
from brian2.devices.device import RuntimeDevice, get_device
from brian2.utils.logger import get_logger

from neurobal.brian.network.guarded_constants import check_constants, guard
from neurobal.brian.network.objects import parent
from neurobal.brian.network.reading import examine, snapshot
from neurobal.brian.plasticity.companions import check_not_normalized, check_same_model
from neurobal.brian.plasticity.initial_costs import Measure, largest_power, measure, terms_unseen
from neurobal.brian.plasticity.neuron_update import (
    DRAW,
    SENSE,
    TOTALS,
    make_soma,
    move_code,
    quantum,
    reach_of,
    show_costs,
)
from neurobal.brian.plasticity.rule_check import check_rule
from neurobal.brian.plasticity.synapse_code import power_of
from neurobal.brian.plasticity.synapse_update import SynapsePass
from neurobal.brian.running.clocks import check_steps, seconds
from neurobal.brian.running.runner import Runner, Sum
from neurobal.circuit import Circuit
from neurobal.cost import Cost, Power
from neurobal.errors import (
    InvalidInputError,
    NeurobalError,
    NotHomogeneousError,
    UnbalanceableError,
    UnknownValuesError,
    did_you_mean,
)
from neurobal.rounding import common_step
from neurobal.rules import GradientFlow, Rule, find_rule

Array: TypeAlias = np.ndarray
logger = get_logger("neurobal.plasticity")

ALLOW = (
    "Constants of another plasticity rule in the same synapses (bounds, increments) may stay as they are if you say "
    "so, allow=['wmax', ...]: that rule then moves rescaled weights by other steps than before."
)


# In tens of thousands of updates rounding errors add up to so many times what a certificate allows one rescaling.
ROUNDINGS = 10.0


class Plasticity(BrianObject):
    """Rescale neurons by a local rule while the network runs. Add it to the network; it owns all it needs.

    Parameters
    ----------
    network
        A Network, a list of Brian2 objects, or None for all that would run here. They are not changed; every
        Synapses that touches a free neuron follows its scale, costed or not. What touches these neurons and is added
        to the network later is an error when it runs.
    rule
        A `Rule`, or the name of one.
    dt
        Time between two updates (a Quantity; not smaller than the time step of the simulation).
    cost, pinned, scaling, homogeneity, namespace, level
        As in `balance`.
    allow
        Names of constants in another plasticity rule of the same synapses (wmax, dA) that do not scale, and stay as
        they are. Without it they are an error: the other rule moves rescaled weights by other steps than before.
    dyadic
        Emit scales only as whole powers of two: the simulation stays bitwise the same as without plasticity.

    Examples
    --------
    >>> plasticity = nb.Plasticity(net, nb.NormalizedFlow(rate=1/second), dt=100*ms)
    >>> net.add(plasticity)
    >>> net.run(10*second, report='text')
    >>> nb.verify(plasticity.before, net)

    ``plasticity['E']`` is a group with one neuron for each of E's, whose ``cost_in``, ``cost_out`` (in units of the
    mean cost of a synapse at the start), ``imbalance`` and ``scale`` (λ since the start) can be read, and recorded
    by a StateMonitor. Shared by all of them are ``total_in``, ``total_out`` (sums of the costs) and
    ``total_imbalance`` (Σ|in - out| / Σ(in + out) over the free ones).
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
        names = get_local_namespace(level + 1) if namespace is None else namespace
        try:
            examined = examine(network, pinned, homogeneity, scaling, names, level + 1, names_of(allow))
        except NotHomogeneousError as error:
            if not error.allowable:
                raise
            raise NotHomogeneousError(f"{error}\n{ALLOW}") from None
        self._motion = examined.motion
        self._check_other_rules()
        self._groups = {key: examined.groups[key] for key in examined.motion.groups}
        self._synapses = {key: examined.synapses[key] for key in examined.motion.synapses}
        self._free = {key: ~examined.pins[key] for key in self._groups}
        self._examined = examined
        self._cost, self._dyadic = cost, dyadic
        self._whole = common_step(self._powers()) if dyadic else 1
        self._before: Circuit | None = None
        self._unit: float | None = None
        self._measured: Measure | None = None
        self._guarded = False
        self._power = largest_power(cost, self._motion.synapses)
        check_rule(self.rule, self._power, step)
        # Before its runners, so that they make their code from what it finds at the start of a run.
        BrianObject.__init__(self, name=name, when="end", order=-10)
        self._clock = Clock(dt=step * second, name=f"{self.name}_clock")
        self._somas = {key: self._soma(key) for key in self._groups}
        self._passes = {
            key: SynapsePass(self._synapses[key], moves, self._somas, self._clock, self.name, unrounded=dyadic)
            for key, moves in self._motion.synapses.items()
        }
        self._add_rule(step)
        self._add_motion()
        for one in self._passes.values():
            self.contained_objects.extend((one.count, one.follow))
        for obj in (*self._groups.values(), *self._synapses.values()):
            self.add_dependency(obj)
        _alive.add(self)

    def __getitem__(self, group: str) -> NeuronGroup:
        if group not in self._somas:
            why = self._motion.immovable.get(group)
            hint = f" It is held: {why}" if why else did_you_mean(group, self._somas)
            raise KeyError(f"{self.name}: no neuron of a group {group!r} moves.{hint}")
        return self._somas[group]

    @property
    def before(self) -> Circuit:
        """The network as it was before the first update, for `verify`.

        What other plasticities move counts as pinned here: with several of them take ``nb.as_circuit(network)`` before
        the run, and verify against that.
        """
        return self._read() if self._before is None else self._before

    def _read(self) -> Circuit:
        circuit = snapshot(self._examined)
        circuit.roundings = ROUNDINGS
        circuit.uncertified = frozenset(
            projection
            for name, moves in self._motion.synapses.items()
            for projection, weight in moves.projections(name).items()
            if (name, weight) in self._motion.changed
        )
        return circuit

    def _check_other_rules(self) -> None:
        """A declared motion must not be at odds with a rule that writes the same weights: bounds would cut them."""
        for name, lines in self._motion.contradicted.items():
            if lines and self._changed_by_model(name) and name not in self._motion.allowed:
                raise NotHomogeneousError(
                    f"Plasticity: another rule writes the weights of {name!r}, and does not scale along: {lines[0]}. "
                    f"{ALLOW}"
                )

    def _powers(self) -> list[float]:
        """All powers of λ by which anything moves."""
        powers = [power for moves in self._motion.groups.values() for power in moves.powers.values()]
        return powers + [p for moves in self._motion.synapses.values() for pair in moves.powers.values() for p in pair]

    # What an update consists of, in its order

    def _soma(self, group: str) -> NeuronGroup:
        """One helper neuron for each neuron of a group."""
        seed = [self.rule.seed, len(self.contained_objects)]
        soma = make_soma(self._free[group], self._clock, f"{self.name}_{group}", seed)
        soma.add_attribute("acts_on_networks")
        soma.acts_on_networks = True
        self.contained_objects.append(soma)
        return soma

    def _add_rule(self, dt: float) -> None:
        """Costs to steps, steps to factors: per neuron."""
        draw = DRAW if "uniform" in self.rule.step else ""
        move = move_code(self._powers(), self._whole if self._dyadic else None)
        for name, soma in self._somas.items():
            constants = {
                **self.rule.values,
                "dt": dt * second,
                "p": self._power,
                "homogeneity": self._homogeneity(name),
            }
            seen = {"cost_in": (soma, "seen_in", None), "cost_out": (soma, "seen_out", None)}
            self._run(soma, draw + SENSE, 0, f"sense_{name}", {}, sums=TOTALS)
            self._run(soma, f"step = {self.rule.step}", 1, f"rule_{name}", seen, constants)
            self._run(soma, move, 2, f"move_{name}", {})

    def _homogeneity(self, group: str) -> float:
        """b of what a group sends, where a = 1; a + b - 1 else, as a step goes with a + b. The largest of several."""
        received, sent = [1.0], [0.0]
        for key, moves in self._motion.synapses.items():
            for weight in (weight for weight in moves.weights if weight in moves.powers):
                a, b = moves.powers[weight][0], -moves.powers[weight][1]
                received += [a] * (parent(self._synapses[key].target).name == group)
                sent += [b] * (parent(self._synapses[key].source).name == group)
        return max(received) + max(sent) - 1.0

    def _add_motion(self) -> None:
        """States and parameters of neurons follow."""
        for name, moves in self._motion.groups.items():
            lines = []
            for variable, power in moves.powers.items():
                origin, factor = moves.origins.get(variable, 0.0), power_of("_nb_factor", "_nb_inverse", power)
                moved = f"({variable} - ({origin!r}))*{factor} + ({origin!r})" if origin else f"{variable}*{factor}"
                lines.append(f"{variable} = {moved}")
            soma = self._somas[name]
            references = {"_nb_factor": (soma, "factor", "_idx"), "_nb_inverse": (soma, "inverse", "_idx")}
            if lines:  # of one order with the synapses: nothing that a user runs comes in between
                self._run(self._groups[name], "\n".join(lines), 3, f"follow_{name}", references)

    def _writes_alone(self, name: str) -> bool:
        """Whether nothing else changes these weights: no other rule of the model, and no other plasticity."""
        others = (other for other in _alive if other is not self and other.active)
        shared = any(other._synapses.get(name) is self._synapses[name] for other in others)
        unknown = any(isinstance(obj, NetworkOperation) for obj in self._examined.objects)
        return not (shared or unknown or self._changed_by_model(name))

    def _changed_by_model(self, name: str) -> bool:
        return any((name, weight) in self._motion.changed for weight in self._motion.synapses[name].weights)

    def _run(
        self,
        group: Any,
        code: str,
        order: int,
        name: str,
        references: Mapping[str, tuple[Any, str, str | None]],
        constants: Mapping[str, Any] | None = None,
        sums: Sequence[Sum] = (),
    ) -> None:
        self.contained_objects.append(
            Runner(group, code, self._clock, order, f"{self.name}_{name}", references, constants, bool(constants), sums)
        )

    # Before and after a run

    def before_run(self, run_namespace: Any) -> None:
        """Check what can only be known now, and measure where the network stands."""
        check_steps(self._clock, self._groups.values(), self.name)
        self._claim()
        check_not_normalized(self, self._examined)
        check_same_model(self, self._examined)
        check_constants({**self._examined.groups, **self._synapses}, self._motion.assumed, run_namespace)
        runtime = isinstance(get_device(), RuntimeDevice)
        if runtime:  # as an earlier run left it, or as it was restored
            self._unit = float(next(iter(self._somas.values())).unit_[:]) or None
        if runtime or self._unit is None:  # standalone: later values are not known here
            try:
                circuit = self._read()
            except UnknownValuesError as error:
                self._go_without_measure(error)
            else:
                self._before = circuit if self._before is None or self._unit is None else self._before
                self._measure(circuit)
        super().before_run(run_namespace)

    def after_run(self) -> None:
        """Let other plasticities have the neurons; tell of steps that were none."""
        _claims.discard(self)
        if isinstance(get_device(), RuntimeDevice):
            self._warn_if_held()
            if not self._guarded and any(np.any(soma.log_scale_[:]) for soma in self._somas.values()):
                # From now on scales are not 1, also while this plasticity is not active.
                weakref.finalize(self, guard({**self._examined.groups, **self._synapses}, self._motion.assumed))
                self._guarded = True
        super().after_run()

    def _claim(self) -> None:
        """No other plasticity of this run may move the same neurons."""
        if not self.active:
            return
        for other in list(_claims):
            for name, free in self._free.items():
                # One that is in no network any more may have been interrupted while it ran.
                runs = other is not self and other.active and other._network == self._network
                same = runs and other._groups.get(name) is self._groups[name]
                if same and np.any(other._free[name] & free):
                    _claims.clear()  # there will be no run
                    raise NeurobalError(
                        f"{self.name} and {other.name} both move neurons of group {name!r}. Pin in each what the other "
                        "moves."
                    )
        _claims.add(self)

    def _measure(self, circuit: Circuit) -> None:
        """Sum up all costs as they are now; the first time, find what the rule's costs are measured in."""
        found = measure(circuit, self._cost, self._remainders(), self._somas, self._measured)
        everything = found.by_neuron(circuit, self._somas)
        if not any(np.any((sums > 0).all(axis=0) & self._free[name]) for name, sums in everything.items()):
            raise UnbalanceableError(
                f"{self.name}: nothing can be balanced: "
                + ("all weights are 0. Set them before the run. " if not found.mean else "")
                + "no free neuron has both incoming and outgoing costed synapses. "
                + circuit.advice
            )
        self._unit = 1 / found.mean if self._unit is None else self._unit
        last = found.by_neuron(circuit, self._somas, lambda name: self._writes_alone(name.partition(".")[0]))
        for name, soma in self._somas.items():
            soma.unit, soma.level = self._unit, found.heights[name]
            for variable, values in zip(("raw_in", "raw_out"), last[name], strict=True):
                soma.variables[variable].set_value(values)  # what the pass of an update before would have left
            incoming, outgoing = everything[name] * self._unit
            show_costs(soma, incoming, outgoing, self._free[name])
        self._measured = found
        self._write_code(found, circuit)
        self._warn_if_stiff(max(float(sums.sum(axis=0).max()) for sums in everything.values()) * self._unit)

    def _write_code(self, found: Measure | None, circuit: Circuit | None) -> None:
        """Give every pass its code: no more than it has to do."""
        for name, one in self._passes.items():
            known = one.moves.projections(name)
            if found is None or circuit is None:
                one.set_code(terms_unseen(self._cost, known), fused=False, uneven=False, projection=None)
                continue
            one.set_code(
                {weight: found.terms[key] for key, weight in known.items() if key in found.terms},
                fused=self._writes_alone(name),
                uneven=not found.uneven.isdisjoint(known),
                projection=circuit.projections[next(iter(known))] if known else None,
            )

    def _remainders(self) -> dict[str, Array]:
        """By group, what the rule has in mind but has not emitted yet."""
        if not self._dyadic or not isinstance(get_device(), RuntimeDevice):
            return {}
        return {name: soma.remainder_[:] * quantum(self._whole) for name, soma in self._somas.items()}

    def _go_without_measure(self, error: UnknownValuesError) -> None:
        """Standalone, with weights or connections that only the simulation will know: count them there."""
        if isinstance(self.rule, GradientFlow):
            raise NeurobalError(
                f"{self.name}: the pace of GradientFlow depends on the mean cost of a synapse, which is not known. "
                f"{error} Or use NormalizedFlow."
            )
        logger.warn(
            f"{self.name}: nothing could be checked: synapses without a balance are counted like the others, "
            "neurons without incoming or outgoing cost do not move, costs are in base units, and there is no "
            f"certificate. {error}",
            "unknown",
            once=True,
        )
        self._unit = 1.0
        for soma in self._somas.values():
            soma.unit = 1.0
        self._write_code(None, None)

    def _warn_if_stiff(self, largest: float) -> None:
        if isinstance(self.rule, GradientFlow):
            stiffness = self.rule.stiffness(self._power, largest, self._clock.dt_)
            if stiffness > 1:
                logger.warn(
                    f"{self.name}: GradientFlow is stable for rate*dt*p*max(in + out) < 1 only, which is "
                    f"{stiffness:.3g} here. "
                    f"Divide rate or dt by {np.ceil(2 * stiffness):g}, or use NormalizedFlow.",
                    "stiff",
                    once=True,
                )

    def _warn_if_held(self) -> None:
        for name, soma in self._somas.items():
            held = np.flatnonzero(soma.held_[:])
            if held.size:
                soma.held_ = 0
                reach = reach_of(self._powers(), soma.scale_[:].dtype)
                logger.warn(
                    f"{self.name}: {type(self.rule).__name__} gave neurons {listed(held)} of {name!r} steps that are "
                    f"no numbers, or that lead beyond log-scales of ±{reach:.3g}. They stayed where they were then, "
                    "and the function is preserved. Bound the rule, or its rate.",
                    "held",
                )


# The plasticities of the run that is going on.
_claims: weakref.WeakSet[Plasticity] = weakref.WeakSet()
# All that there are.
_alive: weakref.WeakSet[Plasticity] = weakref.WeakSet()


def listed(neurons: Array) -> str:
    """The first few of some neurons."""
    return ", ".join(map(str, neurons[:5])) + (f" and {neurons.size - 5} more" if neurons.size > 5 else "")


def names_of(allow: Any) -> tuple[str, ...]:
    """``allow`` as a tuple of names."""
    names = (allow,) if isinstance(allow, str) else tuple(allow)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInputError(f"allow: expected names of constants such as ('wmax', 'dA'), got {name!r}.")
    return names
