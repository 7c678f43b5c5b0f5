"""Which quantities of a running network may be rescaled, found from numbers alone: no equation is looked at.

A symmetry multiplies the quantity u of every neuron i by λ_i^p(u), and what the network does commutes with that. To
first order in log λ this is linear in the powers p. With D_u z the change of an outcome z while every u_i moves by a
factor exp(η_i), for any numbers η_i,

    sum over u of p(u) D_u z  =  p(z) η z     for every number z that the network stores after a few steps,
    sum over u of p(u) D_u s  =  0            for every factor s of a quantity of a neuron at which it just spikes.

The second line is for thresholds: steps of time have a spike, or have not, and what is stored does not depend on a
threshold smoothly. The powers that solve all of this are a null space, here by singular values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from brian2 import Network, NeuronGroup, Synapses, ms
from brian2 import seed as set_seed
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable
from brian2.groups.group import Group

Array = np.ndarray
Key = tuple[str, str]
State = dict[Key, Array]

EPSILON = 1e-4  # of log λ, in central differences
SEEN = 1e-8  # smaller derivatives are errors of the differences
ZERO = 1e-4  # smaller singular values are zero, of equations whose largest coefficient is 1
STEPS = 12
BEFORE = 6.3 * ms  # the sources of the corpus send spikes 0.2 ms later
DELAY = 0.2 * ms


@dataclass(frozen=True)
class Unknown:
    """The power of one array: of a neuron's own, or of synapses and the neuron at one of their ends."""

    owner: str
    name: str
    side: str = ""

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}[{self.side}]" if self.side else self.name

    @property
    def key(self) -> Key:
        return self.owner, self.name


class Steps:
    """A network that goes back to one state and runs a few steps, many times, and prepares this only once."""

    def __init__(self, objects: Sequence[BrianObject], seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.network = Network(objects)
        self.owners = {obj.name: obj for obj in objects if isinstance(obj, Group)}
        self.groups = [obj for obj in objects if isinstance(obj, NeuronGroup)]
        self.synapses = [obj for obj in objects if isinstance(obj, Synapses)]
        self.arrays = {
            (owner.name, name): variable
            for owner in (*self.groups, *self.synapses)
            for name, variable in movable(owner)
        }
        for pathway in (pathway for synapses in self.synapses for pathway in synapses._pathways):
            pathway.variables["delay"].set_value(np.full_like(pathway.variables["delay"].get_value(), float(DELAY)))
        set_seed(seed)
        self.network.run(BEFORE, namespace={})
        self._fill_zeros()
        for group in self.groups:
            if "lastspike" in group.variables:  # no neuron is refractory
                group.variables["lastspike"].set_value(np.full(len(group), -1e4))
        self.network.store()

    def _fill_zeros(self) -> None:
        """Zeros fit every power: where there is one, another number takes its place."""
        values = {key: variable.get_value().copy() for key, variable in self.arrays.items()}
        for key, variable in self.arrays.items():
            alike = np.concatenate([np.abs(v).ravel() for k, v in values.items() if self.arrays[k].dim == variable.dim])
            typical = np.median(alike[alike > 0]) if alike.any() else 1.0
            filled = np.where(values[key] == 0, 0.1 * typical, values[key])
            variable.set_value(filled * self.rng.uniform(0.8, 1.25, filled.shape))

    def state(self) -> State:
        """What is stored now."""
        return {key: variable.get_value().copy() for key, variable in self.arrays.items()}

    def restored(self) -> State:
        """What was stored before the steps."""
        self.network.restore()
        return self.state()

    def run(self, state: State, steps: int = STEPS) -> bytes:
        """Run from this state, with the same noise every time; returns all events."""
        self.network.restore(restore_random_state=True)
        for key, values in state.items():
            self.arrays[key].set_value(values)
        objects = [obj for obj in self.network.sorted_objects if obj.active]
        clocks = {obj.clock for obj in objects}
        events = []
        for _ in range(steps):
            now = min(clock.t_ for clock in clocks)
            due = {clock for clock in clocks if clock.t_ < now + 1e-9}
            for obj in objects:
                if obj.clock in due:
                    obj.run()
            for clock in due:
                clock.variables["timestep"].set_value(clock.variables["timestep"].get_value() + 1)
                clock.variables["t"].set_value(clock.variables["timestep"].get_value() * clock.dt_)
            events += [self.events(group, event) for group in self.groups for event in group.events]
        return np.concatenate(events).tobytes() if events else b""

    def events(self, group: NeuronGroup, event: str) -> Array:
        """For which neurons this event has occurred in the last step."""
        space = group.variables[f"_{event}space"].get_value()
        return np.isin(np.arange(len(group)), space[: space[-1]])

    def unknowns(self, group: NeuronGroup) -> list[Unknown]:
        """What may have a power of this group's scales: its arrays, and those of the synapses that touch it."""
        ends = [(s, side, end) for s in self.synapses for side, end in (("post", s.target), ("pre", s.source))]
        own = [Unknown(group.name, name) for name, _ in movable(group)]
        touching = [s for s in ends if getattr(s[2], "source", s[2]).name == group.name]
        return own + [Unknown(s.name, name, side) for s, side, _ in touching for name, _ in movable(s)]

    def neurons(self, unknown: Unknown) -> Array | slice:
        """The neuron, by its number in its group, of each element of an array."""
        if not unknown.side:
            return slice(None)
        synapses = self.owners[unknown.owner]
        if unknown.side == "post":
            return synapses.j[:] + getattr(synapses.target, "start", 0)
        return synapses.i[:] + getattr(synapses.source, "start", 0)


def movable(owner: Group) -> list[tuple[str, ArrayVariable]]:
    """The arrays of numbers, one for each neuron or synapse, that the model declares: not Brian2's own."""
    declared = {*owner.equations, *(getattr(owner, "event_driven", None) or ())}
    return [
        (name, variable)
        for name, variable in owner.variables.items()
        if isinstance(variable, ArrayVariable)
        and getattr(variable.owner, "name", None) == owner.name
        and not variable.scalar
        and np.issubdtype(variable.dtype, np.floating)
        and name in declared
    ]


class Directions:
    """The linear equations for the powers with which a group's scales move what the network stores.

    ``origins``: what variables of the group are measured from, where not from zero.
    """

    def __init__(
        self, steps: Steps, group: NeuronGroup, origins: Mapping[str, float] | None = None, states: int = 3
    ) -> None:
        self.steps, self.group = steps, group
        self.origins = {(group.name, name): origin for name, origin in (origins or {}).items()}
        self.unknowns = steps.unknowns(group)
        self.rows: list[Array] = []
        for spread in np.geomspace(0.1, 1.0, states):
            while not self._add(spread):
                pass
        matrix = np.array(self.rows)
        size = np.abs(matrix).max(axis=1)
        self.matrix = matrix[size > SEEN] / size[size > SEEN, None]
        _, self.singular, self.vectors = np.linalg.svd(self.matrix)

    def _add(self, spread: float) -> bool:
        """Equations of one random state; False if some spike is too close to a step of time in it."""
        wide = {synapses.name for synapses in self.steps.synapses}  # so that some run into their bounds
        state = {
            key: self.moved(key, array, self.steps.rng.uniform(-spread, spread, array.shape) * (1 + (key[0] in wide)))
            for key, array in self.steps.restored().items()
        }
        eta = self.steps.rng.uniform(0.5, 1.5, len(self.group)) * self.steps.rng.choice([-1, 1], len(self.group))
        for event in self.group.events:
            state = self._thresholds(state, eta, event)
        return self._outcomes(state, eta)

    @property
    def null_space(self) -> Array:
        """A basis of all powers that solve the equations, as rows."""
        rank = np.count_nonzero(self.singular > ZERO)
        return self.vectors[rank:]

    def moved(self, key: Key, values: Array, logs: Array | float) -> Array:
        origin = self.origins.get(key, 0.0)
        return origin + (values - origin) * np.exp(logs)

    def perturbed(self, state: State, eta: Array, unknown: Unknown, sign: int) -> State:
        logs = sign * EPSILON * eta[self.steps.neurons(unknown)]
        return state | {unknown.key: self.moved(unknown.key, state[unknown.key], logs)}

    def _outcomes(self, state: State, eta: Array) -> bool:
        """Equations of all that is stored after a few steps; False if derivatives do not exist."""
        events = self.steps.run(state)
        after = self.steps.state()
        derivatives: list[State] = []
        for unknown in self.unknowns:
            ends = []
            for sign in (1, -1):
                if self.steps.run(self.perturbed(state, eta, unknown, sign)) != events:
                    return False
                ends.append(self.steps.state())
            derivatives.append({key: (ends[0][key] - ends[1][key]) / (2 * EPSILON) for key in after})
        for key, values in after.items():
            values = values - self.origins.get(key, 0.0)
            columns = np.array([derivative[key] for derivative in derivatives]).T
            for index, unknown in enumerate(self.unknowns):
                if unknown.key == key:
                    columns[:, index] -= values * np.sinh(EPSILON * eta[self.steps.neurons(unknown)]) / EPSILON
            self.rows += list(columns / np.median(np.abs(values)))
        return True

    def _thresholds(self, state: State, eta: Array, event: str) -> State:
        """Equations of the factors of a quantity at which an event just occurs; returns a state in which some do."""
        wide = np.full(len(self.group), 3.0)
        for key in [unknown.key for unknown in self.unknowns if not unknown.side]:
            critical, turns = self._critical(state, key, event, -wide, wide)
            if turns.any():
                break
        else:
            return state
        columns = []
        for unknown in self.unknowns:
            ends = []
            for sign in (1, -1):
                changed = self.perturbed(state, eta, unknown, sign)
                end, near = self._critical(changed, key, event, critical - 100 * EPSILON, critical + 100 * EPSILON)
                ends.append(end)
                turns = turns & near
            columns.append((ends[0] - ends[1]) / (2 * EPSILON))
        self.rows += list(np.array(columns).T[turns])
        logs = critical + 0.05 * self.steps.rng.choice([-1, 1], len(self.group))
        return state | {key: np.where(turns, self.moved(key, state[key], logs), state[key])}

    def _critical(self, state: State, key: Key, event: str, low: Array, high: Array) -> tuple[Array, Array]:
        """The log of the factor at which an event just occurs, by bisection for all neurons at once; which have one."""
        at_low, at_high = (self._occurs(state, key, event, logs) for logs in (low, high))
        for _ in range(30 if np.any(at_low != at_high) else 0):
            middle = (low + high) / 2
            is_high = self._occurs(state, key, event, middle) == at_high
            low, high = np.where(is_high, low, middle), np.where(is_high, middle, high)
        return (low + high) / 2, at_low != at_high

    def _occurs(self, state: State, key: Key, event: str, logs: Array) -> Array:
        self.steps.run(state | {key: self.moved(key, state[key], logs)}, steps=1)
        return self.steps.events(self.group, event)
