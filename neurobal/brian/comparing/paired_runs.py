"""Run two Brian2 networks side by side and measure what differs; both are left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from brian2 import (
    Network,
    Quantity,
    SpikeMonitor,
    StateMonitor,
    Subgroup,
    get_unit,
    have_same_dimensions,
    magic_network,
    ms,
    second,
)
from brian2 import seed as set_seed
from brian2.core.base import BrianObject
from brian2.core.namespace import get_local_namespace
from brian2.core.variables import Variable
from brian2.devices.device import RuntimeDevice, get_device

from neurobal.brian.comparing.unscaling import Key, Unscaling
from neurobal.brian.network.binding import BrianBinding
from neurobal.brian.network.objects import brian_objects, neuron_groups, parent, synapses_objects
from neurobal.comparison import Comparison, Spikes, compare_spikes, compare_traces
from neurobal.errors import InvalidInputError, NeurobalError, did_you_mean
from neurobal.progress import Progress, Report
from neurobal.result import Balance

Array: TypeAlias = np.ndarray

_SNAPSHOT = "neurobal_compare"


def compare(
    before: Network | Iterable[BrianObject] | None,
    after: Network | Iterable[BrianObject] | Balance,
    duration: Quantity,
    *,
    balance: Balance | None = None,
    record: Mapping[str, str | Iterable[str]] | None = None,
    tau: Quantity = 10 * ms,
    seed: int = 0,
    report: Report = None,
    namespace: Mapping[str, Any] | None = None,
    level: int = 0,
) -> Comparison:
    """Run two networks from where they are, with the same random numbers, and measure what differs.

    Both are left as they were, time, monitors and random numbers included; only what a Python function (a network
    operation) keeps for itself cannot be put back.

        result = nb.balance(net)
        print(nb.compare(net, result, 1*second))      # the network as it is, and balanced

    Parameters
    ----------
    before
        A Network, a list of Brian2 objects, or None for all objects that ``run()`` would run here.
    after
        The same, with neuron groups of the same names and sizes: for example a second build of the model, with other
        weights. Or a `Balance` of ``before`` that has not been applied: the second run is the balanced network.
    duration
        Of each of the two runs.
    balance
        If ``after`` is a second build on which a `Balance` was applied: that result. Whatever moved with a scale λ is
        divided by its power of λ before it is compared; a subexpression by the power that follows from its text.
    record
        Traces to compare: dict from the name of a group or Synapses to one or more of its variables, of all neurons
        and at all time steps. By default what the StateMonitors of ``before`` record.
    tau
        Time constant of the spike-train distance, see `neurobal.comparison.van_rossum`.
    seed
        Of Brian2's random numbers, for both runs.
    report
        As in Brian2's ``run``.
    namespace, level
        Values of the constants in the equations; by default the names visible ``level`` calls further up.

    Raises
    ------
    InvalidInputError
        The networks differ in groups, sizes, time steps or time, or there is nothing to compare.
    NeurobalError
        In standalone mode, where a network runs only once and cannot be put back.
    """
    _check(duration, tau)
    progress = Progress(report, "comparing two runs")
    names = dict(get_local_namespace(level=level + 1) if namespace is None else namespace)
    first = _Side.of(before, "before", level + 1)
    if isinstance(after, Balance):
        if balance is not None:
            raise InvalidInputError(
                "compare: `after` is a Balance already; balance= is for a second build of a network."
            )
        binding = _binding_of(after, first)
        balance, second_ = after, first
        rescaled: Any = _applied(binding, after)
    else:
        second_, rescaled = _Side.of(after, "after", level + 1), nullcontext()
    groups = [name for name, group in first.groups.items() if _spikes(group)]
    traces = _recorded_by_monitors(first.objects) if record is None else _asked_for(first, record)
    _check_alike(first, second_, traces)
    if not groups and not traces:
        raise InvalidInputError(
            "compare: there is nothing to compare: no group spikes and no StateMonitor records. Name variables, for "
            f"example record={{{next(iter(first.groups), 'group')!r}: 'x'}}."
        )
    unscale = Unscaling(balance, first.objects, {key: first.owner(key[0]) for key in traces}, names)

    def half_of_progress(start: float) -> Callable[..., None]:
        return lambda elapsed, completed, *_: progress.update(start + completed / 2)

    runs = []
    for side, scaled, start in ((first, nullcontext(), 0.0), (second_, rescaled, 0.5)):
        with side.running() as network, _left_as_it_was(network), scaled:
            set_seed(seed)
            runs.append(_run(network, side, groups, traces, duration, half_of_progress(start), names))
    spikes = {
        name: compare_spikes(
            runs[0].spikes[name], runs[1].spikes[name], len(first.groups[name]), float(duration), float(tau)
        )
        for name in groups
    }
    compared = {}
    for key, what in traces.items():
        values, moved = unscale(key, what.index, runs[1].values[key])
        dim = first.variable(key).dim
        compared[".".join(key)] = compare_traces(
            runs[0].times[key],
            what.index,
            runs[0].values[key],
            values,
            unit="" if dim.is_dimensionless else str(get_unit(dim)),
            rescaled=moved,
        )
    progress.done()
    return Comparison(float(duration), float(tau), spikes, compared)


@dataclass(frozen=True)
class _Trace:
    """Which neurons of a group are recorded, and how often, in seconds."""

    index: Array
    dt: float


@dataclass(frozen=True)
class _Recording:
    spikes: dict[str, Spikes]
    times: dict[Key, Array]
    values: dict[Key, Array]


@dataclass(frozen=True)
class _Side:
    """One of the two networks: what the user gave, its objects, and those that have neurons or synapses by name."""

    network: Network | None
    objects: list[BrianObject]
    groups: dict[str, Any]
    synapses: dict[str, Any]
    role: str

    @classmethod
    def of(cls, what: Any, role: str, level: int) -> _Side:
        if what is magic_network:
            what = None  # it holds its objects during a run only
        objects = brian_objects(what, level=level + 1)
        network = what if isinstance(what, Network) else None
        return cls(network, objects, neuron_groups(objects), dict(synapses_objects(objects)), role)

    def owner(self, name: str) -> Any:
        """The group or Synapses of a name."""
        known = {**self.groups, **self.synapses}
        if name not in known:
            raise InvalidInputError(f"record: there is no group {name!r} in `{self.role}`.{did_you_mean(name, known)}")
        return known[name]

    def variable(self, key: Key) -> Variable:
        """The variable of a name."""
        owner = self.owner(key[0])
        if key[1] not in owner.variables:
            known = [name for name in owner.variables if not name.startswith("_")]
            raise InvalidInputError(
                f"record: group {key[0]!r} has no variable {key[1]!r} in `{self.role}`.{did_you_mean(key[1], known)}"
            )
        return owner.variables[key[1]]

    @property
    def time(self) -> float:
        """From where it runs on, in seconds."""
        if self.network is not None:
            return float(self.network.t)
        known = {obj._network for obj in self.objects} - {None}
        if known - {magic_network.id}:
            raise InvalidInputError(
                f"compare: objects in the list `{self.role}` have been run in a Network; give that Network instead."
            )
        return float(magic_network.t) if known else 0.0

    @contextmanager
    def running(self) -> Iterator[Network]:
        """The network to run; a temporary one for a list of objects.

        Brian2 lets an object run in one Network only and remembers which, so the temporary one must be forgotten.
        """
        if self.network is not None:
            yield self.network
            return
        time, ran_in = self.time, {obj: obj._network for obj in self.objects}
        try:
            for obj in self.objects:
                obj._network = None
            network = Network(self.objects)
            network.t_ = time
            yield network
        finally:
            for obj, where in ran_in.items():
                obj._network = where


@contextmanager
def _left_as_it_was(network: Network) -> Iterator[None]:
    """Put back objects, variables, time and random numbers of a network."""
    objects = set(network.objects)
    network.store(_SNAPSHOT)
    try:
        yield
    finally:
        network.objects = objects
        network.restore(_SNAPSHOT, restore_random_state=True)
        del network._stored_state[_SNAPSHOT]


@contextmanager
def _applied(binding: BrianBinding, balance: Balance) -> Iterator[None]:
    """The balanced network, for a while. (`Balance.apply` is the user's, and once only.)"""
    writing = binding.write(balance.log_scale, dyadic=balance.dyadic)
    try:
        yield
    finally:
        writing.undo()


def _run(
    network: Network,
    side: _Side,
    groups: list[str],
    traces: Mapping[Key, _Trace],
    duration: Quantity,
    report: Callable[..., None],
    namespace: dict[str, Any],
) -> _Recording:
    """Run a network with monitors of its own."""
    # Names go into generated code: fixed ones let Brian2 compile it once.
    spikes = {name: SpikeMonitor(side.groups[name], name=f"compare_spikes_{name}") for name in groups}
    states = {}
    for key, what in traces.items():
        owner = side.owner(key[0])
        # A clock of its own only where it must be: the fewer there are, the faster Brian2 runs.
        clocks = [clock for clock in (owner.clock, *(obj.clock for obj in side.objects)) if float(clock.dt) == what.dt]
        timing = {"clock": clocks[0]} if clocks else {"dt": what.dt * second}
        states[key] = StateMonitor(owner, key[1], record=what.index, name=f"compare_trace_{key[0]}_{key[1]}", **timing)
    network.add(list(spikes.values()), list(states.values()))
    network.run(duration, report=report, report_period=1 * second, namespace=namespace)

    def values(monitor: Any, name: str) -> Array:
        return np.array(monitor.variables[name].get_value())

    return _Recording(
        {name: (values(monitor, "i"), values(monitor, "t")) for name, monitor in spikes.items()},
        {key: values(monitor, "t") for key, monitor in states.items()},
        {key: values(monitor, key[1]) for key, monitor in states.items()},
    )


def _check(duration: Any, tau: Any) -> None:
    for name, value in (("duration", duration), ("tau", tau)):
        if not have_same_dimensions(value, second) or np.ndim(value) or not 0 < float(value) < np.inf:
            raise InvalidInputError(f"compare: {name} must be a time above zero, such as 1*second; got {value!r}.")
    if not isinstance(get_device(), RuntimeDevice):
        raise NeurobalError(
            "compare: a standalone simulation runs once and cannot be put back. Compare in runtime mode, "
            "set_device('runtime'); or run two standalone simulations and give what their monitors recorded to "
            "neurobal.comparison.compare_spikes and compare_traces."
        )


def _binding_of(balance: Balance, side: _Side) -> BrianBinding:
    """Where a balance writes to: it must be this network, and not balanced already."""
    binding = balance.before.binding
    if not isinstance(binding, BrianBinding) or any(
        group is not binding.groups.get(name) for name, group in side.groups.items()
    ):
        raise InvalidInputError("compare: the Balance given as `after` is not of the network `before`.")
    if balance.is_applied():
        raise InvalidInputError(
            "compare: the Balance given as `after` has been applied, so there is no network before it. Call revert() "
            "first, or give a second build of the network as `before`, this network as `after`, and balance=result."
        )
    return binding


def _spikes(group: Any) -> bool:
    return "spike" in getattr(group, "events", {})


def _recorded_by_monitors(objects: list[BrianObject]) -> dict[Key, _Trace]:
    """What StateMonitors record, in terms of whole groups (a subgroup's name may differ between two builds)."""
    traces: dict[Key, _Trace] = {}
    for monitor in objects:
        if not isinstance(monitor, StateMonitor):
            continue
        owner = parent(monitor.source)
        index = np.asarray(monitor.record, dtype=int)
        if isinstance(monitor.source, Subgroup):
            index = index + monitor.source.start
        for name in monitor.record_variables:
            here = np.zeros(1, dtype=int) if owner.variables[name].scalar else index
            dt = float(monitor.clock.dt)
            found = traces.get((owner.name, name), _Trace(here, dt))
            traces[owner.name, name] = _Trace(np.union1d(found.index, here), min(found.dt, dt))
    return {key: what for key, what in traces.items() if what.index.size}


def _asked_for(side: _Side, record: Mapping[str, str | Iterable[str]]) -> dict[Key, _Trace]:
    if not isinstance(record, Mapping):
        raise InvalidInputError(f"record: expected a dict such as {{'cells': ['v', 'g']}}, got {record!r}.")
    traces = {}
    for owner, variables in record.items():
        for name in [variables] if isinstance(variables, str) else variables:
            group = side.owner(owner)
            size = 1 if side.variable((owner, name)).scalar else len(group)
            traces[owner, name] = _Trace(np.arange(size), float(group.clock.dt))
    return traces


def _check_alike(first: _Side, second_: _Side, traces: Iterable[Key]) -> None:
    """The two networks have the same groups, and all that is to be recorded."""
    differences = []
    for one, other in ((first, second_), (second_, first)):
        missing = [name for name in one.groups if name not in other.groups]
        if missing:
            differences.append(f"{', '.join(map(repr, missing))} only in `{one.role}`")
    for name in first.groups.keys() & second_.groups.keys():
        differences += _differences(name, first.groups[name], second_.groups[name])
    for owner in dict.fromkeys(key[0] for key in traces):
        if owner in first.synapses and owner in second_.synapses:
            differences += _differences(owner, first.synapses[owner], second_.synapses[owner])
    if first.time != second_.time:
        differences.append(f"the time is {first.time:g} s and {second_.time:g} s")
    if differences:
        raise InvalidInputError(
            f"compare: the two networks differ: {'; '.join(differences)}. Give the groups of both the same names "
            "(name='cells'), and build both in the same way."
        )
    for key in traces:
        second_.variable(key)


def _differences(name: str, one: Any, other: Any) -> list[str]:
    found = []
    if len(one) != len(other):
        found.append(f"{name!r} has size {len(one):,} and {len(other):,}")
    if float(one.clock.dt) != float(other.clock.dt):
        found.append(f"{name!r} has time steps of {one.clock.dt} and {other.clock.dt}")
    if _spikes(one) != _spikes(other):
        found.append(f"{name!r} spikes in one of them only")
    return found
