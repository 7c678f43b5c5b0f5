"""Set-up for all tests: imports from the repository, and hypothesis without chance."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from packaging.requirements import Requirement

pytest.register_assert_rewrite("checks", "oracle")
sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks/

settings.register_profile(
    "deterministic",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("deterministic")

# Tests of what only some users install: file, extra, and what it brings. Without that the file is not collected.
OPTIONAL = (
    ("test_notebooks.py", "test", ("nbclient", "nbformat", "ipykernel")),
    ("test_progress_bar.py", "bar", ("tqdm>=4.60",)),
    ("test_package.py", "dev", ("setuptools>=77",)),
    ("disk/test_disk_tables.py", "table", ("pyarrow>=18",)),
    ("cluster/test_cluster.py", "dask", ("dask>=2025.1", "distributed>=2025.1", "pandas", "pyarrow>=18")),
    ("large/test_connectome_page.py", "table", ("pyarrow>=18",)),
)


def missing(requirement: str) -> bool:
    """Whether a distribution is not installed, or too old."""
    wanted = Requirement(requirement)
    try:
        return not wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return True


LEFT_OUT = {name: (extra, need) for name, extra, needs in OPTIONAL if (need := [*filter(missing, needs)])}
collect_ignore = list(LEFT_OUT)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name, (extra, need) in LEFT_OUT.items():
        terminalreporter.write_line(f"not collected: {name} needs {', '.join(need)}: pip install '.[{extra}]'")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture
def dense(rng: np.random.Generator) -> np.ndarray:
    """A dense (post, pre) matrix of 8 neurons, far from balance."""
    h = rng.normal(0, 2, 8)
    return rng.normal(size=(8, 8)) * np.exp(h[:, None] - h)
