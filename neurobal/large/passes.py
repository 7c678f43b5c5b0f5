"""Passes over synapses that are too many for memory: bands of rows, the work on one band, and how parts are merged.

A pass is a `Work`, a small picklable object that acts on one `RowBand` after the other and returns parts. Parts merge
associatively, those of earlier rows on the left: a thread or a worker merges its own bands, then their answers merge
in any tree. Whoever has the synapses (files, workers) implements `Passes`, and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.stores import TooLarge, bands

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class RowBand:
    """The synapses of the postsynaptic neurons ``first`` ... ``first + rows - 1``, of ``size`` neurons in all.

    Attributes
    ----------
    first, size : int
    indptr : array (rows + 1,) of int32
        Where the synapses of each neuron begin, from 0 on.
    pre : array (synapses,) of int32
    weight : array (synapses,) of float32 or float64
    known_silent : array of int32, or None
        See `silent`, if it is known.
    """

    first: int
    size: int
    indptr: Array
    pre: Array
    weight: Array
    known_silent: Array | None = None

    @property
    def rows(self) -> slice:
        """The postsynaptic neurons."""
        return slice(self.first, self.first + self.indptr.size - 1)

    @cached_property
    def counts(self) -> Array:
        """The number of synapses of each row."""
        return np.diff(self.indptr)

    @cached_property
    def silent(self) -> Array:
        """Which synapses (places in ``pre``) have no cost that could change: self-connections and zero weights."""
        if self.known_silent is not None:
            return self.known_silent
        return np.flatnonzero((self.pre == self.post) | (self.weight == 0)).astype(np.int32)

    @property
    def post(self) -> Array:
        """The postsynaptic neuron of each synapse."""
        return np.repeat(np.arange(self.rows.start, self.rows.stop, dtype=np.int32), self.counts)

    def by_row(self, values: Array) -> Array:
        """For each synapse the value of its postsynaptic neuron, of ``values`` (size,)."""
        return np.repeat(values[self.rows], self.counts)

    def matrix(self, values: Array) -> sparse.csr_array:
        """Values, one a synapse, as a matrix (rows, size)."""
        return bands.csr(values, self.pre, self.indptr, self.size)

    def of_rows(self, ufunc: np.ufunc, values: Array, empty: Any) -> Array:
        """``ufunc`` reduced over the synapses of each row; ``empty`` where there is none."""
        result = np.full(self.counts.size, empty, dtype=values.dtype)
        filled = np.flatnonzero(self.counts)
        if filled.size:
            result[filled] = ufunc.reduceat(values, self.indptr[filled])
        return result


# ------------------------------------------------------------------------------------------------------------ parts


class Part(ABC):
    """A piece of the answer of a pass. Merging may overwrite the left part, which nobody needs any more."""

    @property
    @abstractmethod
    def value(self) -> Any:
        """What the pass answers, when all is merged."""

    @abstractmethod
    def merged(self, other: Self) -> Self:
        """This part and that of later rows in one."""


@dataclass(frozen=True, eq=False)
class Rows(Part):
    """One number a row; ``pieces`` follow each other."""

    pieces: tuple[Array, ...]

    @property
    def value(self) -> Array:
        return self.pieces[0] if len(self.pieces) == 1 else np.concatenate(self.pieces)

    def merged(self, other: Rows) -> Rows:
        return Rows(self.pieces + other.pieces)


@dataclass(frozen=True, eq=False)
class Combined(Part):
    """A number, or an array of the same shape in all parts, that ``ufunc`` combines: add, minimum, logical_or, ..."""

    ufunc: np.ufunc
    values: Any

    @property
    def value(self) -> Any:
        return self.values

    def merged(self, other: Combined) -> Combined:
        out = (self.values,) if isinstance(self.values, np.ndarray) and self.values.ndim else None
        return Combined(self.ufunc, self.ufunc(self.values, other.values, out=out))


@dataclass(frozen=True, eq=False)
class AddedMatrix(Part):
    """A sparse matrix that is added up. `TooLarge` is raised when it gets more entries than ``most``."""

    matrix: sparse.csr_array
    most: int

    @property
    def value(self) -> sparse.csr_array:
        return self.matrix

    def merged(self, other: AddedMatrix) -> AddedMatrix:
        added = self.matrix + other.matrix
        if added.nnz > self.most:
            raise TooLarge(f"A matrix has more than {self.most:,} entries.")
        return AddedMatrix(added, self.most)


@dataclass(frozen=True, eq=False)
class StackedMatrix(Part):
    """Sparse matrices of the rows of each band."""

    pieces: tuple[sparse.csr_array, ...]

    @property
    def value(self) -> sparse.csr_array:
        return sparse.vstack(self.pieces, "csr")

    def merged(self, other: StackedMatrix) -> StackedMatrix:
        return StackedMatrix(self.pieces + other.pieces)


@dataclass(frozen=True, eq=False)
class Worst(Part):
    """The largest ``size`` that was met, and whose it was; of equal ones the first."""

    size: float
    whose: Any = None

    @property
    def value(self) -> tuple[float, Any]:
        return self.size, self.whose

    def merged(self, other: Worst) -> Worst:
        return other if other.size > self.size else self


Parts: TypeAlias = tuple[Part, ...]


def total(values: Any) -> Combined:
    """A part that is added up."""
    return Combined(np.add, values)


def union(mask: Array) -> Combined:
    """A mask of which any is enough."""
    return Combined(np.logical_or, mask)


def least(value: float) -> Combined:
    return Combined(np.minimum, value)


def most(value: float) -> Combined:
    return Combined(np.maximum, value)


def merged(left: Parts, right: Parts) -> Parts:
    """The answers on two sequences of bands, of which the first ends where the second begins, as one."""
    return tuple(mine.merged(other) for mine, other in zip(left, right, strict=True))


# ----------------------------------------------------------------------------------------------------- work, passes


class Work(ABC):
    """What a pass does. Subclasses are frozen dataclasses of numbers and arrays, so that they can be sent elsewhere."""

    @abstractmethod
    def on(self, band: RowBand) -> Parts:
        """The answer on one band."""

    def over(self, bands: Iterable[RowBand]) -> Parts:
        """The answer on bands that follow each other, at least one; they are looked at one at a time."""
        return reduce(merged, map(self.on, bands))


class Arrays(Protocol):
    """A network as arrays, in memory or mapped: neuron k receives the synapses ``start[k]`` to ``start[k + 1]``."""

    @property
    def start(self) -> Array: ...
    @property
    def pre(self) -> Array: ...
    @property
    def weight(self) -> Array: ...


class Passes(Protocol):
    """All synapses of a network, wherever they are."""

    @property
    def size(self) -> int:
        """The number of neurons."""

    @property
    def synapses(self) -> int:
        """The number of synapses."""

    @property
    def count(self) -> int:
        """The number of passes that were made."""

    def run(self, work: Work) -> tuple[Any, ...]:
        """One pass: the work on all bands, merged; the `Part.value` of each part."""
