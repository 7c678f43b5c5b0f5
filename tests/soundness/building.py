"""From data to Brian2 objects: run the script of a model, under names that no other model has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import brian2
import numpy as np
from brian2 import Network
from brian2.core.base import BrianObject

from .model import SCRIPT, Model, objects_of, script


class InvalidModelError(Exception):
    """Brian2 itself does not accept a model."""


def root_cause(error: BaseException) -> BaseException:
    """The error that started a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def build(model: Model, suffix: str = "") -> list[BrianObject]:
    """The objects of a model."""
    namespace = dict(_brian_names())
    try:
        exec(script(model, suffix), namespace)
    except Exception as error:
        cause = root_cause(error)
        raise InvalidModelError(f"{type(cause).__name__}: {cause}") from error
    return [namespace[name] for name in objects_of(model)]


def prepare(objects: list[BrianObject]) -> None:
    """Let Brian2 generate all code: what it does not accept raises here."""
    try:
        Network(objects).run(0 * brian2.ms, namespace=script_names())
    except Exception as error:
        cause = root_cause(error)
        raise InvalidModelError(f"{type(cause).__name__}: {cause}") from error


@cache
def _brian_names() -> Mapping[str, Any]:
    names: dict[str, Any] = {}
    exec("from brian2 import *", names)
    return names | {"np": np}


@cache
def _script_names() -> Mapping[str, Any]:
    return {name: eval(text, dict(_brian_names())) for name, text in SCRIPT.items()}


def script_names() -> dict[str, Any]:
    """The constants that scripts of models define beside their groups."""
    return dict(_script_names())
