"""`as_circuit`: any kind of network as a `Circuit`. A new kind is one adapter, and touches nothing else.

An adapter is a module that registers a reader for its types (``@read.register``). For a type that nobody has
registered, the top-level package that the type comes from names the module to import.
"""

from __future__ import annotations

from functools import singledispatch
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from neurobal.circuit import Circuit, check_finite
from neurobal.errors import InvalidInputError

ADAPTERS = {"brian2": "neurobal.brian.network.reading"}
NEURONS, WEIGHTS = "neurons", "weights"


def as_circuit(
    network: Any = None,
    *,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Any = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> Circuit:
    """A snapshot of ``network`` as arrays, independent of the original. The arguments are those of `balance`."""
    adapter = _adapter(network)
    if adapter is not None:
        import_module(adapter)
    elif isinstance(network, (list, tuple)):
        network = np.asarray(network) if len(network) else np.zeros((0, 0))
    return read.dispatch(type(network))(
        network,
        pinned=pinned,
        tied=tied,
        homogeneity=homogeneity,
        scaling=scaling,
        namespace=namespace,
        level=level + 1,
    )


def _adapter(network: Any) -> str | None:
    """The module that can read this network, by where its type (or the type of what it lists) comes from."""
    samples = list(network)[:1] if isinstance(network, (list, tuple, set, frozenset)) else [network]
    if network is None:
        return ADAPTERS["brian2"]  # no network means all objects that Brian2 would run
    for sample in samples:
        for kind in type(sample).__mro__:
            adapter = ADAPTERS.get(kind.__module__.partition(".")[0])
            if adapter is not None:
                return adapter
    return None


@singledispatch
def read(network: Any, **arguments: Any) -> Circuit:
    """The reader of a type; adapters register theirs here."""
    raise InvalidInputError(
        f"Cannot read a network from {type(network).__module__}.{type(network).__qualname__}. Give a (post, pre) array "
        "or scipy sparse matrix, a Circuit, a Brian2 Network, a list of Brian2 objects, or nothing for all Brian2 "
        "objects."
    )


@read.register
def _(network: Circuit, *, pinned: Any, tied: Any, homogeneity: Any, scaling: Any, **_: Any) -> Circuit:
    _refuse_scaling(scaling)
    for one in network:  # its arrays may have been written to since they were connected
        check_finite(one.weight, one.post_index, one.pre_index, one.name, one.post, str(one.pre))
    return network.copy().with_constraints(pinned=pinned, tied=tied, homogeneity=homogeneity)


@read.register(np.ndarray)
@read.register(sparse.sparray)
@read.register(sparse.spmatrix)
def _(network: Any, *, pinned: Any, tied: Any, homogeneity: Any, scaling: Any, **_: Any) -> Circuit:
    _refuse_scaling(scaling)
    if network.ndim != 2 or network.shape[0] != network.shape[1]:
        raise InvalidInputError(
            f"network: a matrix must be square, (post, pre) over one set of neurons; got shape {network.shape}. For "
            "layers "
            "or several populations build a Circuit with add() and connect()."
        )
    circuit = Circuit()
    circuit.is_matrix = True
    circuit.add(NEURONS, network.shape[0], 1.0 if homogeneity is None else homogeneity)
    circuit.connect(NEURONS, NEURONS, network, name=WEIGHTS)
    return circuit.with_constraints(pinned=pinned, tied=tied)


def _refuse_scaling(scaling: Any) -> None:
    if scaling is not None:
        raise InvalidInputError("scaling: only Brian2 networks take it; a matrix or Circuit has its own exponents.")
