"""The readers of networks, by the type of what is read; an adapter registers its own here (``@read.register``)."""

from __future__ import annotations

from functools import singledispatch
from importlib import import_module
from typing import Any

import numpy as np

from neurobal.circuit import Circuit
from neurobal.errors import InvalidInputError

# For a type that nobody has registered: the module to import, by the top-level package that the type comes from.
ADAPTERS = {"brian2": "neurobal.brian.network.reading"}


@singledispatch
def read(network: Any, **arguments: Any) -> Circuit:
    """The circuit of a network.

    A reader takes ``pinned``, ``tied``, ``homogeneity`` and ``level`` (calls between the user and `as_circuit`), and
    its own options, of which only those that the user gave are passed.
    """
    raise InvalidInputError(
        f"Cannot read a network from {type(network).__module__}.{type(network).__qualname__}. Give a (post, pre) array "
        "or scipy sparse matrix, a Circuit, a Brian2 Network, a list of Brian2 objects, or nothing for all Brian2 "
        "objects."
    )


def read_network(network: Any, *, level: int, **arguments: Any) -> Circuit:
    """Import the adapter that a network needs, and read it."""
    adapter = _adapter(network)
    if adapter is not None:
        import_module(adapter)
    elif isinstance(network, (list, tuple)):
        network = np.asarray(network) if len(network) else np.zeros((0, 0))
    return read.dispatch(type(network))(network, level=level + 1, **arguments)


def refuse_options(options: dict[str, Any], kind: str) -> None:
    """Raise an error if a network of this kind was given options that only other adapters know."""
    for name in options:
        raise InvalidInputError(
            f"{name}: only Brian2 networks take it, and this is a {kind}. A matrix or Circuit has its own exponents "
            "and no external constants."
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
