"""Small steps, so that few edges need many of them, and no waiting for the disk: power stays on in tests."""

from __future__ import annotations

import pytest

from neurobal.disk import checking, sources, stages


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK", 23)
    monkeypatch.setattr(stages, "SEGMENT", 40)
    monkeypatch.setattr(stages, "BUCKET", 60)
    monkeypatch.setattr(checking, "BLOCK", 31)
    monkeypatch.setattr("os.fsync", lambda file: None)
