"""Passes: what one band answers, merged in any tree, is what all synapses answer."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from large_networks import Arrays, odd
from scipy import sparse

from neurobal.errors import InvalidFileError
from neurobal.large.checks import Check, Deviating, Gradient, Neighbours
from neurobal.large.costs import PowerCosts
from neurobal.large.files import OnFiles
from neurobal.large.forest import Span
from neurobal.large.passes import Part, Parts, RowBand, Work, merged
from neurobal.large.structure import Degrees, FromGround, Overview, Reach, Structure, Touching
from neurobal.large.works import Extremes, Grouped, Largest, LogSums, Strong, Sums, Together
from neurobal.stores import InMemory

SIZE = 120


@pytest.fixture
def network(rng: np.random.Generator) -> Arrays:
    return odd(rng, SIZE)


def works(network: Arrays) -> dict[str, Work]:
    rng = np.random.default_rng(2)
    labels = rng.integers(-1, 2, SIZE).astype(np.int32)
    left, right = rng.normal(0, 1, (2, SIZE))
    positive, root = rng.lognormal(0, 1, (2, SIZE))
    mask = rng.random(SIZE) < 0.2
    plain, wide = PowerCosts(1.5, 0.3, labels), PowerCosts(2.0, 0.1, labels, (left, right))
    return {
        "sums": Sums(plain, positive, root),
        "shifted sums": Sums(wide, positive, root),
        "log sums": LogSums(wide),
        "largest": Largest(wide),
        "extremes": Extremes(plain, left, right),
        "strong": Strong(plain, positive, root, np.sqrt(root), 0.5),
        "grouped": Grouped(plain, positive, root, rng.integers(0, 9, SIZE), 9, 81),
        "degrees": Degrees(),
        "reach": Reach(np.zeros(SIZE, np.int32), mask, mask, np.zeros(SIZE, bool)),
        "structure": Structure(labels, mask),
        "overview": Overview(np.where(mask, 2, labels), mask, (1.0, 2.0)),
        "ground": FromGround(np.where(mask, 1, labels), mask, 2.0),
        "touching": Touching(plain, mask, 10**6),
        "check": Check(left),
        "other": Check(left, network),
        "deviating": Deviating(left, network, 1.0, 10**6),
        "gradient": Gradient(left, network),
        "neighbours": Neighbours(left),
        "together": Together((Degrees(), Sums(plain, positive, root))),
    }


NAMES = [*works(odd(np.random.default_rng(1), SIZE))]


def assert_same(first: Any, second: Any) -> None:
    if isinstance(first, (tuple, list)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif sparse.issparse(first):
        np.testing.assert_allclose(first.toarray(), second.toarray(), rtol=1e-12, atol=1e-300)
    elif first is None or isinstance(first, (str, bool)):
        assert first == second
    else:
        np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-12)


def answers(parts: Parts) -> tuple[Any, ...]:
    return tuple(part.value for part in parts)


def bands(network: Arrays, entries: int = 70) -> list[RowBand]:
    passes = OnFiles(network, entries)
    return [passes.band(k) for k in range(len(passes._cuts))]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reach"])
def test_bands_make_no_difference(name: str, network: Arrays) -> None:
    work = works(network)[name]
    (whole,) = bands(network, 10**6)
    expected = answers(work.on(whole))
    for entries in (1, 50, 333):
        for threads in (1, 3):
            assert_same(OnFiles(network, entries, threads).run(work), expected)


@pytest.mark.parametrize("name", NAMES)
def test_merging_is_associative(name: str, network: Arrays) -> None:
    work = works(network)[name]

    def parts() -> list[Parts]:  # merging may overwrite them
        return [work.on(band) for band in bands(network)]

    assert len(parts()) > 6
    left = reduce(merged, parts())
    right = reduce(lambda late, early: merged(early, late), reversed(parts()))

    def tree(pieces: list[Parts]) -> Parts:
        half = len(pieces) // 2
        return pieces[0] if len(pieces) == 1 else merged(tree(pieces[:half]), tree(pieces[half:]))

    assert_same(answers(left), answers(right))
    assert_same(answers(left), answers(tree(parts())))


@pytest.mark.parametrize("name", NAMES)
def test_work_bands_and_parts_can_be_sent(name: str, network: Arrays) -> None:
    send: Callable[[Any], Any] = lambda thing: pickle.loads(pickle.dumps(thing))  # noqa: E731
    work = works(network)[name]
    here = [work.on(band) for band in bands(network)]
    there = [send(send(work).on(send(band))) for band in bands(network)]
    assert all(isinstance(part, Part) for parts in here for part in parts)
    assert_same(answers(reduce(merged, there)), answers(reduce(merged, here)))


def test_forests_merge_to_forests(network: Arrays) -> None:
    """The trees of a merged forest are those of the whole graph."""
    number = np.arange(SIZE, dtype=np.int32)
    work = Span(number, network.but(network.weight * 2))
    graph = sparse.coo_array((np.abs(network.weight), (network.post, network.pre)), shape=(SIZE + 1, SIZE + 1)).tocsr()
    graph.eliminate_zeros()
    count, _ = sparse.csgraph.connected_components(graph, directed=False)
    for entries in (1, 70, 10**6):
        post, pre, y = OnFiles(network, entries, 3).run(work)[0]
        assert post.size == SIZE + 1 - count
        forest = sparse.coo_array((np.ones(post.size), (post, pre)), shape=graph.shape).tocsr()
        assert sparse.csgraph.connected_components(forest, directed=False)[0] == count
        np.testing.assert_allclose(y, np.log(2))


def test_sums_are_those_in_memory(network: Arrays, rng: np.random.Generator) -> None:
    t, s = rng.normal(0, 1, (2, SIZE))
    weight = np.where(network.post == network.pre, 0.0, np.abs(network.weight) ** 1.5)
    store = InMemory.of_synapses(network.post.astype(np.int32), network.pre, weight, SIZE, 0.0)
    expected = store.costs(None, 0.0).sums(t, s)
    found = OnFiles(network, 100).run(Sums(PowerCosts(1.5), t, s))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


class Failing(Work):
    def on(self, band: RowBand) -> Parts:
        raise KeyboardInterrupt


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupt_ends_a_pass(threads: int, network: Arrays) -> None:
    with pytest.raises(KeyboardInterrupt):
        OnFiles(network, 50, threads).run(Failing())


@pytest.mark.parametrize("threads", [1, 3])
def test_who_is_told_may_interrupt(threads: int, network: Arrays) -> None:
    """As Ctrl-C does: it reaches the main thread, which tells how far a pass is."""
    passes = OnFiles(network, 1, threads)

    def tell(count: int, done: float) -> None:
        if count == 2:
            raise KeyboardInterrupt

    passes.tell = tell
    passes.run(Degrees())
    with pytest.raises(KeyboardInterrupt):
        passes.run(Degrees())


def test_a_file_that_has_become_shorter_is_an_error(network: Arrays, tmp_path: Any) -> None:
    paths = [tmp_path / name for name in ("start", "pre", "weight")]
    mapped = []
    for path, values in zip(paths, (network.start, network.pre, network.weight), strict=True):
        values.tofile(path)
        mapped.append(np.memmap(path, values.dtype, "r"))
    passes = OnFiles(Arrays(*mapped), 50)
    passes.run(Degrees())
    with open(paths[2], "r+b") as stream:
        stream.truncate(100)
    with pytest.raises(InvalidFileError, match=r"weight.*has changed since it was opened.*100 bytes"):
        passes.run(Degrees())


def test_passes_are_counted_and_told(network: Arrays) -> None:
    for threads in (1, 3):
        passes, told = OnFiles(network, 50, threads), []
        passes.tell = lambda count, done, told=told: told.append((count, done))  # type: ignore[misc]
        passes.run(Degrees())
        passes.run(Degrees())
        assert passes.count == 2 and told[-1] == (2, 1.0)
        assert sorted(told) == told
