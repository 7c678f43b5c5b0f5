"""What neurons are called: integers or strings, each once; found by bisection."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray


def sorted_order(ids: Array) -> Array | None:
    """The order that sorts ids; None if they are sorted."""
    return None if np.all(ids[1:] >= ids[:-1]) else np.argsort(ids, kind="stable")


def where(wanted: Array, ids: Array | None, order: Array | None, size: int) -> Array:
    """The places of ids among those of ``size`` neurons (None: 0 ... size - 1), as int32; -1 where there is none.

    ``order`` is the `sorted_order` of ``ids``.
    """
    places = np.full(len(wanted), -1, dtype=np.int32)
    comparable, values = of_type(wanted, np.dtype(np.int64) if ids is None else ids.dtype)
    if ids is None:
        inside = (values >= 0) & (values < size)
        places[np.flatnonzero(comparable)[inside]] = values[inside]
        return places
    if not len(ids) or not len(values):
        return places
    at = np.minimum(np.searchsorted(ids, values, sorter=order), len(ids) - 1)
    at = at if order is None else order[at]
    found = ids[at] == values
    places[np.flatnonzero(comparable)[found]] = at[found]
    return places


def numbers_of(wanted: Any, ids: Array | None, order: Array | None, size: int, whose: str) -> Array:
    """The numbers of the neurons with these ids, in the shape of ``wanted``: see `where`.

    InvalidInputError if ``whose`` network has no neuron with one of them.
    """
    given = np.asarray(wanted)
    numbers = where(given.ravel(), ids, order, size)
    missing = np.flatnonzero(numbers < 0)
    if missing.size:
        names = ", ".join(map(repr, given.ravel()[missing[:3]].tolist()))
        more = f" and {missing.size - 3:,} more" if missing.size > 3 else ""
        known = ", ".join(map(repr, (np.arange(min(size, 3)) if ids is None else ids[:3]).tolist()))
        raise InvalidInputError(
            f"{whose} has no neurons with the ids {names}{more}. Its {size:,} ids are {known or 'none'}"
            f"{', ...' if size > 3 else ''} (attribute ids)."
        )
    return numbers.reshape(given.shape)


def of_type(values: Array, dtype: np.dtype) -> tuple[Array, Array]:
    """Which ids can be compared with those of a type (a mask), and these, in this type: nothing is rounded."""
    fits = np.ones(len(values), dtype=bool)
    if dtype.kind == "U":
        if values.dtype.kind == "U":
            return fits, values
        fits = np.array([isinstance(value, str) for value in values], dtype=bool)
        return fits, values[fits].astype(str)
    if values.dtype.kind not in "iu":
        if values.dtype != object:
            return np.zeros(len(values), dtype=bool), np.empty(0, dtype)
        bounds = np.iinfo(dtype)
        fits = np.array(
            [
                isinstance(value, (int, np.integer))
                and not isinstance(value, bool)
                and bounds.min <= value <= bounds.max
                for value in values
            ],
            dtype=bool,
        )
    elif values.dtype.kind == "u" and dtype.kind == "i":
        fits = values <= np.iinfo(dtype).max
    elif values.dtype.kind == "i" and dtype.kind == "u":
        fits = values >= 0
    return fits, values[fits].astype(dtype)
