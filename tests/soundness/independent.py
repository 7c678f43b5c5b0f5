"""Every symmetry that an answer lists, not only the one that is used: they are written by hand here, and compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

import numpy as np
from brian2 import Network, Synapses
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable

import neurobal as nb
from neurobal.brian.network.objects import parent
from neurobal.logarithms import multiplied

from .building import InvalidModelError, script_names
from .trial import Record, Recorder, Trial, analyse, differences

Array: TypeAlias = np.ndarray
OF_SYNAPSES = re.compile(r"(?P<owner>.+)\.(?P<name>\w+)\[(?P<side>post|pre)\]")


def try_independent(trial: Trial, suffix: str, rng: np.random.Generator) -> None:
    """Move every neuron by a random combination of all symmetries of its group, and compare the runs."""
    original = analyse(trial.model, suffix)
    answer = nb.symmetries(original.objects, namespace=script_names())
    factors: dict[ArrayVariable, Array] = {}
    for name, group in answer.groups.items():
        if not group.origins:
            for powers in group.independent:
                _add(factors, original.objects, name, powers, rng)
    if not factors:
        return
    recorder = Recorder(original.objects)
    network = Network(original.objects, recorder.operation)
    network.store()
    seed = int(rng.integers(2**31))
    try:
        before = recorder.run(network, seed)
        network.restore()
        for variable, factor in factors.items():
            variable.set_value(multiplied(np.array(variable.get_value()), factor, dyadic=True))
        after = recorder.run(network, seed)
    except InvalidModelError as error:
        trial.fail("crashed", f"all symmetries: {error}")
        return
    found = differences(_unscaled(before, {}), _unscaled(after, factors), exact=not answer.inexact)
    trial.notes.append("all symmetries tried")
    if found:
        trial.fail("wrong", f"all symmetries {[g.independent for g in answer.groups.values()]}: {found}")


def _add(
    factors: dict[ArrayVariable, Array],
    objects: list[BrianObject],
    group: str,
    powers: Mapping[str, Fraction],
    rng: np.random.Generator,
) -> None:
    """Add what one symmetry, with a random λ for each neuron of the group, does to all its variables."""
    owners: dict[str, Any] = {obj.name: obj for obj in objects}
    step = lcm(*(power.denominator for power in powers.values()))
    span = max(1, int(4 / max(abs(power) for power in powers.values()) / step))
    log_scale = step * rng.integers(-span, span + 1, len(owners[group])) * np.log(2)
    for key, power in powers.items():
        match = OF_SYNAPSES.fullmatch(key)
        if match is None:
            variable, at_neurons = owners[group].variables[key], log_scale
        else:
            synapses: Synapses = owners[match["owner"]]
            end = synapses.target if match["side"] == "post" else synapses.source
            assert parent(end).name == group
            index = np.array(synapses.variables[f"_synaptic_{match['side']}"].get_value())
            variable, at_neurons = synapses.variables[match["name"]], log_scale[index]
        factors[variable] = factors.get(variable, np.zeros(at_neurons.size)) + float(power) * at_neurons


def _unscaled(record: Record, factors: Mapping[ArrayVariable, Array]) -> dict[tuple[str, str], Array]:
    named = {(variable.owner.name, variable.name): factor for variable, factor in factors.items()}
    return {
        key: multiplied(np.array(rows), -named[key], dyadic=True) if key in named else np.array(rows)
        for key, rows in record.items()
    }
