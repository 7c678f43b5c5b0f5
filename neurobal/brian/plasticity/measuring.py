"""The start of a run: sum up all costs as they are now, and give every pass the code that it needs from there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from brian2.devices.device import RuntimeDevice, get_device

from neurobal.brian.plasticity.initial_costs import Measure, measure, terms_unseen
from neurobal.brian.plasticity.neuron_update import NeuronPass, quantum, show_costs
from neurobal.brian.plasticity.synapse_update import SynapsePass
from neurobal.circuit import Circuit
from neurobal.cost import Cost
from neurobal.errors import NeurobalError, UnbalanceableError

Array: TypeAlias = np.ndarray


@dataclass
class RunState:
    """What a plasticity knows from run to run.

    Parameters
    ----------
    before
        The network before the first update; None before the first run, or if its values are not known.
    unit
        1 / mean cost of a synapse before the first update: the rule's costs are multiplied by it. None before that.
    measured
        The costs at the start of the last run that was measured.
    guarded
        Whether the network's objects check their constants in every run from now on.
    """

    before: Circuit | None = None
    unit: float | None = None
    measured: Measure | None = None
    guarded: bool = False


class CostMeter:
    """Costs at the start of a run, for the passes of ``neurons`` and ``synapses``, which are named like their objects.

    ``whole``: scales are emitted as powers of ``2**whole``; None if as they are.
    """

    def __init__(
        self,
        name: str,
        cost: Cost | Mapping[str, Cost],
        neurons: Mapping[str, NeuronPass],
        synapses: Mapping[str, SynapsePass],
        whole: int | None,
    ) -> None:
        self._name, self._cost, self._neurons, self._synapses, self._whole = name, cost, neurons, synapses, whole
        self._somas = {group: neuron.soma for group, neuron in neurons.items()}

    def stored_unit(self) -> float | None:
        """The unit as an earlier run left it, or as it was restored; None before the first run. Runtime mode only."""
        return float(next(iter(self._somas.values())).unit_[:]) or None

    def sum_up(self, circuit: Circuit, state: RunState, alone: Collection[str]) -> float:
        """Measure where the network stands, and prepare the run; returns the largest cost_in + cost_out of a neuron.

        ``alone`` are the Synapses whose weights nothing else writes.
        """
        measured = measure(circuit, self._cost, self._remainders(), self._somas, state.measured)
        costs = measured.by_neuron(circuit, self._somas)
        self._check_balanceable(measured, costs, circuit)
        state.unit = 1 / measured.mean if state.unit is None else state.unit
        # What the fused pass of an update before would have left.
        left = measured.by_neuron(circuit, self._somas, lambda projection: projection.partition(".")[0] in alone)
        for name, neuron in self._neurons.items():
            soma = neuron.soma
            soma.unit, soma.rank = state.unit, measured.heights[name]
            for variable, values in zip(("raw_in", "raw_out"), left[name], strict=True):
                soma.variables[variable].set_value(values)
            incoming, outgoing = costs[name] * state.unit
            show_costs(soma, incoming, outgoing, neuron.free)
        state.measured = measured
        for name, synapses in self._synapses.items():
            weights = synapses.moves.projections(name)
            synapses.set_code(
                {weight: measured.terms[key] for key, weight in weights.items() if key in measured.terms},
                fused=name in alone,
                uneven=not measured.uneven.isdisjoint(weights),
                projection=circuit.projections[next(iter(weights))] if weights else None,
            )
        return max(float(sums.sum(axis=0).max()) for sums in costs.values()) * state.unit

    def go_without(self, state: RunState) -> None:
        """Prepare a standalone run whose weights or connections only the simulation will know: count them there."""
        state.unit = 1.0
        for soma in self._somas.values():
            soma.unit = 1.0
        for name, synapses in self._synapses.items():
            terms = terms_unseen(self._cost, synapses.moves.projections(name))
            synapses.set_code(terms, fused=False, uneven=False, projection=None)

    def check_still_alone(self, alone: Collection[str]) -> None:
        """Raise an error if a later standalone run has others write weights that the first run's code counts alone."""
        for name, synapses in self._synapses.items():
            if synapses.fused and name not in alone:
                raise NeurobalError(
                    f"{self._name}: another plasticity moves the synapses {name!r} in this run, and did not in the "
                    "first one of this standalone simulation. Add and activate all plasticities before the first run."
                )

    def _check_balanceable(self, measured: Measure, costs: Mapping[str, Array], circuit: Circuit) -> None:
        """Raise an error if no free neuron has costs on both sides."""
        if not any(np.any((sums > 0).all(axis=0) & self._neurons[name].free) for name, sums in costs.items()):
            raise UnbalanceableError(
                f"{self._name}: nothing can be balanced: "
                + ("all weights are 0. Set them before the run. " if not measured.mean else "")
                + "no free neuron has both incoming and outgoing costed synapses. "
                + circuit.advice
            )

    def _remainders(self) -> dict[str, Array]:
        """By group, the log-scales that the rule has asked for and that have not been emitted yet."""
        if self._whole is None or not isinstance(get_device(), RuntimeDevice):
            return {}
        return {name: soma.remainder_[:] * quantum(self._whole) for name, soma in self._somas.items()}
