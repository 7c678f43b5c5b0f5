"""Progress as a bar, which tqdm draws."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tqdm.auto

import neurobal as nb
from neurobal.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_ends_where_the_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    original = tqdm.auto.tqdm
    monkeypatch.setattr(tqdm.auto, "tqdm", lambda **options: original(file=terminal, mininterval=0, **options))
    progress = Progress("bar", "some work", period=0.0)
    progress.update(0.25)
    progress.update(0.5)
    progress.done()
    shown = terminal.getvalue()
    assert "some work:   0%" in shown and "some work:  50%" in shown and "some work: 100%" in shown


def test_nothing_is_drawn_where_nobody_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert nb.balance(np.ones((3, 3)) + np.triu(np.ones((3, 3))), report="bar").success
    assert capsys.readouterr() == ("", "")
