"""Dask is optional: it is imported when a dataframe comes, and what is missing is named."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from neurobal.cluster import installed
from neurobal.errors import InvalidInputError


def test_neurobal_does_not_import_dask() -> None:
    code = "import sys, neurobal; sys.exit(any(name in sys.modules for name in ('dask', 'distributed', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_missing_is_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InvalidInputError, match=r'distributed: pip install "neurobal\[dask\]"'):
        installed.needed("distributed")


def test_other_things_are_no_dataframes() -> None:
    assert not installed.is_dask_dataframe(None) and not installed.is_dask_dataframe([[0.0, 1.0]])
