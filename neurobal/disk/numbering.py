"""From what neurons are called to their numbers: ids of a block of edges are looked up once each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk.header import LONGEST_ID, MOST_NEURONS
from neurobal.disk.ids import sorted_order, where
from neurobal.errors import InvalidInputError
from neurobal.inputs import plain

Array: TypeAlias = np.ndarray

WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,19}")
LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Coded:
    """The ids of one end of some edges: ``values[codes]``, each value once. ``values`` None: codes are numbers.

    ``text`` tells that the ids stood in a text, where nobody knows whether ``17`` is a number or a string.
    """

    values: Array | None
    codes: Array
    text: bool = False

    def id(self, edge: int) -> Any:
        """What the neuron at this edge is called."""
        code = self.codes[edge]
        return int(code) if self.values is None else self.values[code].item()


def coded(ids: Any, what: str) -> Coded:
    """The ids of some edges: whole numbers or strings of any type (edges,).

    Raises InvalidInputError for anything else, for empty ids and for those of more than 255 characters.
    """
    array = plain(ids, what)
    if array.ndim != 1:
        raise InvalidInputError(f"{what}: expected a list of ids, one an edge, got an array of shape {array.shape}.")
    if array.dtype.kind in "iu":
        values, codes = _distinct_integers(array)
        return Coded(as_integers(values), codes)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind == "U":
        values, codes = np.unique(array, return_inverse=True)
        return Coded(as_strings(values.tolist(), what), codes)
    if array.dtype.kind in "OT" and all(isinstance(name, str) for name in array):
        places: dict[str, int] = {}
        codes = np.fromiter((places.setdefault(name, len(places)) for name in array), np.int64, len(array))
        return Coded(as_strings([*places], what), codes)
    if not array.size:
        return Coded(np.empty(0, np.int64), np.empty(0, np.int64))
    wrong = next((name for name in array if not isinstance(name, (str, int))), array[0])
    raise InvalidInputError(f"{what}: ids must be whole numbers or strings, got {array.dtype}, {wrong!r:.60} for one.")


def _distinct_integers(ids: Array) -> tuple[Array, Array]:
    """``np.unique(ids, return_inverse=True)``, by a table where ids are close to each other."""
    least, largest = (int(ids.min()), int(ids.max())) if ids.size else (0, 0)
    span = largest - least + 1
    if not ids.size or span > 4 * ids.size:
        return np.unique(ids, return_inverse=True)
    unsigned = ids.dtype.kind == "u"
    offsets = (ids - ids.dtype.type(least)).astype(np.int64) if unsigned else ids - np.int64(least)
    occurs = np.zeros(span, dtype=bool)
    occurs[offsets] = True
    values = np.flatnonzero(occurs)
    codes = (np.cumsum(occurs) - 1)[offsets]
    if unsigned:
        return values.astype(np.uint64) + np.uint64(least), codes
    return values + np.int64(least), codes


def as_integers(values: Array) -> Array:
    """Whole numbers as int64, or as uint64 if one of them needs it."""
    return values.astype(np.uint64 if values.max(initial=0) > LARGEST else np.int64, copy=False)


def as_strings(values: list[str], what: str) -> Array:
    """Strings as an array of numpy, which keeps each of them."""
    for name in values:
        if not name or len(name) > LONGEST_ID or "\0" in name:
            raise InvalidInputError(
                f"{what}: ids must have 1 to {LONGEST_ID} characters, and no NUL among them, got {name!r:.60}."
            )
    try:
        "".join(values).encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{what}: an id cannot be written as UTF-8: {error}.") from error
    return np.array(values, dtype=str if values else "U1")


class Fixed:
    """Neurons that are known before: by ``ids`` (n,), or numbered from 0 to ``size`` - 1 (None)."""

    def __init__(self, size: int, ids: Array | None) -> None:
        self.size, self._ids = size, ids
        self._order = None if ids is None else sorted_order(ids)

    def numbers(self, ids: Coded) -> Array:
        """The numbers of neurons, int32 (edges,); -1 where there is no such neuron."""
        if ids.values is None:
            return where(ids.codes, None, None, self.size)
        values = ids.values
        if ids.text and self._ids is not None and self._ids.dtype.kind == "U":
            values = values.astype(str)
        elif ids.text and values.dtype.kind == "U":  # one of them is no whole number, others may be
            whole = [int(name) if WHOLE_NUMBER.fullmatch(name) else None for name in values.tolist()]
            values = np.array(whole, dtype=object)
        return where(values, self._ids, self._order, self.size)[ids.codes]

    def since(self, count: int) -> Array:
        return np.empty(0, np.int64)

    def end(self) -> tuple[int, Array | None, Array | None]:
        """The number of neurons, their ids in order (None: numbers), and the place of each number in it (None: it)."""
        ids = self._ids
        return self.size, None if ids is not None and is_counting(ids) else ids, None


class Growing:
    """Neurons that are not known before: all that occur, numbered as they come, and in the order of ids at the end."""

    def __init__(self) -> None:
        self._ids: Array | None = None  # in order
        self._numbers = np.empty(0, np.int32)
        self._text = False

    @property
    def size(self) -> int:
        return len(self._numbers)

    def numbers(self, ids: Coded) -> Array:
        assert ids.values is not None
        values = self._alike(ids.values, ids.text)
        known = self._ids
        assert known is not None
        at = np.searchsorted(known, values)
        found = np.zeros(len(values), dtype=bool)
        if len(known):
            found = known[np.minimum(at, len(known) - 1)] == values
        numbers = np.empty(len(values), dtype=np.int32)
        numbers[found] = self._numbers[at[found]]
        count = int(np.count_nonzero(~found))
        if self.size + count > MOST_NEURONS:
            raise InvalidInputError(f"There are more than {MOST_NEURONS:,} neurons, which the format cannot hold.")
        numbers[~found] = np.arange(self.size, self.size + count, dtype=np.int32)
        if count:
            order = np.argsort(values[~found], kind="stable")
            places = at[~found][order]
            self._ids = np.insert(known, places, values[~found][order])
            self._numbers = np.insert(self._numbers, places, numbers[~found][order])
        return numbers[ids.codes]

    def since(self, count: int) -> Array:
        """The ids that got numbers from ``count`` on, in the order of their numbers."""
        if self._ids is None:
            return np.empty(0, np.int64)
        later = np.flatnonzero(self._numbers >= count)
        return self._ids[later[np.argsort(self._numbers[later])]]

    def end(self) -> tuple[int, Array | None, Array | None]:
        if self._ids is None:
            return 0, None, None
        ranks = np.empty(self.size, dtype=np.int32)
        ranks[self._numbers] = np.arange(self.size, dtype=np.int32)
        return self.size, None if is_counting(self._ids) else self._ids, ranks

    def _alike(self, values: Array, text: bool) -> Array:
        """Make ids that are known and new ones be of one type; whole numbers of a text may turn out to be strings."""
        if self._ids is None:
            self._ids, self._text = np.empty(0, values.dtype), text
        if not len(values):
            return values.astype(self._ids.dtype)
        if not len(self._ids):
            self._ids = self._ids.astype(values.dtype)
        kinds = {self._ids.dtype.kind, values.dtype.kind}
        if kinds == {"i", "u"}:
            signed = self._ids if self._ids.dtype.kind == "i" else values
            if signed.min() < 0:
                raise InvalidInputError(f"Ids go from {signed.min()} to beyond 2**63: no integer type has both.")
            self._ids, values = self._ids.astype(np.uint64), values.astype(np.uint64)
        elif "U" in kinds:
            if len(kinds) > 1 and not (text and self._text):
                strings, numbers = (self._ids, values) if self._ids.dtype.kind == "U" else (values, self._ids)
                both = f"{numbers[0].item()!r} and {strings[0].item()!r}"
                raise InvalidInputError(f"Ids must be all whole numbers or all strings, got {both}.")
            self._become_strings(values)
            values = values.astype(str)
        return values

    def _become_strings(self, values: Array) -> None:
        assert self._ids is not None
        was_integer = self._ids.dtype.kind != "U"
        names = self._ids.astype(str)
        self._ids = names.astype(np.result_type(names, values.astype(str)))
        if was_integer:
            order = np.argsort(self._ids, kind="stable")
            self._ids, self._numbers = self._ids[order], self._numbers[order]


def is_counting(ids: Array) -> bool:
    """Whether ids are 0, 1, 2, ..."""
    return ids.dtype.kind in "iu" and bool(np.all(ids == np.arange(len(ids), dtype=ids.dtype)))


def listed(neurons: Any) -> Array:
    """The ids of all neurons, as a user lists them, checked."""
    ids = coded(neurons, "neurons")
    assert ids.values is not None
    if len(ids.values) < len(ids.codes):
        twice = int(np.flatnonzero(np.bincount(ids.codes) > 1)[0])
        raise InvalidInputError(f"neurons: the id {ids.values[twice].item()!r} is listed more than once.")
    return ids.values[ids.codes]
