"""Edges from every kind of source in memory come back from the disk: all of them, sorted, with the ids they had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disk_networks import chunked, contents, expected, random_edges, rows_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import neurobal as nb
from neurobal.errors import InvalidInputError

N = 40
FORMATS = ("coo", "csr", "csc", "lil", "dok", "dia", "bsr")
IDS = {
    "int16": np.arange(N, dtype=np.int16) * 3 - 50,
    "int64": 2**62 + 17 * np.arange(N)[::-1],
    "uint64": np.uint64(2**63) + np.uint64(7) * np.arange(N, dtype=np.uint64),
    "both": np.arange(N, dtype=np.uint64) * np.uint64(2**58),
    "strings": np.array([f"n{k * 7 % N}é" for k in range(N)]),
    "objects": np.array([f"{'x' * k}∂" for k in range(N)], dtype=object),
    "bytes": np.array([f"cell {k}" for k in range(N)], dtype="S"),
}


def plain_ids(ids: np.ndarray) -> list[Any]:
    return [name.decode() if isinstance(name, bytes) else name for name in ids.tolist()]


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("given_ids", [False, True])
def test_chunks_in_random_order(kind: str, given_ids: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, N)
    ids = IDS[kind]
    shuffled = rng.permutation(ids)
    chunks = iter(chunked(ids[post], ids[pre], weight))
    network = nb.to_disk(chunks, tmp_path / "net", neurons=shuffled if given_ids else None)
    names = plain_ids(ids)
    if given_ids:
        assert network.ids.tolist() == plain_ids(shuffled)
        place = {name: k for k, name in enumerate(plain_ids(shuffled))}
    else:
        assert network.ids.tolist() == sorted({names[k] for k in {*post, *pre}})
        place = {name: k for k, name in enumerate(sorted(names))}
    rows = [(place[names[a]], place[names[b]], c) for a, b, c in zip(post, pre, weight.tolist(), strict=True)]
    back = {k: name for name, k in place.items()}
    wanted = [(back[a], back[b], c) for a, b, c in sorted(rows, key=lambda row: row[:2])]
    assert rows_of(network) == wanted
    assert rows_of(nb.on_disk(tmp_path / "net")) == wanted
    assert network.numbers(network.ids[::-1]).tolist() == [*range(network.size)][::-1]
    assert not (tmp_path / "net" / "work").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_sparse_matrices(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, N)
    matrix = sparse.coo_array((weight, (post, pre)), shape=(N, N)).asformat(form)
    network = nb.to_disk(matrix, tmp_path / "net")
    assert (network.size, network.header.ids) == (N, "none")
    stored = matrix.tocoo()
    assert rows_of(network) == expected(stored.row, stored.col, stored.data)


def test_repeated_entries_of_a_matrix_stay_several_synapses(tmp_path: Path) -> None:
    rows = sparse.csr_array((np.array([2.0, 3.0, 0.0, 1.0]), np.array([1, 1, 0, 0]), np.array([0, 3, 4])), shape=(2, 2))
    assert rows_of(nb.to_disk(rows, tmp_path / "net")) == [(0, 0, 0.0), (0, 1, 2.0), (0, 1, 3.0), (1, 0, 1.0)]


def test_dense_arrays(tmp_path: Path, dense: np.ndarray) -> None:
    dense[dense < 0] = 0
    post, pre = np.nonzero(dense)
    assert rows_of(nb.to_disk(dense, tmp_path / "a")) == expected(post, pre, dense[post, pre])
    masked = np.ma.masked_array(dense, mask=dense > 1)
    network = nb.to_disk(masked, tmp_path / "b", neurons=[f"n{k}" for k in range(8)])
    assert network.nnz == np.count_nonzero((dense > 0) & (dense <= 1)) and network.ids[3] == "n3"


def test_bands_of_rows(tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, N)
    matrix = sparse.coo_array((weight, (post, pre)), shape=(N, N)).tocsr()
    bands = (matrix[k : k + 7] for k in range(0, N, 7))
    network = nb.to_disk(bands, tmp_path / "net")
    assert rows_of(network) == expected(matrix.tocoo().row, matrix.tocoo().col, matrix.tocoo().data)
    with pytest.raises(InvalidInputError, match=r"7 rows together, and 40 columns"):
        nb.to_disk([matrix[:7]], tmp_path / "short")
    with pytest.raises(InvalidInputError, match=r"chunk 1: expected a sparse matrix of 40 columns"):
        nb.to_disk([matrix[:7], (post, pre, weight)], tmp_path / "other")


def test_adding_up(tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, 7, 400)
    network = nb.to_disk([(post, pre, weight)], tmp_path / "net", neurons=7, add_up=True)
    sums = sparse.coo_array((weight, (post, pre)), shape=(7, 7)).toarray()
    assert network.header.added_up and len({row[:2] for row in rows_of(network)}) == network.nnz < 50
    for a, b, c in rows_of(network):
        assert abs(c - sums[a, b]) <= 400 * 2**-52 * np.abs(weight).sum()
    assert nb.on_disk(tmp_path / "net").header.added_up


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("int8", "float32"), ("float16", "float32"), ("bool", "float32"), ("float32", "float32"), ("int32", "float64"),
     ("uint64", "float64"), ("longdouble", "float64")],
)  # fmt: skip
def test_precision(dtype: str, kept: str, tmp_path: Path) -> None:
    weight = np.array([0, 1, 100, 1]).astype(dtype)
    network = nb.to_disk([([0, 1, 2, 3], [3, 2, 1, 0], weight)], tmp_path / "net")
    assert str(network.weight.dtype) == kept and network.weight.tolist() == weight.tolist()


def test_one_chunk_of_doubles_makes_all_double(tmp_path: Path) -> None:
    chunks = [([0] * 50, [1] * 50, np.full(50, 0.5, np.float32)), ([1], [0], np.array([0.1]))]
    network = nb.to_disk(chunks, tmp_path / "net")
    assert network.weight.dtype == np.float64 and network.weight[-1] == 0.1


@pytest.mark.parametrize(
    ("edges", "neurons", "size"),
    [([], None, 0), ([], 5, 5), ([], ["a", "b"], 2), (np.zeros((4, 4)), None, 4), (sparse.csr_array((3, 3)), None, 3),
     ([([], [], [])], None, 0), (np.zeros((0, 0)), None, 0)],
)  # fmt: skip
def test_networks_without_synapses(edges: Any, neurons: Any, size: int, tmp_path: Path) -> None:
    network = nb.to_disk(edges, tmp_path / "net", neurons=neurons)
    again = nb.on_disk(tmp_path / "net")
    assert (network.size, network.nnz, again.size, again.nnz, len(again.ids)) == (size, 0, size, 0, size)
    assert again.start.tolist() == [0] * (size + 1) and again.pre.size == again.weight.size == 0


@given(st.data())
def test_any_list(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
    texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9)
    names = data.draw(st.lists(data.draw(st.sampled_from([integers, texts])), min_size=1, max_size=6, unique=True))
    ends = st.sampled_from(names)
    rows = data.draw(st.lists(st.tuples(ends, ends, st.floats(-9, 9)), max_size=90))
    cut = data.draw(st.integers(1, 40))
    chunks = [tuple(map(list, zip(*rows[k : k + cut], strict=True))) for k in range(0, len(rows), cut)]
    network = nb.to_disk(chunks, tmp_path_factory.mktemp("any") / "net")
    assert rows_of(network) == sorted(rows, key=lambda row: row[:2])


def test_progress_rises_to_one(tmp_path: Path, rng: np.random.Generator) -> None:
    told: list[float] = []
    nb.to_disk(chunked(*random_edges(rng)), tmp_path / "net", report=lambda e, done, s, d: told.append(done))
    assert told[0] == 0 and told[-1] == 1 and told == sorted(told)


# --------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("edges", "options", "message"),
    [
        ([([1, 2], [3, 4], [1.0, np.nan])], {}, "Chunk 0, edge 1: the weight from neuron 4 to neuron 2 is nan"),
        ([(["a"], ["b"], [np.inf])], {}, "from neuron 'b' to neuron 'a' is inf"),
        ([(["a"], ["b"], [np.longdouble("1e4000")])], {}, "from neuron 'b' to neuron 'a' is inf"),
        ([([1, 5], [3, 4], [1, 1])], {"neurons": 5}, "Chunk 0, edge 1: the post id 5 is none of the 5 neurons"),
        ([([1, 0], [3, -1], [1, 1])], {"neurons": 5}, "the pre id -1 is none of the 5 neurons"),
        ([([7, 9], [7, 7], [1, 1])], {"neurons": [7, 8]}, "the post id 9 is none of the 2 neurons"),
        ([(["a"], ["b"], [1])], {"neurons": [7, 8]}, "the post id 'a' is none of"),
        ([([1], [2], [1]), (["a"], ["b"], [1])], {}, "all whole numbers or all strings, got 1 and 'a'"),
        ([([-1], [2**63], [1])], {}, "from -1 to beyond"),
        ([([1.5], [2.5], [1])], {}, "ids must be whole numbers or strings, got float64"),
        ([([True], [False], [1])], {}, "ids must be whole numbers or strings"),
        ([(["a", ""], ["b", "c"], [1, 1])], {}, "1 to 255 characters"),
        ([(["a" * 256], ["b"], [1])], {}, "1 to 255 characters"),
        ([([1, 2], [3, 4], [1])], {}, r"chunk 0: post, pre and weight must have one length, got shapes \(2,\)"),
        ([([1], [3], ["x"])], {}, "weights must be real numbers, got <U1"),
        ([([1], [3], [1j])], {}, "weights must be real numbers, got complex"),
        ([np.zeros((3, 3))], {}, r"chunk 0: expected \(post, pre, weight\)"),
        (np.zeros((3, 4)), {}, r"square \(post, pre\) matrix, got shape \(3, 4\)"),
        (np.full((2, 2), np.nan), {}, "The matrix: the weight from neuron 0 to neuron 0 is nan"),
        (np.zeros((3, 3)), {"neurons": 4}, "the matrix has 3 rows, and there are 4 neurons"),
        (17, {}, "expected a .post, pre. matrix, an iterable"),
        ([], {"neurons": [1, 2, 1]}, "the id 1 is listed more than once"),
        ([], {"neurons": -1}, "from 0 to"),
        ([], {"neurons": 1.5}, "a number or all ids"),
        ([], {"neurons": 2**31}, "from 0 to"),
        ([([0, 0], [1, 1], np.float32([3e38, 3e38]))], {"add_up": True}, "from neuron number 1 to number 0 add up"),
    ],
)  # fmt: skip
def test_errors_name_the_culprit(edges: Any, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=message):
        nb.to_disk(edges, tmp_path / "net", **options)
    with pytest.raises(InvalidInputError):
        nb.on_disk(tmp_path / "net")
    if not options.get("add_up"):
        assert not (tmp_path / "net").exists(), "what is of no use is not left behind"


def test_a_network_is_never_overwritten(tmp_path: Path, rng: np.random.Generator) -> None:
    chunks = chunked(*random_edges(rng))
    nb.to_disk(chunks, tmp_path / "net")
    before = contents(tmp_path / "net")
    for edges in (chunks, [([0], [1], [1.0])]):
        with pytest.raises(InvalidInputError, match=r"is a network already: nb.on_disk opens it"):
            nb.to_disk(edges, tmp_path / "net")
    assert contents(tmp_path / "net") == before


def test_two_conversions_do_not_share_a_folder(tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("fcntl")
    chunks = chunked(*random_edges(rng))

    def disturbed() -> Any:
        yield from chunks[:9]
        with pytest.raises(InvalidInputError, match=r"Another process is writing a network to .* take another folder"):
            nb.to_disk(chunks, tmp_path / "net")
        yield from chunks[9:]

    nb.to_disk(disturbed(), tmp_path / "net")
    assert rows_of(nb.on_disk(tmp_path / "net")) == expected(*map(np.concatenate, zip(*chunks, strict=True)))


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("long")
    (tmp_path / "b" / "work").mkdir(parents=True)
    (tmp_path / "b" / "work" / "thesis.txt").write_text("long")
    (tmp_path / "c").write_text("a file")
    for name in "abc":
        with pytest.raises(InvalidInputError, match=r"is not empty: it has 'thesis.txt'|is a file"):
            nb.to_disk([([0], [1], [1.0])], tmp_path / name)
    assert (tmp_path / "a" / "thesis.txt").exists() and (tmp_path / "b" / "work" / "thesis.txt").exists()
