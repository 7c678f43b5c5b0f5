"""Brian2 tests run on the numpy target, each with a clean slate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from brian2 import BrianLogger, device, prefs, set_device, start_scope

BrianLogger.suppress_name("unused_brian_object")


@pytest.fixture(autouse=True)
def clean_slate() -> Iterator[None]:
    """Brian2's preferences, device and magic objects are global."""
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    start_scope()
    yield
    prefs.codegen.target = target
    start_scope()


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Path]:
    """C++ standalone mode, to be built by hand in the folder that this returns."""
    set_device("cpp_standalone", build_on_run=False, directory=str(tmp_path))
    device.reinit()
    device.activate(build_on_run=False, directory=str(tmp_path))
    yield tmp_path
    device.reinit()
    device.activate()
    set_device("runtime")
