"""`verify` of two networks on disk: what is a rescaling, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from large_networks import Arrays, families, islands, listed, odd

import neurobal as nb
from neurobal.errors import InvalidInputError
from neurobal.large import verification
from neurobal.large.files import OnFiles

COUNT = iter(range(10**9))


@pytest.fixture
def network(rng: np.random.Generator) -> Arrays:
    return odd(rng)


def stored(network: Arrays, tmp_path: Path) -> nb.SynapsesOnDisk:
    edges = network.post, network.pre, network.weight
    return nb.to_disk([edges], tmp_path / f"network{next(COUNT)}", neurons=network.size)


def rescaled(network: Arrays, h: np.ndarray) -> Arrays:
    return network.but((network.weight * np.exp(h[network.post] - h[network.pre])).astype(network.weight.dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rescalings_are_recognised(dtype: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    for network in (odd(rng, dtype=dtype), islands(rng), families(rng)["ring"]):
        network = network.but(network.weight.astype(dtype))
        h = rng.normal(0.0, 2.0, network.size)
        before, after = stored(network, tmp_path), stored(rescaled(network, h), tmp_path)
        for one, other in ((before, after), (before.folder, str(after.folder)), (after, before)):
            certificate = nb.verify(one, other)
            assert certificate.preserved and certificate.basis == "declared" and certificate.signs_preserved
            assert certificate.residual <= (1e-6 if dtype == np.float32 else 1e-12)
        there = network.weight != 0
        found = np.log(certificate.scale)
        expected = h[network.post] - h[network.pre]
        np.testing.assert_allclose(
            (found[network.pre] - found[network.post])[there], expected[there], rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("entries", [1, 50, 10**6])
@pytest.mark.parametrize("threads", [1, 3])
def test_bands_and_threads_make_no_difference(
    entries: int, threads: int, network: Arrays, rng: np.random.Generator, tmp_path: Path
) -> None:
    after = rescaled(network, rng.normal(0.0, 1.0, network.size))
    before, after = stored(network, tmp_path), stored(after, tmp_path)
    certificate = verification.verified(before, after, np.zeros(network.size, bool), OnFiles(before, entries, threads))
    assert certificate.preserved


def test_pinned_neurons_must_not_have_moved(network: Arrays, rng: np.random.Generator, tmp_path: Path) -> None:
    h = rng.normal(0.0, 1.0, network.size)
    pinned = [20, 30, 40, 50]
    moved = stored(rescaled(network, h), tmp_path)
    h[pinned] = 0.0
    before, held = stored(network, tmp_path), stored(rescaled(network, h), tmp_path)
    assert nb.verify(before, moved).preserved and not nb.verify(before, moved, pinned=pinned).preserved
    certificate = nb.verify(before, held, pinned=pinned)
    assert certificate.preserved and (certificate.scale[pinned] == 1).all()


def test_one_changed_weight_is_found(rng: np.random.Generator, tmp_path: Path) -> None:
    """Wherever it lies: in the spanning forest, or not."""
    network = families(rng)["random"]
    after = rescaled(network, rng.normal(0.0, 1.0, network.size))
    before = stored(network, tmp_path)
    numbers = network.post * network.size + network.pre
    for k in rng.integers(0, network.pre.size, 12).tolist():
        if np.count_nonzero(numbers == numbers[k]) > 1:
            continue
        weight = after.weight.copy()
        weight[k] *= 1.001
        certificate = nb.verify(before, stored(after.but(weight), tmp_path))
        assert certificate.preserved is False and certificate.signs_preserved
        place = k - network.start[network.post[k]]
        name = f"from neuron {network.pre[k]} to neuron {network.post[k]} (number {place} of those that it receives)"
        assert f"All but one value fit a rescaling: without the synapse {name}" in certificate.message


def test_many_changed_weights_are_no_rescaling(network: Arrays, rng: np.random.Generator, tmp_path: Path) -> None:
    after = network.but(network.weight * rng.lognormal(0.0, 0.1, network.weight.size))
    certificate = nb.verify(stored(network, tmp_path), stored(after, tmp_path))
    assert certificate.preserved is False
    assert "NOT preserved: residual" in certificate.message and "largest deviation is at" in certificate.message


def test_a_changed_sign_or_zero_is_named(network: Arrays, tmp_path: Path) -> None:
    before = stored(network, tmp_path)
    zero = int(np.flatnonzero(network.weight == 0)[0])
    for k, value in ((7, -network.weight[7]), (300, 0.0), (zero, 1.0)):
        weight = network.weight.copy()
        weight[k] = value
        certificate = nb.verify(before, stored(network.but(weight), tmp_path))
        assert not certificate.preserved and not certificate.signs_preserved
        place = k - network.start[network.post[k]]
        name = f"from neuron {network.pre[k]} to neuron {network.post[k]} (number {place} "
        assert "signs or zeros changed" in certificate.message and name in certificate.message


@pytest.mark.parametrize("entries", [1, 50, 10**6])
def test_a_missing_or_moved_synapse_is_noticed(entries: int, network: Arrays, tmp_path: Path) -> None:
    before = stored(network, tmp_path)
    k = 333
    without = [np.delete(values, k) for values in (network.post, network.pre, network.weight)]
    moved = network.pre.copy()
    free = np.setdiff1d(np.arange(network.size), network.pre[network.post == network.post[k]])
    moved[k] = free[0]
    for other in (listed(*without, network.size), listed(network.post, moved, network.weight, network.size)):
        after = stored(other, tmp_path)
        passes = OnFiles(before, entries, 2)
        certificate = verification.verified(before, after, np.zeros(network.size, bool), passes)
        assert not certificate.preserved and not certificate.signs_preserved
        assert f"that neuron {network.post[k]} receives come from other neurons" in certificate.message


def test_rounding_along_a_deep_forest_is_smoothed(rng: np.random.Generator, tmp_path: Path) -> None:
    """On a long ring the rounding of single precision adds up, and comes out again by least squares."""
    n = 20_000
    post = np.concatenate([np.arange(n), np.roll(np.arange(n), 1), np.roll(np.arange(n), 2)])
    pre = np.tile(np.arange(n), 3)
    pre[:n] = np.roll(np.arange(n), -1)
    network = listed(post, pre, rng.lognormal(0.0, 1.0, post.size).astype(np.float32), n)
    h = rng.normal(0.0, 1.0, n)
    before, after = stored(network, tmp_path), stored(rescaled(network, h), tmp_path)
    assert nb.verify(before, after).preserved


def test_other_neurons_are_an_error(network: Arrays, tmp_path: Path) -> None:
    before = stored(network, tmp_path)
    edges = [(network.post, network.pre, network.weight)]
    larger = nb.to_disk(edges, tmp_path / "larger", neurons=network.size + 1)
    renamed = nb.to_disk([(network.post + 1, network.pre + 1, network.weight)], tmp_path / "renamed",
                         neurons=np.arange(network.size) + 1)  # fmt: skip
    for other in (larger, renamed):
        with pytest.raises(
            InvalidInputError, match="the two networks have different neurons: 120 with the ids 0, 1, 2"
        ):
            nb.verify(before, other)


def test_what_is_possible_in_memory_only(network: Arrays, tmp_path: Path) -> None:
    before = stored(network, tmp_path)
    with pytest.raises(InvalidInputError, match=r"homogeneity.*in memory only"):
        nb.verify(before, before, homogeneity=2.0)
    with pytest.raises(InvalidInputError, match=r"one network is on disk, the other is csr_array.*matrix\(\)"):
        nb.verify(before, before.matrix())
    with pytest.raises(InvalidInputError, match="the other is missing"):
        nb.verify(before)
    with pytest.raises(InvalidInputError, match="There is no folder"):
        nb.verify(before, tmp_path / "nowhere")


def test_networks_without_synapses(tmp_path: Path) -> None:
    none = Arrays(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0))
    one = listed(np.array([2]), np.array([1]), np.ones(1), 3)
    assert nb.verify(stored(none, tmp_path), stored(none, tmp_path)).preserved
    assert not nb.verify(stored(none, tmp_path), stored(one, tmp_path)).preserved
    assert not nb.verify(stored(one, tmp_path), stored(none, tmp_path)).preserved
