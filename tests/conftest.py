"""Set-up for all tests: imports from the repository, and hypothesis without chance."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

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


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture
def dense(rng: np.random.Generator) -> np.ndarray:
    """A dense (post, pre) matrix of 8 neurons, far from balance."""
    h = rng.normal(0, 2, 8)
    return rng.normal(size=(8, 8)) * np.exp(h[:, None] - h)
