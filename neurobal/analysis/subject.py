"""What an analysis is about: a network under a cost, or what a `Balance` knows of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurobal.adapters import as_writable_circuit
from neurobal.cost import Cost, Power, same_neuron_terms, same_terms, terms_by_population, terms_by_projection
from neurobal.errors import InvalidInputError
from neurobal.formulation import Formulation, formulate
from neurobal.result import Balance


def subject(
    network: Any, cost: Cost | Mapping[str, Cost] | None, owner: str, *, before: bool = False, **arguments: Any
) -> Formulation:
    """The formulation of a network under ``cost`` (None: `Power` (2)), read with the arguments of `as_circuit`.

    A `Balance` has its own cost, and knows what was left out: the formulation is that of the balanced network, or of
    the network as it was ``before``. More constraints (pinned, tied, homogeneity) change what has a balance, so that
    nothing is left out then before it is asked again. Another cost than its own is an InvalidInputError that names
    ``owner``.
    """
    arguments["level"] = arguments.get("level", 0) + 1
    if isinstance(network, Balance):
        if cost is not None:
            _check_cost(network, cost, owner)
        circuit = as_writable_circuit(network.before if before else network.circuit, **arguments)
        constrained = any(arguments.get(name) is not None for name in ("pinned", "tied", "homogeneity"))
        moved = {} if before else network.log_scale
        if constrained:
            return formulate(circuit, network.formulation.cost, moved)
        return network.formulation.at(circuit, moved)
    return formulate(as_writable_circuit(network, **arguments), Power(2) if cost is None else cost)


def _check_cost(balance: Balance, cost: Cost | Mapping[str, Cost], owner: str) -> None:
    """Costs have no equality: the terms that they put on this network's synapses and neurons are compared."""
    circuit, formulation = balance.circuit, balance.formulation
    if not (
        same_terms(terms_by_projection(cost, circuit), formulation.terms)
        and same_neuron_terms(terms_by_population(cost, circuit), formulation.neurons.terms)
    ):
        raise InvalidInputError(
            f"{owner}: the Balance was made with another cost. Give the cost that the Balance was made with, or none."
        )
