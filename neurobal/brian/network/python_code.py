"""Python functions that models call, as values that can be compared: what they compute, not which object they are."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from brian2 import TimedArray
from brian2.core.functions import Function as BrianFunction

from neurobal.description import NotKept

_LIBRARIES = {"brian2", "numpy", "scipy", "sympy"} | sys.stdlib_module_names - {"__main__"}  # what they define stays
_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...), np.number, np.bool_)


@dataclass(frozen=True, eq=False)
class PythonCode:
    """A function as it is now, equal to another one with the same code, defaults, and objects that it names.

    ``opaque`` are the types of objects among these whose state cannot be read: they are equal to themselves only.
    """

    name: str
    parts: Any
    opaque: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PythonCode) and bool(self.parts == other.parts)

    __hash__ = None  # type: ignore[assignment]

    def detached(self) -> NotKept:
        """What a file keeps of it."""
        return NotKept(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return NotKept, (str(self),)

    def __deepcopy__(self, memo: Any) -> PythonCode:
        return self

    def __str__(self) -> str:
        return f"{self.name}()"


def python_code(function: Any) -> PythonCode:
    """A function of the user: Python's, Brian2's with all its implementations, or an object that can be called."""
    freezer = _Freezer()
    parts = freezer.freeze(function)
    python = getattr(function, "pyfunc", function)
    name = getattr(getattr(python, "_orig_func", python), "__qualname__", type(python).__name__)
    return PythonCode(name, parts, tuple(dict.fromkeys(freezer.opaque)))


class _Freezer:
    """Turns objects into values that later changes of the objects leave alone, and that compare equal if they are."""

    def __init__(self) -> None:
        self.opaque: list[str] = []
        self.seen: dict[int, int] = {}  # functions and containers may name themselves
        self.kept: list[Any] = []

    def freeze(self, value: Any) -> Any:
        """The value of an object."""
        if isinstance(value, _PLAIN):
            return type(value).__name__, repr(value)
        if isinstance(value, ModuleType | type):
            return value
        if id(value) in self.seen:
            return "seen", self.seen[id(value)]
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)
        match value:
            case np.ndarray() if value.dtype.kind != "O":
                dimensions = repr(getattr(value, "dim", None))
                return "array", value.dtype.str, value.shape, np.asarray(value).tobytes(), dimensions
            case tuple() | list():
                return type(value).__name__, [self.freeze(part) for part in value]
            case dict():
                return "dict", [(self.freeze(key), self.freeze(part)) for key, part in value.items()]
            case TimedArray():
                return "timed array", self.freeze(np.array(value.values)), float(value.dt)
            case BrianFunction():
                return "function", self.freeze(value.pyfunc), self._implementations(value)
            case FunctionType() if hasattr(value, "_orig_func"):  # Brian2 has put a check of units around it
                return "checked", self.freeze(value._orig_func), repr(value._arg_units)  # type: ignore[attr-defined]
            case FunctionType() if not _is_library(value):
                return self._function(value)
            case CodeType():
                return self._code(value)
        if inspect.ismethod(value):
            return "method", self.freeze(value.__func__), self.freeze(value.__self__)
        if not inspect.isroutine(value) and not _is_library(type(value)):
            self.opaque.append(type(value).__name__)
        return _Same(value)

    def _function(self, function: FunctionType) -> Any:
        code = function.__code__
        cells = []
        for cell in function.__closure__ or ():
            try:
                cells.append(self.freeze(cell.cell_contents))
            except ValueError:  # not assigned yet
                cells.append("empty")
        named = sorted(_names_in(code) & function.__globals__.keys())
        return (
            "function",
            self._code(code),
            [self.freeze(default) for default in function.__defaults__ or ()],
            self.freeze(function.__kwdefaults__ or {}),
            cells,
            [(name, self.freeze(function.__globals__[name])) for name in named],
        )

    def _code(self, code: CodeType) -> Any:
        """The code of a function, wherever it stands in a file."""
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        constants = [self.freeze(constant) for constant in code.co_consts]
        return code.co_code, counts, constants, code.co_names, code.co_varnames, code.co_freevars

    def _implementations(self, function: BrianFunction) -> Any:
        """What code generators for other targets than Python are given."""
        found = []
        for target, implementation in sorted(
            function.implementations._implementations.items(), key=lambda item: str(item[0])
        ):
            if not implementation.dynamic:
                code, namespace = implementation.get_code(None), implementation.get_namespace(None)
                if not _is_made_of(code, function.pyfunc):
                    found.append((str(target), self.freeze(code), self.freeze(namespace or {})))
        return found


def _is_made_of(code: Any, python: Any) -> bool:
    """Whether an implementation is the Python function itself: Brian2 adds such when it first generates code."""
    original = getattr(python, "_orig_func", python)
    same = [python, original, getattr(original, "__code__", None)]
    cells = [cell.cell_contents for cell in getattr(code, "__closure__", None) or ()]
    parts = [code, getattr(code, "__code__", None), *cells]
    return any(one is other for one in parts for other in same if other is not None)


def _is_library(thing: Any) -> bool:
    """Whether a function or class is defined in a library, and not by the user."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0] in _LIBRARIES


class _Same:
    """An object that is equal to itself only, and is kept so that no other one takes its identity."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    __hash__ = None  # type: ignore[assignment]


def _names_in(code: CodeType) -> set[str]:
    """The global names that code mentions, functions within it included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names
