"""What is recorded of the two runs of a comparison, and recording it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from brian2 import Network, Quantity, SpikeMonitor, StateMonitor, Subgroup, second
from brian2.core.base import BrianObject

from neurobal.brian.comparing.sides import Side
from neurobal.brian.comparing.unscaling import Key
from neurobal.brian.network.objects import parent
from neurobal.comparison import Spikes
from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray


@dataclass(frozen=True)
class Trace:
    """Which neurons of a group are recorded, and how often, in seconds."""

    index: Array
    dt: float


@dataclass(frozen=True)
class Recording:
    spikes: dict[str, Spikes]
    times: dict[Key, Array]
    values: dict[Key, Array]


def recorded_by_monitors(objects: list[BrianObject]) -> dict[Key, Trace]:
    """What StateMonitors record, in terms of whole groups (a subgroup's name may differ between two builds)."""
    traces: dict[Key, Trace] = {}
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
            known = traces.get((owner.name, name), Trace(here, dt))
            traces[owner.name, name] = Trace(np.union1d(known.index, here), min(known.dt, dt))
    return {key: trace for key, trace in traces.items() if trace.index.size}


def asked_for(side: Side, record: Mapping[str, str | Iterable[str]]) -> dict[Key, Trace]:
    """What the argument ``record`` names, of all neurons and at every time step."""
    if not isinstance(record, Mapping):
        raise InvalidInputError(f"record: expected a dict such as {{'cells': ['v', 'g']}}, got {record!r}.")
    traces = {}
    for owner, variables in record.items():
        for name in [variables] if isinstance(variables, str) else variables:
            group = side.owner(owner)
            size = 1 if side.variable((owner, name)).scalar else len(group)
            traces[owner, name] = Trace(np.arange(size), float(group.clock.dt))
    return traces


def record_run(
    network: Network,
    side: Side,
    groups: list[str],
    traces: Mapping[Key, Trace],
    duration: Quantity,
    report: Callable[..., None],
    namespace: dict[str, Any],
) -> Recording:
    """Run a network with monitors of its own."""
    # Names go into generated code: fixed ones let Brian2 compile it once.
    spikes = {name: SpikeMonitor(side.groups[name], name=f"compare_spikes_{name}") for name in groups}
    states = {}
    for key, trace in traces.items():
        owner = side.owner(key[0])
        # A clock of its own only where it must be: the fewer there are, the faster Brian2 runs.
        clocks = [clock for clock in (owner.clock, *(obj.clock for obj in side.objects)) if float(clock.dt) == trace.dt]
        timing = {"clock": clocks[0]} if clocks else {"dt": trace.dt * second}
        states[key] = StateMonitor(owner, key[1], record=trace.index, name=f"compare_trace_{key[0]}_{key[1]}", **timing)
    network.add(list(spikes.values()), list(states.values()))
    network.run(duration, report=report, report_period=1 * second, namespace=namespace)

    def values(monitor: Any, name: str) -> Array:
        return np.array(monitor.variables[name].get_value())

    return Recording(
        {name: (values(monitor, "i"), values(monitor, "t")) for name, monitor in spikes.items()},
        {key: values(monitor, "t") for key, monitor in states.items()},
        {key: values(monitor, key[1]) for key, monitor in states.items()},
    )
