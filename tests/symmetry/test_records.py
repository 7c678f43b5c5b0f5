"""Records of the algebra, and certificates, are facts: nobody changes them after they were made."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from importlib import import_module
from pkgutil import iter_modules

import neurobal.certificate
import neurobal.description
import neurobal.symmetry

FILLED = {"GroupModel", "SynapsesModel", "Model", "System", "_Sent"}  # by those who read a network


def test_records_cannot_be_changed() -> None:
    modules = [import_module(f"neurobal.symmetry.{module.name}") for module in iter_modules(neurobal.symmetry.__path__)]
    records = {
        name: record
        for module in (*modules, neurobal.certificate, neurobal.description)
        for name, record in inspect.getmembers(module, inspect.isclass)
        if is_dataclass(record) and record.__module__ == module.__name__
    }
    assert {name for name, record in records.items() if not record.__dataclass_params__.frozen} == FILLED  # type: ignore[attr-defined]
