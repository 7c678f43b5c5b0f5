"""The closed table of classes that a file can hold, and how results are made of what is stored of them.

What follows from the rest is not stored: a rescaled circuit follows from the one before and the scales, the terms of a
cost from the cost. So no file can hold parts that do not fit each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeAlias, get_type_hints

import numpy as np

from neurobal.adapters.detached import DetachedBinding, Reading
from neurobal.certificate import Certificate
from neurobal.circuit import Circuit, Parameter, Population, Projection
from neurobal.containers import DenseMatrix, ListOfSynapses, SparseMatrix
from neurobal.cost import Activity, Cost, CostSum, NeuronCost, OutputNoise, Power, Robustness
from neurobal.description import Description, Key, Line, NotKept, Seen, Stored
from neurobal.errors import InvalidFileError
from neurobal.formulation import Formulation, formulate
from neurobal.motion import GroupMotion, Motion, SynapticMotion
from neurobal.rescaling import Rescaling, rescaled
from neurobal.result import Balance
from neurobal.storage import circuits
from neurobal.storage.tree import Form, Table, form
from neurobal.symmetry.expressions import Function
from neurobal.symmetry.model import Constant, GroupModel, Kind, Model, Pin, Place, Statement, SynapsesModel, Variable
from neurobal.symmetry.symmetries import Symmetries

Array: TypeAlias = np.ndarray

MOST_PARTS = 100  # of a sum of costs: each may take as much memory as the weights

# ---------------------------------------------------------------------------------------------------- results

RESCALING: Mapping[str, Any] = {"before": Circuit, "log_scale": dict[str, Array], "dyadic": bool}
# What a Balance has besides a Rescaling and its formulation; its history is two columns.
FOUND = {
    f.name: get_type_hints(Balance)[f.name]
    for f in fields(Balance)
    if f.name not in {g.name for g in fields(Rescaling)} | {"excluded", "formulation", "history"}
}
BALANCE: Mapping[str, Any] = {
    **RESCALING,
    **FOUND,
    "cost_function": Cost | dict[str, Cost],
    "counted": dict[str, Array],
    "counted_neurons": dict[str, Array],
    "reason": str,
    "history": dict[str, Array],
}
COLUMNS = ("cost", "imbalance")


def _rescaling(before: Circuit, log_scale: dict[str, Array], dyadic: bool) -> Rescaling:
    circuits.check_log_scales(before, log_scale)
    with np.errstate(all="ignore"):
        made = rescaled(before, log_scale, dyadic=dyadic)
    if not all(np.isfinite(projection.weight).all() for projection in made.circuit):
        raise InvalidFileError("its scales take weights out of the range of numbers")
    return made


def _taken_balance(balance: Balance) -> dict[str, Any]:
    formulation = balance.formulation
    return {
        **{name: getattr(balance, name) for name in (*RESCALING, *FOUND)},
        "cost_function": formulation.cost,
        "counted": dict(formulation.counted),
        "counted_neurons": dict(formulation.neurons.counted),
        "reason": formulation.reason,
        "history": {name: np.asarray(balance.history[name], dtype=float) for name in COLUMNS},
    }


def _balance(
    before: Circuit,
    log_scale: dict[str, Array],
    dyadic: bool,
    cost_function: Cost | dict[str, Cost],
    counted: dict[str, Array],
    counted_neurons: dict[str, Array],
    reason: str,
    history: dict[str, Array],
    **found: Any,
) -> Balance:
    made = _rescaling(before, log_scale, dyadic)
    formulation = _formulation(before, cost_function, counted, counted_neurons, reason)
    return Balance(
        log_scale=made.log_scale,
        before=made.before,
        circuit=made.circuit,
        dyadic=dyadic,
        excluded=formulation.excluded,
        formulation=formulation.at(made.circuit, made.log_scale),
        history=_history(history),
        **found,
    )


def _formulation(
    before: Circuit,
    cost: Cost | dict[str, Cost],
    counted: dict[str, Array],
    counted_neurons: dict[str, Array],
    reason: str,
) -> Formulation:
    formulation = formulate(before, cost)
    for name, mask in counted.items():
        if name not in formulation.terms or mask.dtype != bool or mask.shape != before.projections[name].weight.shape:
            raise InvalidFileError(f"what it left out of {name!r} does not fit the synapses")
    for name, mask in counted_neurons.items():
        if (
            name not in formulation.neurons.terms
            or mask.dtype != bool
            or mask.shape != before.populations[name].pinned.shape
        ):
            raise InvalidFileError(f"what it left out of {name!r} does not fit the neurons")
    neurons = replace(formulation.neurons, counted=counted_neurons)
    return replace(formulation, counted=counted, neurons=neurons, reason=reason)


def _history(columns: dict[str, Array]) -> np.recarray:
    if columns.keys() != set(COLUMNS) or len({column.shape for column in columns.values()}) != 1:
        raise InvalidFileError("its history is damaged")
    length = columns["cost"].shape
    if len(length) != 1 or any(column.dtype != float for column in columns.values()):
        raise InvalidFileError("its history is damaged")
    rows = np.recarray(length[0], dtype=[(name, float) for name in COLUMNS])
    for name in COLUMNS:
        rows[name] = columns[name]
    return rows


def _cost_sum(parts: tuple[tuple[Any, Cost], ...]) -> CostSum:
    if len(parts) > MOST_PARTS:
        raise InvalidFileError(f"a cost is a sum of {len(parts)} parts, and may have {MOST_PARTS}")
    return CostSum(parts)


# ------------------------------------------------------------------------------------------------- symmetries


def _symmetries(model: Model, declaration: dict[str, Any]) -> Symmetries:
    """The answer, derived anew: a file may hold any model, so that every part of it is looked at here."""
    try:
        answer = Symmetries(model, declaration)
        repr(answer)
    except Exception as error:  # the algebra trusts its adapters: names that stand for nothing lead to any error
        raise InvalidFileError(f"its model is no model of a network ({type(error).__name__}: {error})") from error
    return answer


TABLE: Table = {
    "Circuit": Form(Circuit, circuits.FIELDS, circuits.taken, circuits.built),
    "Rescaling": Form(Rescaling, RESCALING, lambda r: {name: getattr(r, name) for name in RESCALING}, _rescaling),
    "Balance": Form(Balance, BALANCE, _taken_balance, _balance, {"counted_neurons": {"dict": []}}),
    "Certificate": form(Certificate, types={"scale": Array | dict[str, Array]}),
    "Symmetries": Form(
        Symmetries,
        {"model": Model, "declaration": dict[str, Any]},
        lambda s: {"model": s.model, "declaration": dict(s.declaration)},
        _symmetries,
    ),
    **{
        kind.__name__: form(kind)
        for kind in (
            *(Population, Parameter, ListOfSynapses, DenseMatrix, SparseMatrix),
            *(Key, Line, NotKept, Seen, Stored),
            *(GroupMotion, Motion, SynapticMotion),
            *(Power, Robustness, Activity, NeuronCost, OutputNoise),
            *(Constant, Function, GroupModel, Pin, Place, Statement, SynapsesModel, Variable),
        )
    },
    "Projection": form(Projection, types={"kind": ListOfSynapses | DenseMatrix | SparseMatrix}),
    "Description": Form(Description, get_type_hints(Description), circuits.kept_facts, Description),
    # A binding's description is that of its circuit.
    "Reading": form(Reading, without=("description",), build=lambda **kept: Reading(description=Description(), **kept)),
    "DetachedBinding": form(DetachedBinding),
    "CostSum": form(CostSum, build=_cost_sum),
    "Model": form(Model, without=("external",)),
    "Kind": Form(Kind, {"value": str}, lambda kind: {"value": kind.value}, lambda value: Kind(value)),
}
