"""Circuits of stored values, checked as `Circuit.add` and `Circuit.connect` check what users give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from neurobal.adapters.detached import DetachedBinding
from neurobal.adapters.dispatch import ADAPTERS
from neurobal.circuit import BIAS_SUFFIX, Circuit, Population, Projection
from neurobal.containers import DenseMatrix, ListOfSynapses, SparseMatrix
from neurobal.description import Description, NotKept
from neurobal.errors import InvalidFileError
from neurobal.storage import quantities

Array: TypeAlias = np.ndarray

BASES = ("equations", "declared", "assumed")
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
# Attributes of a circuit that are stored as they are, with their types.
ATTRIBUTES: Mapping[str, Any] = {
    "binding": DetachedBinding | None,
    "basis": str,
    "description": Description | None,
    "is_matrix": bool,
    "notes": list[str],
    "advice": str,
    "assumptions": list[str],
    "uncertified": frozenset[str],
    "inexact": dict[str, tuple[str, ...]],
    "roundings": float,
}
FIELDS: Mapping[str, Any] = {"populations": list[Population], "projections": list[Projection], **ATTRIBUTES}


def taken(circuit: Circuit) -> dict[str, Any]:
    """What is stored of a circuit: not the objects that it was read from."""
    attributes = {name: getattr(circuit, name) for name in ATTRIBUTES}
    detach = getattr(circuit.binding, "detached", None)
    attributes["binding"] = None if detach is None else detach()
    return {
        "populations": list(circuit.populations.values()),
        "projections": list(circuit.projections.values()),
        **attributes,
    }


def built(populations: list[Population], projections: list[Projection], **attributes: Any) -> Circuit:
    """The circuit of stored values; InvalidFileError, or another error of ours, if there cannot be such a one."""
    circuit = Circuit()
    for population in populations:
        _add(circuit, population)
    for projection in projections:
        _connect(circuit, projection)
    for name, value in attributes.items():
        setattr(circuit, name, value)
    _check(circuit)
    return circuit


def _add(circuit: Circuit, population: Population) -> None:
    name, size = population.name, population.size
    _require(_is(population.pinned, bool, size), f"pins of {name!r}")
    _require(population.tied is None or _is(population.tied, np.int64, size), f"ties of {name!r}")
    for key, parameter in population.parameters.items():
        _require(_is(parameter.values, np.floating, size), f"values of {name}.{key}")
    circuit.add(
        name,
        size,
        homogeneity=population.homogeneity,
        pinned=population.pinned,
        tied=population.tied,
        parameters={key: (p.values, p.power, p.origin) for key, p in population.parameters.items()},
    )
    powers = [number for p in population.parameters.values() for number in (p.power, p.origin)]
    _require(all(map(np.isfinite, powers)), f"powers of parameters of {name!r}")


def _connect(circuit: Circuit, stored: Projection) -> None:
    name, count = stored.name, stored.weight.size
    _require(_is(stored.weight, np.floating, count), f"weights of {name!r}")
    for index in (stored.post_index, stored.pre_index):
        _require(_is(index, np.int32, count), f"synapses of {name!r}")
    _require(stored.dimension is None or quantities.is_dimension(stored.dimension), f"dimension of {name!r}")
    if stored.pre is None:
        _bias(circuit, stored)
    else:
        circuit.connect(
            stored.pre,
            stored.post,
            post_index=stored.post_index,
            pre_index=stored.pre_index,
            weight=stored.weight,
            costed=stored.costed,
            post_exponent=stored.post_exponent,
            pre_exponent=stored.pre_exponent,
            name=name,
            dimension=stored.dimension,
        )
    made = circuit.projections[name]
    _require(stored.shape == made.shape and _holds(stored), f"container of {name!r}")
    circuit.projections[name] = replace(made, kind=stored.kind, costed=stored.costed)


def _bias(circuit: Circuit, stored: Projection) -> None:
    """Add the projection from a constant unit, as `Circuit.add` does with the population that has it."""
    population = circuit.populations.get(stored.post)
    if population is None or stored.weight.size != population.size:
        raise InvalidFileError(f"the bias {stored.name!r} is not one number for each neuron of a population")
    scratch = Circuit()
    scratch.add(stored.post, population.size, bias=stored.weight)
    (made,) = scratch
    _require(stored.name == stored.post + BIAS_SUFFIX, f"name of the bias {stored.name!r}")
    circuit._append(made)


def _holds(projection: Projection) -> bool:
    """Whether weights in this number and order fill this kind of array."""
    kind, shape = projection.kind, projection.shape
    if isinstance(kind, SparseMatrix):
        return kind.shape == shape and kind.format in FORMATS and bool(np.all(np.diff(projection.post_index) >= 0))
    mask = kind.mask if isinstance(kind, ListOfSynapses | DenseMatrix) else None
    if isinstance(kind, DenseMatrix):
        return kind.shape == shape and (mask is None or (mask.dtype == bool and mask.shape == shape))
    return mask is None or (mask.dtype == bool and mask.ndim == 1 and int((~mask).sum()) == projection.weight.size)


def _check(circuit: Circuit) -> None:
    """What belongs to the circuit as a whole agrees with its populations and projections."""
    known = circuit.populations.keys()
    _require(circuit.basis in BASES, "basis")
    _require(not circuit.is_matrix or len(known) == len(circuit.projections) == 1, "single matrix")
    _require(0 < circuit.roundings < np.inf, "rounding")
    _require(circuit.inexact.keys() <= known, "inexact populations")
    if circuit.description is not None:
        _check_description(circuit, circuit.description)
    if circuit.binding is not None:
        _require(circuit.description is not None, "description")
        assert isinstance(circuit.binding, DetachedBinding) and circuit.description is not None
        whole = replace(circuit.description, log_scale={})  # as it was when it was read
        circuit.binding = replace(circuit.binding, reading=replace(circuit.binding.reading, description=whole))
        _check_binding(circuit, circuit.binding)


def _check_description(circuit: Circuit, description: Description) -> None:
    for name, h in description.log_scale.items():
        _check_log_scale(circuit, name, h)
    for key, stored in description.stored.items():
        _require(stored.values.dtype.kind in "biuf" and np.isfinite(stored.origin), f"values of {key}")
        for population, index, power in stored.powers:
            size = _size(circuit, population)
            places = np.arange(size) if index is None else index
            fits = places.dtype.kind in "iu" and places.shape == stored.values.shape and np.isfinite(power)
            fits = fits and bool(np.all((places >= 0) & (places < size)))
            _require(fits, f"neurons to which {key} belongs")


def _check_binding(circuit: Circuit, binding: DetachedBinding) -> None:
    motion, known = binding.reading.motion, circuit.populations.keys()
    if binding.adapter not in ADAPTERS:
        raise InvalidFileError(f"it was read from a network of {binding.adapter!r}, which this version does not know")
    _require(binding.powers.keys() <= known and all(np.isfinite(p).all() for p in binding.powers.values()), "powers")
    _require(motion.groups.keys() <= known and motion.immovable.keys() <= known, "groups that move")
    assert circuit.description is not None
    _require(all(f"source of {name}" in circuit.description.facts for name in motion.synapses), "synapses that move")
    _require(binding.reading.pinned.keys() == known, "pinned groups")
    for name, mask in binding.reading.pinned.items():
        _require(_is(mask, bool, _size(circuit, name)), f"pins of {name!r}")


def check_log_scales(circuit: Circuit, log_scale: Mapping[str, Array]) -> None:
    """Raise an error if these are not log-scales of the circuit's neurons."""
    _require(log_scale.keys() == circuit.populations.keys(), "log-scales")
    for name, h in log_scale.items():
        _check_log_scale(circuit, name, h)


LARGEST = 1e6  # of log-scales: beyond, nothing is left of any weight


def _check_log_scale(circuit: Circuit, name: str, h: Array) -> None:
    fits = _is(h, np.floating, _size(circuit, name)) and bool(np.all(np.abs(h) < LARGEST))
    _require(fits, f"log-scales of {name!r}")


def _size(circuit: Circuit, population: str) -> int:
    _require(population in circuit.populations, f"population {population!r}")
    return circuit.populations[population].size


def _is(values: Array, kind: type, size: int) -> bool:
    return bool(np.issubdtype(values.dtype, kind)) and values.shape == (size,)


def _require(condition: Any, what: str) -> None:
    if not condition:
        raise InvalidFileError(f"the {what} cannot be those of such a circuit")


# ------------------------------------------------------------------------------------------------ descriptions


def kept_facts(description: Description) -> dict[str, Any]:
    """What is stored of a description; of code only that there is some."""
    facts = {name: _kept(fact) for name, fact in description.facts.items()}
    return {**vars(description), "facts": facts}


def _kept(fact: Any) -> Any:
    detach: Callable[[], Any] | None = getattr(fact, "detached", None)
    if detach is not None:
        return detach()
    return fact if _is_plain(fact) else NotKept(str(fact))


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, [*value, *value.values()]))
    if type(value) is np.ndarray:
        return bool(value.dtype.kind in "biuf")
    return value is None or isinstance(value, np.generic) or type(value) in (bool, int, float, str, NotKept)
