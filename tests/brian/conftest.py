"""Brian2 tests run on the numpy target, each with a clean slate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brian2 import BrianLogger, defaultclock, device, ms, prefs, set_device, start_scope

BrianLogger.suppress_name("unused_brian_object")
pytest.register_assert_rewrite("plastic_rate", "plastic_spiking")


@pytest.fixture(autouse=True)
def clean_slate() -> Iterator[None]:
    """Brian2's preferences, device, clock and magic objects are global."""
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    start_scope()
    yield
    prefs.codegen.target = target
    defaultclock.dt = 0.1 * ms
    start_scope()


@pytest.fixture
def coarse() -> None:
    """Large time steps, where updates are tested."""
    defaultclock.dt = 1 * ms


@pytest.fixture
def single_precision() -> Iterator[None]:
    before = prefs.core.default_float_dtype
    prefs.core.default_float_dtype = np.float32
    yield
    prefs.core.default_float_dtype = before


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
