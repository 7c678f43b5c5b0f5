"""Networks on disk through the one door: the answer, writing it, and what is possible in memory only."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from large_networks import Arrays, listed, odd

import neurobal as nb
from neurobal.disk.header import HEADER
from neurobal.errors import InvalidInputError, NeurobalError, UnbalanceableError
from neurobal.large import writing
from neurobal.large.files import OnFiles


@pytest.fixture
def network(rng: np.random.Generator) -> Arrays:
    return odd(rng)


@pytest.fixture
def disk(network: Arrays, tmp_path: Path) -> nb.SynapsesOnDisk:
    """The same network, whose neurons have names."""
    names = np.array([f"cell {k}" for k in range(network.size)])
    edges = names[network.post], names[network.pre], network.weight
    return nb.to_disk([edges], tmp_path / "network", neurons=names)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_answer_is_that_of_the_network_in_memory(network: Arrays, disk: nb.SynapsesOnDisk) -> None:
    before = content(disk.folder)
    result = nb.balance(disk, pinned=["cell 20", "cell 33"], tol=1e-12)
    mask = np.isin(np.arange(network.size), [20, 33])
    expected = nb.balance(network.circuit(mask), tol=1e-12)
    assert result.success and result.message == expected.message
    np.testing.assert_allclose(result.log_scale, expected.log_scale["cells"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.scale, np.exp(result.log_scale))
    np.testing.assert_allclose([result.cost_before, result.cost], [expected.cost_before, expected.cost], rtol=1e-9)
    assert result.imbalance <= 1e-12 and result.worst_unit <= 1e-6 < result.imbalance_before
    assert result.history.cost[0] == result.cost_before and result.history.cost[-1] == result.cost
    assert result.evaluations > result.iterations > 0
    table = result.table()
    assert table["id"][33] == "cell 33" and table["scale"][33] == 1
    assert np.flatnonzero(table["pinned"]).tolist() == [20, 33]
    assert np.array_equal(table["left_out"], expected.table()["left_out"])
    (left_out,) = result.excluded
    assert left_out.synapses == sum(e.synapses.size for e in expected.excluded)
    assert str(left_out) == f"{left_out.synapses} of {np.count_nonzero(network.weight)} synapses: no way back"
    assert content(disk.folder) == before


def test_it_shows_itself(disk: nb.SynapsesOnDisk) -> None:
    result = nb.balance(disk, pinned=["cell 20"], cost=nb.Power(2) + 0.5 * nb.Power(1))
    text = repr(result)
    for part in ("LargeBalance: balanced (newton", "Σ w² + 0.5 Σ |w|", "120 neurons (1 pinned)", "left out: "):
        assert part in text and part in result._repr_html_().replace("&#x27;", "'")
    failed = nb.balance(disk, max_iter=0)
    assert not failed.success and "NOT balanced" in repr(failed) and "max_iter" in failed.message


def test_progress_is_told_by_pass(disk: nb.SynapsesOnDisk, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("neurobal.progress.Progress.__init__.__defaults__", (0.0,))
    nb.balance(disk, report="text")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Starting: balancing 120 neurons, {disk.nnz} synapses on disk"
    assert any("pass 1 (100%)" in line for line in lines)
    assert any("pass 9 (100%), imbalance" in line for line in lines)
    assert "passes" in lines[-1]


def test_pinned_neurons_are_named_by_id_or_mask(disk: nb.SynapsesOnDisk) -> None:
    mask = disk.ids == "cell 40"
    assert np.array_equal(nb.balance(disk, pinned=mask).scale, nb.balance(disk, pinned="cell 40").scale)
    with pytest.raises(InvalidInputError, match=r"pinned: .*has no neurons with the ids 'cell 400'"):
        nb.balance(disk, pinned=["cell 400"])
    with pytest.raises(InvalidInputError, match=r"pinned: a mask needs one entry a neuron, \(120,\)"):
        nb.balance(disk, pinned=mask[1:])
    with pytest.raises(InvalidInputError, match="all 120 are pinned"):
        nb.balance(disk, pinned=True)


@pytest.mark.parametrize(
    "options",
    [{"tied": [0, 0]}, {"homogeneity": 2.0}, {"scaling": {}}, {"dyadic": True}, {"namespace": {}}, {"method": "flow"}],
)
def test_what_is_possible_in_memory_only(options: dict[str, Any], disk: nb.SynapsesOnDisk) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{next(iter(options))}.*in memory only so far.*matrix\(\)"):
        nb.balance(disk, **options)


def test_bad_options_are_errors_as_in_memory(disk: nb.SynapsesOnDisk) -> None:
    with pytest.raises(InvalidInputError, match="tol"):
        nb.balance(disk, tol=2)
    with pytest.raises(InvalidInputError, match="there is no method 'newtn'"):
        nb.balance(disk, method="newtn")
    with pytest.raises(UnbalanceableError, match=r"neurons: neuron 'cell \d+', .*on_unbalanceable='exclude'"):
        nb.balance(disk, on_unbalanceable="raise")


def test_it_can_be_loaded(network: Arrays, disk: nb.SynapsesOnDisk) -> None:
    matrix = disk.matrix()
    assert matrix.nnz == disk.nnz and matrix.data.flags.writeable
    dense = np.zeros((network.size, network.size))
    np.add.at(dense, (network.post, network.pre), network.weight)
    np.testing.assert_allclose(matrix.toarray(), dense)


def test_an_interrupt_leaves_files_untouched(disk: nb.SynapsesOnDisk, monkeypatch: Any) -> None:
    before = content(disk.folder)
    run = OnFiles.run

    def interrupted(self: OnFiles, work: Any) -> Any:
        if self.count == 9:
            raise KeyboardInterrupt
        return run(self, work)

    monkeypatch.setattr(OnFiles, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nb.balance(disk)
    assert content(disk.folder) == before


# --------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_written_is_balanced(dtype: Any, network: Arrays, tmp_path: Path) -> None:
    weight = network.weight.astype(dtype)
    disk = nb.to_disk([(network.post, network.pre, weight)], tmp_path / "network", neurons=network.size)
    result = nb.balance(disk, tol=1e-12)
    written = result.write(tmp_path / "deep" / "balanced")
    again = nb.on_disk(tmp_path / "deep" / "balanced")
    for found in (written, again):
        assert found.weight.dtype == dtype
        assert np.array_equal(found.start, disk.start) and np.array_equal(found.pre, disk.pre)
        assert np.array_equal(found.ids, disk.ids)
    post = np.repeat(np.arange(network.size), np.diff(disk.start))
    expected = disk.weight * result.scale[post] / result.scale[disk.pre]
    np.testing.assert_allclose(written.weight, expected, rtol=4 * np.finfo(dtype).eps)
    assert not (tmp_path / "deep" / "balanced" / writing.MARK).exists()
    assert nb.balance(again, max_iter=0).imbalance < (1e-5 if dtype == np.float32 else 1e-11)
    certificate = result.certificate
    assert certificate.preserved and certificate.signs_preserved and not certificate.exact
    assert certificate.residual <= (1e-6 if dtype == np.float32 else 1e-12)


def test_ids_are_written_along(disk: nb.SynapsesOnDisk, tmp_path: Path) -> None:
    written = nb.balance(disk).write(tmp_path / "balanced")
    assert np.array_equal(written.ids, disk.ids) and np.array_equal(nb.on_disk(written.folder).ids, disk.ids)


def test_nothing_is_overwritten(disk: nb.SynapsesOnDisk, tmp_path: Path) -> None:
    result = nb.balance(disk)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter").write_text("dear")
    (tmp_path / "file").write_text("dear")
    result.write(tmp_path / "balanced")
    for folder, why in (
        (disk.folder, "is the network itself"),
        (tmp_path / "balanced", "is a network already"),
        (other, "is not empty: it has 'letter'"),
        (tmp_path / "file", "is a file"),
    ):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(InvalidInputError, match=why):
            result.write(folder)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("moment", range(4))
def test_an_interrupt_while_writing_leaves_nothing(
    moment: int, disk: nb.SynapsesOnDisk, tmp_path: Path, monkeypatch: Any
) -> None:
    result = nb.balance(disk)
    calls = []

    def flush(stream: Any) -> None:
        calls.append(stream)
        if len(calls) > moment:
            raise KeyboardInterrupt

    monkeypatch.setattr(writing, "to_the_disk", flush)
    with pytest.raises(KeyboardInterrupt):
        result.write(tmp_path / "balanced")
    assert not (tmp_path / "balanced").exists()
    monkeypatch.undo()
    assert result.write(tmp_path / "balanced").nnz == disk.nnz


def test_what_was_killed_is_written_anew(disk: nb.SynapsesOnDisk, tmp_path: Path) -> None:
    result = nb.balance(disk)
    expected = content(result.write(tmp_path / "balanced").folder)
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / writing.MARK).write_text(json.dumps({}))
    (killed / "weight.f64").write_bytes(b"half")
    with pytest.raises(InvalidInputError, match="is no network, or not yet"):
        nb.on_disk(killed)
    result.write(killed)
    assert content(killed) == expected


def test_a_full_disk_is_an_error_that_leaves_nothing(disk: nb.SynapsesOnDisk, tmp_path: Path, monkeypatch: Any) -> None:
    result = nb.balance(disk)

    def full(stream: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "to_the_disk", full)
    with pytest.raises(NeurobalError, match=r"is full; the network takes 0.\d+ GB.*Make room"):
        result.write(tmp_path / "balanced")
    assert not (tmp_path / "balanced").exists()
    monkeypatch.undo()
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(NeurobalError, match=r"has 0.000 GB free.*Nothing was written"):
        result.write(tmp_path / "balanced")
    assert not (tmp_path / "balanced").exists()


@pytest.mark.parametrize("low", [1e-30, 1e-44])
def test_weights_out_of_range_are_named(low: float, tmp_path: Path) -> None:
    """A strong and a weak synapse, whose balance single precision holds or not; the third one moves along."""
    edges = [(["b", "a", "c"], ["a", "b", "a"], np.array([1e30, low, 1e-20], np.float32))]
    disk = nb.to_disk(edges, tmp_path / "network")
    result = nb.balance(disk)
    assert result.success
    if low == 1e-30:
        result.write(tmp_path / "balanced")
        return
    result.log_scale[:] = [100.0, -50.0, 0.0]
    with pytest.raises(
        InvalidInputError, match=r"from neuron 'a' to neuron 'c'.*cannot hold \(it becomes 0\).*double precision"
    ):
        result.write(tmp_path / "balanced")
    assert not (tmp_path / "balanced").exists()
    assert (disk.folder / HEADER).exists()


def test_scales_by_powers_of_two_are_exact(tmp_path: Path) -> None:
    disk = nb.to_disk([(np.array([0, 1]), np.array([1, 0]), np.array([8.0, 0.5]))], tmp_path / "pair")
    certificate = nb.balance(disk).certificate
    assert certificate.preserved
    network = listed(np.array([0, 1]), np.array([1, 0]), np.array([2.0, 2.0]), 2)
    other = nb.to_disk([(network.post, network.pre, network.weight)], tmp_path / "other")
    assert nb.verify(disk, other).exact
