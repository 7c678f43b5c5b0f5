"""What an analysis is about: a network under a cost, or what a `Balance` knows of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurobal.balancing import read_circuit
from neurobal.cost import Cost, Power
from neurobal.errors import InvalidInputError
from neurobal.formulation import Formulation, formulate
from neurobal.result import Balance

SAME_COST = 1e-6  # relative difference of total costs up to which two costs count as one


def subject(
    network: Any, cost: Cost | Mapping[str, Cost] | None, owner: str, *, before: bool = False, **arguments: Any
) -> Formulation:
    """The formulation of a network under ``cost`` (None: `Power` (2)), read with the arguments of `as_circuit`.

    A `Balance` has its own cost, and knows what was left out: the formulation is that of the balanced network, or of
    the network as it was ``before``. Another cost than its own is an InvalidInputError that names ``owner``.
    """
    arguments["level"] = arguments.get("level", 0) + 1
    if isinstance(network, Balance):
        if cost is not None:
            _check_cost(network, cost, owner)
        circuit = network.before if before else network.circuit
        return network.formulation.at(read_circuit(circuit, **arguments))
    return formulate(read_circuit(network, **arguments), Power(2) if cost is None else cost)


def _check_cost(balance: Balance, cost: Cost | Mapping[str, Cost], owner: str) -> None:
    """Costs have no equality: what they come to is compared."""
    total = replace(formulate(balance.circuit, cost), counted=balance.formulation.counted).total()
    if not np.isclose(total, balance.cost, rtol=SAME_COST, atol=0):
        raise InvalidInputError(
            f"{owner}: under this cost the network costs {total:.6g}, but the Balance says {balance.cost:.6g}. "
            "Give the cost that the Balance was made with, or none."
        )
