"""Progress is told as Brian2 tells it, and an interruption in the middle leaves everything as it was."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import neurobal as nb
from neurobal import progress
from neurobal.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves ten seconds whenever somebody looks at it."""
    now = iter(range(0, 10**9, 10))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(now))))


class Report:
    """Collects the calls, and interrupts at one of them."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.calls: list[tuple[float, float, float, float]] = []
        self.interrupt_at = interrupt_at

    def __call__(self, elapsed: float, completed: float, start: float, duration: float) -> None:
        self.calls.append((elapsed, completed, start, duration))
        if len(self.calls) == self.interrupt_at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic", "flow"])
def test_a_function_is_called_as_brian_calls_it(dense: np.ndarray, method: str, clock: None) -> None:
    report = Report()
    nb.balance(dense, method=method, report=report)
    elapsed, completed, start, duration = (np.array(column) for column in zip(*report.calls, strict=True))
    assert len(report.calls) > 2
    assert completed[0] == 0 and completed[-1] == 1
    assert np.all(np.diff(completed) >= 0) and np.all(np.diff(elapsed) > 0)
    assert np.all(start == 0) and np.all(duration == 1)


def test_quick_work_is_reported_twice(dense: np.ndarray) -> None:
    report = Report()
    nb.balance(dense, report=report)
    assert [completed for _, completed, _, _ in report.calls] == [0, 1]


@pytest.mark.parametrize(("report", "stream"), [("text", "out"), ("stdout", "out"), ("stderr", "err")])
def test_text_goes_where_it_should(
    dense: np.ndarray, report: str, stream: str, clock: None, capsys: pytest.CaptureFixture[str]
) -> None:
    nb.balance(dense, report=report)
    captured = capsys.readouterr()
    text, other = (captured.out, captured.err) if stream == "out" else (captured.err, captured.out)
    lines = text.splitlines()
    assert lines[0] == "Starting: balancing 8 units, 64 synapses"
    assert any("% after" in line and "imbalance" in line for line in lines[1:-1])
    assert lines[-1].startswith("Finished: balancing 8 units") and not other


def test_silence_is_the_default(dense: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    nb.balance(dense)
    assert capsys.readouterr() == ("", "")


def test_what_was_reached_is_not_taken_back(clock: None) -> None:
    report = Report()
    work = Progress(report, "work")
    for fraction in (0.2, 0.6, 0.4, 7.0):
        work.update(fraction)
    assert [completed for _, completed, _, _ in report.calls] == [0, 0.2, 0.6, 0.6, 1]


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic", "flow"])
def test_an_interrupted_solve_changes_nothing(dense: np.ndarray, method: str, clock: None) -> None:
    before, report = dense.copy(), Report(interrupt_at=3)
    with pytest.raises(KeyboardInterrupt):
        nb.balance(dense, method=method, report=report)
    assert len(report.calls) == 3 and 0 < report.calls[-1][1] < 1
    assert np.array_equal(dense, before)
    assert nb.balance(dense, method=method).success


def test_an_interrupted_solve_leaves_a_circuit_as_it_was(dense: np.ndarray, clock: None) -> None:
    circuit = nb.as_circuit(dense)
    with pytest.raises(KeyboardInterrupt):
        nb.balance(circuit, report=Report(interrupt_at=3))
    assert np.array_equal(circuit.projections["weights"].container, dense)
