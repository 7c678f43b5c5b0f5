"""Balancing on disk that was stopped goes on where it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurobal as nb
from benchmarks import graphs
from neurobal.errors import InvalidInputError
from neurobal.large import balancing


class Stopped(Exception):
    pass


@pytest.fixture
def net(tmp_path: Path, rng: np.random.Generator) -> nb.SynapsesOnDisk:
    return nb.to_disk(graphs.ring(1500, rng), tmp_path / "net")


def stop_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    """Let the step after ``steps`` others be the last one, before it is kept."""
    record, count = balancing.Watch.record, [0]

    def recorded(self: balancing.Watch, *arguments: object) -> None:
        count[0] += 1
        if count[0] > steps:
            raise Stopped
        record(self, *arguments)

    patch.setattr(balancing.Watch, "record", recorded)


def test_it_goes_on_from_every_step(net: nb.SynapsesOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, file = nb.balance(net), tmp_path / "state.npz"
    for _ in range(len(whole.history)):  # one step a call
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_after(2 if file.exists() else 1, patch)
            nb.balance(net, checkpoint=file)
        if np.load(file)["imbalance"][-1] < 1e-6:
            break
    result = nb.balance(net, checkpoint=file)
    assert result.success and not file.exists()
    assert np.allclose(result.log_scale, whole.log_scale, rtol=0, atol=1e-6)  # both to the tolerance
    assert (result.cost_before, result.imbalance_before) == (whole.cost_before, whole.imbalance_before)
    assert result.cost == pytest.approx(whole.cost, rel=1e-12)
    assert np.all(np.diff(result.history.cost) <= 1e-12 * result.history.cost[1:])
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_what_was_reached_is_not_done_again(
    net: nb.SynapsesOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, file = nb.balance(net), tmp_path / "state.npz"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(len(whole.history) - 1, patch)
        nb.balance(net, checkpoint=file)
    assert nb.balance(net, checkpoint=file).evaluations < 0.8 * whole.evaluations


def test_a_budget_that_ran_out_can_be_raised(net: nb.SynapsesOnDisk, tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    assert not nb.balance(net, max_iter=1, checkpoint=file).success and file.exists()
    assert nb.balance(net, checkpoint=file).success and not file.exists()


@pytest.mark.parametrize("other", [{"pinned": [3]}, {"cost": nb.Power(1)}])
def test_another_question_is_an_error(net: nb.SynapsesOnDisk, tmp_path: Path, other: dict[str, object]) -> None:
    file = tmp_path / "state.npz"
    nb.balance(net, max_iter=1, checkpoint=file)
    with pytest.raises(InvalidInputError, match=r"of another network, cost or pins"):
        nb.balance(net, checkpoint=file, **other)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InvalidInputError, match="damaged"):
        nb.balance(net, checkpoint=file)


def test_in_memory_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="only balancing on disk keeps one"):
        nb.balance(np.array([[0.0, 8.0], [0.5, 0.0]]), checkpoint=tmp_path / "state.npz")  # type: ignore[call-overload]
