"""`Plasticity`: a rule that rescales neurons while a Brian2 network runs, and preserves its function at every moment.

An update, every ``dt`` at the end of a time step: the rule gives every neuron a step of its log-scale; in the same
instant all its synapses, states and parameters follow. Each synapse needs only its own weight and one number from
either of its neurons. Costs are summed up in the same pass over the synapses that rescales them, for the next
update, unless something else writes the weights in between.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from brian2 import Clock, NeuronGroup, Quantity, get_local_namespace, prefs, second
from brian2.core.base import BrianObject
from brian2.devices.device import RuntimeDevice, get_device
from brian2.utils.logger import get_logger

from neurobal.brian.guard import check_constants
from neurobal.brian.motion import SynapticMotion
from neurobal.brian.objects import parent
from neurobal.brian.reading import examine, snapshot
from neurobal.brian.rulecode import check_rule
from neurobal.brian.soma import DRAW, FAINT, MOST, MOVE, MOVE_DYADIC, SENSE, SOMA, Runner
from neurobal.brian.synapsecode import count_code, follow_code, power_of
from neurobal.circuit import Circuit, Projection
from neurobal.cost import Cost, Power, Term, terms_by_projection
from neurobal.dyadic import common_step
from neurobal.errors import (
    InvalidInputError,
    NeurobalError,
    UnbalanceableError,
    UnknownValuesError,
    did_you_mean,
)
from neurobal.existence import FALLS, balanced_levels
from neurobal.problem import Units, build
from neurobal.rules import GradientFlow, Rule, find_rule

Array: TypeAlias = np.ndarray
logger = get_logger("neurobal.plasticity")


class Plasticity(BrianObject):
    """Rescale neurons by a local rule while the network runs. Add it to the network; it owns all it needs.

    Parameters
    ----------
    network
        A Network, a list of Brian2 objects, or None for all that would run here. They are not changed; every
        Synapses that touches a free neuron follows its scale, costed or not.
    rule
        A `Rule`, or the name of one.
    dt
        Time between two updates (a Quantity; not smaller than the time step of the simulation).
    cost, pinned, scaling, homogeneity, namespace, level
        As in `balance`. Weights of costs are plain numbers here.
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
    by a StateMonitor.
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
        namespace: dict[str, Any] | None = None,
        level: int = 0,
        name: str = "plasticity*",
    ) -> None:
        self.rule: Rule = find_rule(rule)
        step = seconds(dt)
        names = get_local_namespace(level + 1) if namespace is None else namespace
        examined = examine(network, pinned, homogeneity, scaling, names, level + 1)
        self._motion = examined.motion
        self._groups = {key: examined.groups[key] for key in examined.motion.groups}
        self._synapses = {key: examined.synapses[key] for key in examined.motion.synapses}
        self._free = {key: ~examined.pins[key] for key in self._groups}
        self._examined = examined
        self._cost, self._dyadic = cost, dyadic
        self._whole = common_step(self._powers()) if dyadic else 1
        self._quantum = self._whole * float(np.log(2))
        self._before: Circuit | None = None
        self._unit: float | None = None
        self._passes: dict[tuple[str, str], Runner] = {}
        self._power, terms = _powers_of(cost, self._synapses, self._motion.synapses)
        check_rule(self.rule, self._power)
        # Before its runners, so that they make their code from what it finds at the start of a run.
        BrianObject.__init__(self, name=name, when="end", order=-10)
        self._clock = Clock(dt=step * second, name=f"{self.name}_clock")
        self._somas = {key: self._soma(key) for key in self._groups}
        self._add_rule(step)
        self._add_motion()
        self._terms = terms
        self._add_synapses()
        for obj in (*self._groups.values(), *self._synapses.values()):
            self.add_dependency(obj)
        _alive.add(self)

    def __getitem__(self, group: str) -> NeuronGroup:
        if group not in self._somas:
            raise KeyError(f"{self.name}: no neuron of a group {group!r} moves.{did_you_mean(group, self._somas)}")
        return self._somas[group]

    @property
    def before(self) -> Circuit:
        """The network as it was before the first update, for `verify`."""
        if self._before is None:
            self._before = self._read()
        return self._before

    def _read(self) -> Circuit:
        circuit = snapshot(self._examined)
        circuit.uncertified = frozenset(
            projection
            for projection in circuit.projections
            for name, moves in self._motion.synapses.items()
            if projection.partition(".")[0] == name and self._changed_by_model(name, moves)
        )
        return circuit

    def _powers(self) -> list[float]:
        """All powers of λ by which anything moves."""
        powers = [power for moves in self._motion.groups.values() for power in moves.powers.values()]
        return powers + [p for moves in self._motion.synapses.values() for pair in moves.powers.values() for p in pair]

    # What an update consists of, in its order

    def _soma(self, group: str) -> NeuronGroup:
        """One helper neuron for each neuron of a group."""
        size = len(self._groups[group])
        soma = NeuronGroup(size, SOMA, clock=self._clock, name=f"{self.name}_{group}", namespace={})
        soma.add_attribute("acts_on_networks")
        soma.acts_on_networks = True
        soma.scale = np.ones(size)
        soma.factor = soma.inverse = soma.lead = soma.lag = np.ones(size)
        soma.free = self._free[group].astype(float)
        streams = np.random.default_rng([self.rule.seed, len(self.contained_objects)])
        soma.random_state = streams.integers(1, 2147483646, size)
        self.contained_objects.append(soma)
        return soma

    def _add_rule(self, dt: float) -> None:
        """Costs to steps, steps to factors: per neuron."""
        draw = DRAW if "uniform" in self.rule.step else ""
        for name, soma in self._somas.items():
            constants = {
                **self.rule.values,
                "dt": dt * second,
                "p": self._power,
                "homogeneity": self._homogeneity(name),
            }
            seen = {"cost_in": (soma, "seen_in", None), "cost_out": (soma, "seen_out", None)}
            move = (MOVE_DYADIC if self._dyadic else MOVE).format(
                most=MOST, whole=self._whole, quantum=repr(self._quantum)
            )
            self._run(soma, draw + SENSE.format(faint=FAINT), 0, f"sense_{name}", {})
            self._run(soma, f"step = {self.rule.step}", 1, f"rule_{name}", seen, constants)
            self._run(soma, move, 2, f"move_{name}", {})

    def _homogeneity(self, group: str) -> float:
        """b of what a group sends; the largest one if it sends several."""
        powers = [
            -moves.powers[weight][1]
            for key, moves in self._motion.synapses.items()
            if parent(self._synapses[key].source).name == group
            for weight in moves.weights
            if weight in moves.powers
        ]
        return max(powers, default=0.0)

    def _add_motion(self) -> None:
        """States and parameters of neurons follow."""
        for name, moves in self._motion.groups.items():
            lines = []
            for variable, power in moves.powers.items():
                origin, factor = moves.origins.get(variable, 0.0), power_of("nb_factor", "nb_inverse", power)
                moved = f"({variable} - ({origin!r}))*{factor} + ({origin!r})" if origin else f"{variable}*{factor}"
                lines.append(f"{variable} = {moved}")
            soma = self._somas[name]
            references = {"nb_factor": (soma, "factor", "_idx"), "nb_inverse": (soma, "inverse", "_idx")}
            if lines:
                self._run(self._groups[name], "\n".join(lines), 4, f"follow_{name}", references)

    def _add_synapses(self) -> None:
        """Weights follow, and costs are summed up: in one pass, or in two where something else writes the weight."""
        for name, moves in self._motion.synapses.items():
            synapses = self._synapses[name]
            post, pre = (self._somas.get(parent(end).name) for end in (synapses.target, synapses.source))
            references: dict[str, tuple[Any, str, str | None]] = {}
            for side, soma, index in (("post", post, "_postsynaptic_idx"), ("pre", pre, "_presynaptic_idx")):
                for variable in ("factor", "inverse", "lead", "lag", "raw_in", "raw_out", "level"):
                    if soma is not None:
                        references[f"nb_{variable}_{side}"] = (soma, variable, index)
            if post is not None and post is pre:
                references["nb_post"] = (synapses, "_synaptic_post", None)
                references["nb_pre"] = (synapses, "_synaptic_pre", None)
            # Which of the two counts is decided when a run starts: until then unknown is who else writes the weights.
            code = follow_code(moves)
            for what, order in (("count", -1), ("follow", 3)):
                runner = Runner(synapses, code, self._clock, order, f"{self.name}_{what}_{name}", references)
                self.contained_objects.append(runner)
                self._passes[name, what] = runner

    def _count_code(
        self, name: str, terms: list[tuple[str, Term]], *, autapses: bool = True, uneven: bool = True
    ) -> str:
        """Code that counts a Synapses' costs; ``uneven`` if some of them have no balance."""
        synapses, moves = self._synapses[name], self._motion.synapses[name]
        ends = {"post": parent(synapses.target).name, "pre": parent(synapses.source).name}
        weights = [weight for weight in moves.weights if weight in moves.powers]
        powers = dict(zip(("post", "pre"), moves.powers[weights[0]] if weights else (0.0, 0.0), strict=True))
        levels = "+".join(f"({powers[side]!r})*nb_level_{side}" for side, end in ends.items() if end in self._somas)
        recurrent = ends["post"] == ends["pre"]
        return count_code(
            moves, terms, unrounded=self._dyadic, autapses=autapses and recurrent, levels=levels if uneven else ""
        )

    def _writes_alone(self, name: str, moves: SynapticMotion) -> bool:
        """Whether nothing else changes these weights: no other rule of the model, and no other plasticity."""
        others = (other for other in _alive if other is not self and other.active)
        shared = any(other._synapses.get(name) is self._synapses[name] for other in others)
        return not shared and not self._changed_by_model(name, moves)

    def _changed_by_model(self, name: str, moves: SynapticMotion) -> bool:
        return any((name, weight) in self._motion.changed for weight in moves.weights)

    def _run(
        self,
        group: Any,
        code: str,
        order: int,
        name: str,
        references: Mapping[str, tuple[Any, str, str | None]],
        constants: Mapping[str, Any] | None = None,
    ) -> None:
        if code.strip():
            self.contained_objects.append(
                Runner(group, code, self._clock, order, f"{self.name}_{name}", references, constants, bool(constants))
            )

    # Before and after a run

    def before_run(self, run_namespace: Any) -> None:
        """Check what can only be known now, and measure where the network stands."""
        self._check_timing()
        self._claim()
        check_constants({**self._examined.groups, **self._synapses}, self._motion.assumed, run_namespace)
        if self._unit is None or isinstance(get_device(), RuntimeDevice):  # standalone: later values are not known here
            try:
                circuit = self._read()
            except UnknownValuesError as error:
                self._go_without_measure(error)
            else:
                self._before = circuit if self._before is None else self._before
                self._measure(circuit)
        super().before_run(run_namespace)

    def after_run(self) -> None:
        """Let other plasticities have the neurons."""
        _claims.discard(self)
        super().after_run()

    def _check_timing(self) -> None:
        for name, group in self._groups.items():
            if self._clock.dt_ < group.clock.dt_ * (1 - 1e-9):
                raise InvalidInputError(
                    f"{self.name}: dt = {self._clock.dt} is smaller than the time step of group {name!r}, "
                    f"{group.clock.dt}. Update at most once a time step."
                )
        if not isinstance(get_device(), RuntimeDevice) and prefs.devices.cpp_standalone.openmp_threads > 0:
            raise NeurobalError(
                f"{self.name}: several threads would add to one neuron's cost at the same time, and lose some of it. "
                "Set prefs.devices.cpp_standalone.openmp_threads = 0."
            )

    def _claim(self) -> None:
        """No other plasticity of this run may move the same neurons."""
        if not self.active:
            return
        for other in list(_claims):
            for name, free in self._free.items():
                same = other is not self and other.active and other._groups.get(name) is self._groups[name]
                if same and np.any(other._free[name] & free):
                    _claims.clear()  # there will be no run
                    raise NeurobalError(
                        f"{self.name} and {other.name} both move neurons of group {name!r}. Pin in each what the other "
                        "moves."
                    )
        _claims.add(self)

    def _measure(self, circuit: Circuit) -> None:
        """Sum up all costs as they are now; the first time, find what the rule's costs are measured in."""
        terms = terms_by_projection(self._cost, circuit.projections)
        lost = self._leave_out(circuit, terms)
        total, count = 0.0, 0
        sums = {name: np.zeros((2, len(soma))) for name, soma in self._somas.items()}
        counted_later = {name: np.zeros((2, len(soma))) for name, soma in self._somas.items()}
        for name, some in terms.items():
            projection = circuit.projections[name]
            a, b = projection.exponents
            itself = (projection.pre == projection.post) & (projection.pre_index == projection.post_index)
            unrounded = self._unrounded(circuit, projection)
            owner = name.partition(".")[0]
            into = sums if self._writes_alone(owner, self._motion.synapses[owner]) else counted_later
            for term in some:
                costs = term.of(projection.weight)
                total, count = total + float(costs.sum()), count + int((costs > 0).sum())
                still = (itself & (np.asarray(a) == b)) | lost[name]
                costs = costs * np.exp(term.power * unrounded) * np.where(still, 0.0, 1.0)
                if projection.post in into:
                    _add_at(into[projection.post][0], projection.post_index, term.power * a * costs)
                if projection.pre in into:
                    _add_at(into[projection.pre][1], projection.pre_index, term.power * b * costs)
        everything = {name: sums[name] + counted_later[name] for name in sums}
        if not any(np.any((s > 0).all(axis=0) & self._free[name]) for name, s in everything.items()):
            raise UnbalanceableError(
                f"{self.name}: nothing can be balanced: no free neuron has both incoming and outgoing costed synapses. "
                + circuit.advice
            )
        for name, (incoming, outgoing) in sums.items():
            soma = self._somas[name]
            if self._unit is None:
                soma.unit = count / total
            for variable, values in (("raw_in", incoming), ("raw_out", outgoing)):
                soma.variables[variable].set_value(values)
        self._unit = count / total if self._unit is None else self._unit
        for name, (
            incoming,
            outgoing,
        ) in everything.items():  # so that there is something to read before the first update
            soma, both = self._somas[name], incoming + outgoing
            soma.cost_in, soma.cost_out = incoming * self._unit, outgoing * self._unit
            soma.imbalance = np.divide(incoming - outgoing, both, out=np.zeros_like(both), where=both > 0)
        self._warn_if_stiff(max(float(s.sum(axis=0).max()) for s in everything.values()) * self._unit)

    def _leave_out(self, circuit: Circuit, terms: Mapping[str, list[Term]]) -> dict[str, Array]:
        """Which synapses have no balance: not counted, as in `balance`. The code does no more than it has to."""
        units = Units(circuit)
        levels = balanced_levels(build(circuit, units, terms))
        spread = units.spread(np.zeros(units.size) if levels is None else levels[:-1])
        for name, soma in self._somas.items():
            soma.level = spread[name]
        lost, uneven, autapses = {}, set(), set()
        for name in terms:
            projection = circuit.projections[name]
            post, pre = circuit.log_scales_at(projection, spread)
            lost[name] = projection.log_factors(post, pre) < -FALLS
            if lost[name].any():
                uneven.add(name.partition(".")[0])
            if projection.pre == projection.post and np.any(projection.pre_index == projection.post_index):
                autapses.add(name.partition(".")[0])
        for name, moves in self._motion.synapses.items():
            count = self._count_code(name, self._terms.get(name, []), autapses=name in autapses, uneven=name in uneven)
            fused = self._writes_alone(name, moves)
            self._passes[name, "count"].abstract_code = "" if fused else count
            self._passes[name, "follow"].abstract_code = follow_code(moves) + (count if fused else "")
        return lost

    def _go_without_measure(self, error: UnknownValuesError) -> None:
        """Standalone, with weights or connections that only the simulation will know: count them there."""
        if isinstance(self.rule, GradientFlow):
            raise NeurobalError(
                f"{self.name}: the pace of GradientFlow depends on the mean cost of a synapse, which is not known. "
                f"{error} "
                "Or use NormalizedFlow."
            )
        logger.warn(
            f"{self.name}: nothing could be checked: synapses without a balance are counted like the others, "
            "neurons without "
            f"incoming or outgoing cost do not move, costs are in base units, and there is no certificate. {error}",
            "unknown",
            once=True,
        )
        self._unit = 1.0
        for soma in self._somas.values():
            soma.unit = 1.0
        for name, moves in self._motion.synapses.items():
            count = self._count_code(name, self._terms.get(name, []), autapses=True, uneven=False)
            self._passes[name, "count"].abstract_code = count
            self._passes[name, "follow"].abstract_code = follow_code(moves)

    def _unrounded(self, circuit: Circuit, projection: Projection) -> Array | float:
        """Logarithm of what turns stored weights into those that the rule has in mind."""
        if not self._dyadic or not isinstance(get_device(), RuntimeDevice):
            return 0.0
        remainder = {name: np.zeros(population.size) for name, population in circuit.populations.items()}
        remainder |= {name: soma.remainder_[:] * self._quantum for name, soma in self._somas.items()}
        return projection.log_factors(*circuit.log_scales_at(projection, remainder))

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


# The plasticities of the run that is going on.
_claims: weakref.WeakSet[Plasticity] = weakref.WeakSet()
# All that there are.
_alive: weakref.WeakSet[Plasticity] = weakref.WeakSet()


def _powers_of(
    cost: Any, synapses: Mapping[str, Any], moving: Mapping[str, SynapticMotion]
) -> tuple[float, dict[str, list[tuple[str, Term]]]]:
    """The largest power of the cost, and for each Synapses its weights with their terms."""
    found: dict[str, list[tuple[str, Term]]] = {}
    known = []
    for name, moves in moving.items():
        weights = [weight for weight in moves.weights if weight in moves.powers]
        for weight in weights:
            key = name if len(weights) == 1 else f"{name}.{weight}"
            known.append(key)
            one = cost.get(key) if isinstance(cost, Mapping) else cost
            if one is None:
                continue
            if not isinstance(one, Cost):
                raise InvalidInputError(f"cost: expected a cost such as Power(2) for {key!r}, got {one!r}.")
            dimension = synapses[name].variables[weight].dim
            stand_in = _Costed(key, None if dimension.is_dimensionless else dimension)
            try:
                terms = one.terms(stand_in)  # type: ignore[arg-type]
            except InvalidInputError:
                raise InvalidInputError(
                    f"cost: while a network runs, a cost has one weight per projection; that of {key!r} has an array."
                ) from None
            found.setdefault(name, []).extend((weight, term) for term in terms)
    if isinstance(cost, Mapping):
        for key in cost:
            if key not in known:
                raise InvalidInputError(f"cost: no Synapses {key!r} moves along.{did_you_mean(key, known)}")
    powers = [term.power for some in found.values() for _, term in some]
    if not powers:
        raise UnbalanceableError("Nothing can be balanced: no synapse that moves has a cost.")
    return max(powers), found


class _Costed:
    """As much of a projection as the terms of a cost with plain weights need."""

    def __init__(self, name: str, dimension: Any) -> None:
        self.name, self.dimension = name, dimension
        self.post_exponent = self.pre_exponent = 1.0
        self.shape, self.weight = (0, 0), np.zeros(0)


def seconds(dt: Any, owner: str = "Plasticity") -> float:
    """The time between two updates as a number."""
    if not isinstance(dt, Quantity) or not dt.has_same_dimensions(second) or np.ndim(dt) or not float(dt) > 0:
        raise InvalidInputError(f"{owner}.dt: expected the time between two updates, such as 100*ms, got {dt!r}.")
    return float(dt)


def _add_at(sums: Array, index: Array, values: Array) -> None:
    sums += np.bincount(index, values, minlength=sums.size)
