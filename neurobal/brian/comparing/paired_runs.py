"""Run two Brian2 networks side by side and measure what differs; both are left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeAlias

import numpy as np
from brian2 import (
    Network,
    Quantity,
    get_unit,
    have_same_dimensions,
    ms,
    second,
)
from brian2 import seed as set_seed
from brian2.core.base import BrianObject
from brian2.core.namespace import get_local_namespace
from brian2.devices.device import RuntimeDevice, get_device

from neurobal.brian.comparing.recording import Recording, Trace, asked_for, record_run, recorded_by_monitors
from neurobal.brian.comparing.sides import Side, check_alike, left_as_it_was, sends_spikes
from neurobal.brian.comparing.unscaling import Key, Unscaling
from neurobal.brian.network.binding import BrianBinding
from neurobal.comparison import Comparison, TraceComparison, compare_spikes, compare_traces
from neurobal.errors import InvalidInputError, NeurobalError
from neurobal.progress import Progress, Report
from neurobal.result import Balance

Array: TypeAlias = np.ndarray


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

    Examples
    --------
    The same spikes as before, although weights, thresholds and potentials have moved:

    >>> import neurobal as nb
    >>> from brian2 import Network, NeuronGroup, Synapses, ms
    >>> equations = '''
    ... dv/dt = (drive - v)/(10*ms) : 1
    ... drive : 1
    ... threshold : 1
    ... size : 1'''
    >>> E = NeuronGroup(2, equations, threshold="v > threshold", reset="v = 0", method="exact", name="E")
    >>> E.drive, E.threshold, E.size = [1.5, 2.0], 1, 1
    >>> S = Synapses(E, E, "w : 1", on_pre="v_post += w*size_pre", name="S")
    >>> S.connect(i=[0, 1], j=[1, 0])
    >>> S.w = [0.4, 0.1]
    >>> net = Network(E, S)
    >>> result = nb.balance(net)
    >>> nb.compare(net, result, 100*ms).spikes["E"].identical
    True
    """
    _check(duration, tau)
    progress = Progress(report, "comparing two runs")
    names = dict(get_local_namespace(level=level + 1) if namespace is None else namespace)
    first = Side.of(before, "before", level + 1)
    if isinstance(after, Balance):
        if balance is not None:
            raise InvalidInputError(
                "compare: `after` is a Balance already; balance= is for a second build of a network."
            )
        binding = _binding_of(after, first)
        balance, other = after, first
        rescaled: Any = _applied(binding, after)
    else:
        other, rescaled = Side.of(after, "after", level + 1), nullcontext()
    groups = [name for name, group in first.groups.items() if sends_spikes(group)]
    traces = recorded_by_monitors(first.objects) if record is None else asked_for(first, record)
    check_alike(first, other, traces)
    if not groups and not traces:
        raise InvalidInputError(
            "compare: there is nothing to compare: no group spikes and no StateMonitor records. Name variables, for "
            f"example record={{{next(iter(first.groups), 'group')!r}: 'x'}}."
        )
    unscale = Unscaling(balance, first.objects, {key: first.owner(key[0]) for key in traces}, names)

    def half_of_progress(start: float) -> Callable[..., None]:
        return lambda elapsed, completed, *_: progress.update(start + completed / 2)

    runs = []
    for side, scaled, start in ((first, nullcontext(), 0.0), (other, rescaled, 0.5)):
        with side.running() as network, left_as_it_was(network), scaled:
            set_seed(seed)
            runs.append(record_run(network, side, groups, traces, duration, half_of_progress(start), names))
    spikes = {
        name: compare_spikes(
            runs[0].spikes[name], runs[1].spikes[name], len(first.groups[name]), float(duration), float(tau)
        )
        for name in groups
    }
    compared = {".".join(key): _compared(first, key, trace, runs, unscale) for key, trace in traces.items()}
    progress.done()
    return Comparison(float(duration), float(tau), spikes, compared)


def _compared(side: Side, key: Key, trace: Trace, runs: Sequence[Recording], unscale: Unscaling) -> TraceComparison:
    """One trace of both runs; that of the second after what a balance did to it has been undone."""
    values, rescaled = unscale(key, trace.index, runs[1].values[key])
    dimension = side.variable(key).dim
    return compare_traces(
        runs[0].times[key],
        trace.index,
        runs[0].values[key],
        values,
        unit="" if dimension.is_dimensionless else str(get_unit(dimension)),
        rescaled=rescaled,
    )


@contextmanager
def _applied(binding: BrianBinding, balance: Balance) -> Iterator[None]:
    """The balanced network, for a while. (`Balance.apply` is the user's, and once only.)"""
    writing = binding.write(balance.log_scale, dyadic=balance.dyadic)
    try:
        yield
    finally:
        writing.undo()


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


def _binding_of(balance: Balance, side: Side) -> BrianBinding:
    """Where a balance writes to: it must be this network, and not balanced already."""
    binding = balance.before.binding
    if not isinstance(binding, BrianBinding) or any(
        group is not binding.groups.get(name) for name, group in side.groups.items()
    ):
        raise InvalidInputError(
            "compare: the Balance given as `after` is not of the network `before`. (One that was loaded is of none: "
            "give what its apply_to(network) returns, after revert().)"
        )
    if balance.is_applied():
        raise InvalidInputError(
            "compare: the Balance given as `after` has been applied, so there is no network before it. Call revert() "
            "first, or give a second build of the network as `before`, this network as `after`, and balance=result."
        )
    return binding
