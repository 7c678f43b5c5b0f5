"""Objects as trees of plain values: what JSON has as it is, all else as a JSON object whose key says which.

``{"tuple": [...]}`` is a tuple, ``{"array": "name"}`` an array beside the tree, and ``{"Line": {...}}`` an object of a
class in a closed table (`Table`), with its fields. What is in no table cannot be written, and is not made when read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np
from scipy import sparse

from neurobal.errors import InvalidFileError, NeurobalError
from neurobal.storage import quantities
from neurobal.storage.container import STORED_KINDS

Array: TypeAlias = np.ndarray
Table: TypeAlias = Mapping[str, "Form"]

LARGEST_INTEGER = 2**53  # that stands for a floating-point number
SEQUENCES = {"tuple": tuple, "set": set, "frozenset": frozenset}


@dataclass(frozen=True)
class Form:
    """How the objects of one class are written.

    ``fields`` gives the types of what is written, by name; ``take`` finds these values in an object, and ``build``
    makes an object of them, after having checked what types cannot tell. ``absent`` gives the trees of fields that
    older files do not have.
    """

    kind: type
    fields: Mapping[str, Any]
    take: Callable[[Any], Mapping[str, Any]]
    build: Callable[..., Any]
    absent: Mapping[str, Any] = field(default_factory=dict)


def form(
    kind: type,
    *,
    types: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
    build: Callable[..., Any] | None = None,
) -> Form:
    """The form of a dataclass or named tuple: its fields, with the types that they are declared with, or ``types``."""
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else list(kind._fields)  # type: ignore[attr-defined]
    hints = get_type_hints(kind) | dict(types or {})
    kept = {name: hints[name] for name in names if name not in without}
    return Form(kind, kept, lambda thing: {name: getattr(thing, name) for name in kept}, build or kind)


class Writer:
    """Writes objects as a tree, and collects their arrays."""

    def __init__(self, table: Table) -> None:
        self._forms = {form.kind: (name, form) for name, form in table.items()}
        self.arrays: dict[str, Array] = {}

    def tree(self, value: Any, where: str) -> Any:
        """The tree of a value; ``where`` it stands, for messages and for the names of arrays."""
        if isinstance(value, np.generic):
            value = value.item()
        kind = type(value)
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if kind is float:
            return {"float": repr(value)}
        if kind is list:
            return [self.tree(part, f"{where}.{k}") for k, part in enumerate(value)]
        if kind in SEQUENCES.values():
            parts = value if kind is tuple else sorted(value, key=repr)  # in a reproducible order
            return {kind.__name__: self.tree(list(parts), where)}
        if kind is Fraction:
            return {"fraction": [value.numerator, value.denominator]}
        if kind is np.ndarray:
            return {"array": self._array(value, where)}
        if sparse.issparse(value):
            return {"sparse": self.tree(_parts_of_sparse(value), where)}
        if kind in self._forms:
            return self._record(value, where)
        if quantities.knows(value):
            return {"quantity": self.tree(quantities.parts(value), where)}
        if isinstance(value, Mapping):
            pairs = [[self.tree(key, where), self.tree(part, f"{where}.{key}")] for key, part in value.items()]
            return {"dict": pairs}
        raise InvalidFileError(f"{where} is a {kind.__module__}.{kind.__qualname__}, which a file cannot hold")

    def _record(self, value: Any, where: str) -> Any:
        name, form = self._forms[type(value)]
        return {name: {key: self.tree(part, f"{where}.{key}") for key, part in form.take(value).items()}}

    def _array(self, array: Array, where: str) -> str:
        if array.dtype.kind not in STORED_KINDS or array.dtype.itemsize > 8:
            raise InvalidFileError(f"{where} is an array of {array.dtype}, which a file cannot hold")
        name = f"{len(self.arrays)}.{''.join(c if c.isalnum() else '_' for c in where)}"[:100]
        self.arrays[name] = array
        return name


class Reader:
    """Makes objects of a tree. Each array is used once, so that what is made is no larger than the file."""

    def __init__(self, table: Table, arrays: Mapping[str, Array]) -> None:
        self._table, self._arrays = table, dict(arrays)

    def value(self, tree: Any) -> Any:
        """What a tree stands for."""
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        if len(tree) != 1:
            raise InvalidFileError(f"expected an object with one key, got {list(tree)[:3]}")
        ((tag, content),) = tree.items()
        if tag in self._table:
            return self._record(tag, content)
        if tag in SEQUENCES:
            return _hashable(SEQUENCES[tag], self.value(_of(list, content, tag)))
        if tag == "dict":
            return self._dict(_of(list, content, tag))
        if tag == "array":
            return self._array(content)
        if tag == "float" and content in ("nan", "inf", "-inf"):
            return float(content)
        if tag == "fraction":
            return _fraction(content)
        if tag == "quantity":
            return quantities.built(*_typed(self.value(content), str, float | Array | None, list[float]))
        if tag == "sparse":
            return _sparse(*_typed(self.value(content), Array, Array, Array, int))
        raise InvalidFileError(f"it holds a {tag!r}, which this version does not know")

    def finish(self) -> None:
        """Raise an error if an array was not used."""
        if self._arrays:
            raise InvalidFileError(f"nothing refers to its array {next(iter(self._arrays))!r}")

    def _array(self, name: Any) -> Array:
        if not isinstance(name, str) or name not in self._arrays:
            raise InvalidFileError(f"the array {name!r} is missing, or used twice")
        return self._arrays.pop(name)

    def _dict(self, pairs: list[Any]) -> dict[Any, Any]:
        found = {}
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise InvalidFileError(f"expected a key and a value, got {pair!r:.60}")
            key = self.value(pair[0])
            _hashable(hash, key)
            if key in found:
                raise InvalidFileError(f"the key {key!r:.60} occurs twice")
            found[key] = self.value(pair[1])
        return found

    def _record(self, name: str, content: Any) -> Any:
        form = self._table[name]
        content = {**form.absent, **_of(dict, content, name)}
        if content.keys() != form.fields.keys():
            odd = sorted(content.keys() ^ form.fields.keys())
            raise InvalidFileError(f"a {name} lacks or has too much: {', '.join(map(repr, odd[:3]))}")
        values = {}
        for key, hint in form.fields.items():
            values[key] = self.value(content[key])
            if not fits(values[key], hint):
                raise InvalidFileError(f"{key!r} of a {name} is {_shown(values[key])}")
        try:
            return form.build(**values)
        except NeurobalError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidFileError(f"a {name} is wrong: {error}") from error


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; numbers and flags are told apart, integers are floats, too."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (Any, object):
        return True
    if hint in (None, NoneType):
        return value is None
    if hint in (bool, int, str):
        return type(value) is hint
    if hint is float:
        return type(value) is float or (type(value) is int and abs(value) <= LARGEST_INTEGER)
    if origin in (Union, UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return type(value) is tuple and len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin in (tuple, list, set, frozenset):
        return type(value) is origin and all(fits(part, arguments[0]) for part in value)
    if isinstance(origin, type) and issubclass(dict, origin):
        return type(value) is dict and all(fits(k, arguments[0]) and fits(v, arguments[1]) for k, v in value.items())
    return isinstance(value, hint)


def _of(kind: type, content: Any, tag: str) -> Any:
    if type(content) is not kind:
        raise InvalidFileError(f"a {tag} is given by {content!r:.60}")
    return content


def _hashable(kind: Callable[[Any], Any], content: Any) -> Any:
    """``kind(content)``, of a kind that needs a hash."""
    try:
        return kind(content)
    except TypeError as error:
        raise InvalidFileError(f"something that changes is in a set, or is a key: {content!r:.60}") from error


def _fraction(content: Any) -> Fraction:
    above, below = _typed(content, int, int)
    if not below:
        raise InvalidFileError(f"a fraction is given by {content!r:.60}")
    return Fraction(above, below)


def _parts_of_sparse(matrix: Any) -> list[Any]:
    rows = matrix.tocsr()
    return [rows.data, rows.indices, rows.indptr, int(rows.shape[1])]


def _sparse(data: Array, indices: Array, ends: Array, columns: int) -> Any:
    """A sparse matrix in rows: what it takes is what its arrays take, however many columns it has."""
    try:
        matrix = sparse.csr_array((data, indices, ends), shape=(len(ends) - 1, columns))
        matrix.check_format(full_check=True)
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise InvalidFileError(f"a sparse matrix is damaged: {error}") from error
    return matrix


def _typed(parts: Any, *hints: Any) -> list[Any]:
    """A list of values of these types."""
    if type(parts) is not list or len(parts) != len(hints) or not all(map(fits, parts, hints)):
        raise InvalidFileError(f"expected {', '.join(map(str, hints))}, got {parts!r:.60}")
    return parts


def _shown(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"{value!r:.60}"
