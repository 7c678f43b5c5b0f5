"""Tables of edges in files: Parquet, Feather and CSV, with ids of any type, and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from disk_networks import contents, expected, random_edges, rows_of
from pyarrow import csv, feather, parquet

import neurobal as nb
from neurobal.disk import layout, stages, tables
from neurobal.errors import InvalidInputError

N = 40
IDS = {
    "int16": np.arange(N, dtype=np.int16) * 3 - 50,
    "int64": 2**62 + 17 * np.arange(N),
    "uint64": np.uint64(2**63 - 20) + np.uint64(1) * np.arange(N, dtype=np.uint64),
    "strings": np.array([f"{k:03}" for k in range(N)]),
    "mixed": np.array(sorted(str(k) if k % 3 else f"x, {k}" for k in range(N))),
}
FORMS = ("parquet", "feather", "arrow", "csv", "tsv", "csv.gz")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", 23)
    monkeypatch.setattr(tables, "TEXT_BLOCK", 400)


def write(table: pa.Table, path: Path) -> Path:
    form = path.name.partition(".")[2]
    if form == "parquet":
        parquet.write_table(table, path, row_group_size=50)
    elif form == "feather":
        feather.write_feather(table, path, chunksize=19)
    elif form == "arrow":
        with pa.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table, max_chunksize=31)
    else:
        options = csv.WriteOptions(delimiter="\t" if form == "tsv" else ",")
        csv.write_csv(table, path, options)
        if form == "csv.gz":
            path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", IDS)
def test_round_trips(form: str, kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, N)
    ids = IDS[kind]
    table = pa.table({"unused": post * 0.5, "to": ids[post], "from": ids[pre], "w": weight})
    path = write(table, tmp_path / f"edges.{form}")
    columns = {"post": "to", "pre": "from", "weight": "w"}
    network = nb.to_disk(path, tmp_path / "net", **columns)
    assert rows_of(network) == expected(ids[post], ids[pre], weight)
    assert network.ids.dtype.kind == ("U" if ids.dtype.kind == "U" else network.ids.dtype.kind)
    assert network.header.source == f"edges.{form}"
    shuffled = rng.permutation(ids)
    listed = nb.to_disk(str(path), tmp_path / "listed", neurons=shuffled, **columns)
    assert listed.ids.tolist() == shuffled.tolist() and sorted(rows_of(listed)) == sorted(rows_of(network))


@pytest.mark.parametrize("form", FORMS)
def test_ids_that_are_numbers_of_neurons(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, N)
    path = write(pa.table({"post": post, "pre": pre, "weight": weight}), tmp_path / f"edges.{form}")
    network = nb.to_disk(path, tmp_path / "net", neurons=N)
    assert network.header.ids == "none" and rows_of(network) == expected(post, pre, weight)
    with pytest.raises(InvalidInputError, match=rf"Row \d+ of edges.{form}: the (post|pre) id 3\d is none of the 30"):
        nb.to_disk(path, tmp_path / "few", neurons=30)


@pytest.mark.parametrize("form", FORMS)
def test_tables_that_are_larger_than_buffers(
    form: str, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in ((tables, "BLOCK", 20_000), (tables, "TEXT_BLOCK", 2**18), (stages, "SEGMENT", 40_000),
                                (stages, "BUCKET", 50_000)):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    post, pre, weight = random_edges(rng, 1000, 120_000)
    path = write(pa.table({"post": post, "pre": pre, "weight": weight}), tmp_path / f"edges.{form}")
    told: list[float] = []
    network = nb.to_disk(path, tmp_path / "net", report=lambda elapsed, done, start, duration: told.append(done))
    order = np.lexsort((pre, post))
    assert np.array_equal(network.weight, weight[order])
    assert np.array_equal(network.ids[network.pre], pre[order])
    assert told[-1] == 1


def test_several_files_are_one_table(tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, weight = random_edges(rng, N)
    table = pa.table({"post": post, "pre": pre, "weight": weight})
    (tmp_path / "folder").mkdir()
    parts = [write(table[k : k + 70], tmp_path / "folder" / f"{k:03}.parquet") for k in range(0, len(post), 70)]
    (tmp_path / "folder" / "_SUCCESS").write_text("")
    whole = nb.to_disk(tmp_path / "folder", tmp_path / "a")
    assert rows_of(whole) == expected(post, pre, weight)
    assert rows_of(nb.to_disk(parts, tmp_path / "b")) == rows_of(whole)
    other = write(table, tmp_path / "edges.csv")
    with pytest.raises(InvalidInputError, match=r"must be of one kind, got \.csv, \.parquet"):
        nb.to_disk([*parts, other], tmp_path / "c")


@pytest.mark.parametrize(
    "kind",
    [pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.uint8(), pa.int32()]
    + [pa.string_view()] * (int(pa.__version__.partition(".")[0]) >= 26),  # older ones crash when they write it
)
@pytest.mark.parametrize("weights", [pa.float32(), pa.float16(), pa.int8(), pa.decimal128(9, 2)])
def test_types_of_columns(kind: pa.DataType, weights: pa.DataType, tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre, _ = random_edges(rng, N)
    weight = rng.integers(-9, 9, len(post))
    columns = [pa.array(ids).cast(pa.string()).cast(kind) for ids in (post, pre)]
    if weights == pa.float16():
        weight_column = pa.array(weight.astype(np.float16))
    else:
        weight_column = pa.array(weight).cast(pa.decimal128(21, 2) if pa.types.is_decimal(weights) else weights)
    path = write(pa.table([*columns, weight_column], ["post", "pre", "weight"]), tmp_path / "edges.feather")
    network = nb.to_disk(path, tmp_path / "net")
    ids = np.array([str(k) for k in range(N)]) if not pa.types.is_integer(kind) else np.arange(N)
    assert rows_of(network) == expected(ids[post], ids[pre], weight.astype(float))
    assert network.header.weight == ("float64" if pa.types.is_decimal(weights) else "float32")


def test_whole_numbers_of_a_text_may_turn_out_to_be_strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first blocks look like numbers; it is stopped after each of them, too."""
    names = [str(k % 17) for k in range(300)] + ["007", "7"] + [str(k % 19) for k in range(200)]
    text = "post,pre,weight\n" + "".join(f"{name},7,{k}\n" for k, name in enumerate(names))
    (tmp_path / "edges.csv").write_text(text)
    wanted = expected(names, ["7"] * len(names), [float(k) for k in range(len(names))])
    assert rows_of(nb.to_disk(tmp_path / "edges.csv", tmp_path / "net")) == wanted
    write_segment = stages._write_segment
    calls = 0

    def stopping(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise KeyboardInterrupt
        write_segment(*args)

    monkeypatch.setattr(stages, "_write_segment", stopping)
    monkeypatch.setattr(stages, "SEGMENT", 100)
    for _ in range(50):
        try:
            network = nb.to_disk(tmp_path / "edges.csv", tmp_path / "again")
            break
        except KeyboardInterrupt:
            pass
    assert calls > 6 and rows_of(network) == wanted
    assert contents(tmp_path / "again") == contents(tmp_path / "net")


def test_a_table_that_changed_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("post,pre,weight\n" + "1,2,3\n" * 200)

    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "distribute", stop)
        with pytest.raises(KeyboardInterrupt):
            nb.to_disk(path, tmp_path / "net")
    path.write_text("post,pre,weight\n" + "1,2,3\n" * 201)
    with pytest.raises(InvalidInputError, match="other arguments: edges differ"):
        nb.to_disk(path, tmp_path / "net")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"post": [1, 2], "pre": [3, 4], "w": [1.0, 2.0]}, "edges.* has no column 'weight'; weight= names it.*'w'"),
        ({"post": [1, 2], "pre": [3, 4], "weight": [1.0, None]}, "Row 1 of edges.* has no 'weight'"),
        ({"post": [1, None], "pre": [3, 4], "weight": [1.0, 2.0]}, "Row 1 of edges.* has no 'post'"),
        ({"post": ["a", "b"], "pre": ["c", None], "weight": [1.0, 2.0]}, "Row 1 of edges.* has no 'pre'"),
        ({"post": [1, 2], "pre": [3, 4], "weight": [1.0, np.inf]}, "Row 1 of edges.*: the weight from neuron 4 to"),
        ({"post": ["a"], "pre": ["b"], "weight": ["x"]}, "weights must be real numbers|damaged, or no such table.*'x'"),
        ({"post": ["a" * 300], "pre": ["b"], "weight": [1]}, "column 'post': ids must have 1 to 255 characters"),
        ({"post": ["a"], "pre": [1], "weight": [1]}, "all whole numbers or all strings|SAME"),
    ],
)  # fmt: skip
def test_wrong_tables(form: str, columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(pa.table(columns), tmp_path / f"edges.{form}")
    if message.endswith("SAME") and form in ("csv", "tsv", "csv.gz"):
        assert rows_of(nb.to_disk(path, tmp_path / "net")) == [("a", "1", 1)]
        return
    with pytest.raises(InvalidInputError, match=f"(?s){message}"):
        nb.to_disk(path, tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("form", FORMS)
def test_ids_that_are_no_whole_numbers(form: str, tmp_path: Path) -> None:
    path = write(pa.table({"post": [1.5], "pre": [2.5], "weight": [1.0]}), tmp_path / f"edges.{form}")
    if "sv" in form:
        assert nb.to_disk(path, tmp_path / "net").ids.tolist() == ["1.5", "2.5"]
        return
    with pytest.raises(InvalidInputError, match="column 'post': ids must be whole numbers or strings, got double"):
        nb.to_disk(path, tmp_path / "net")


@pytest.mark.parametrize("form", FORMS)
def test_damaged_tables(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Cut and changed files: an error of ours, or some network."""
    post, pre, weight = random_edges(rng, N)
    path = write(pa.table({"post": post, "pre": pre, "weight": weight}), tmp_path / f"edges.{form}")
    content = path.read_bytes()
    errors = 0
    for k in range(25):
        changed = bytearray(content)
        if k % 2:
            del changed[rng.integers(len(content)) :]
        else:
            changed[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            nb.to_disk(path, tmp_path / f"net{k}")
        except InvalidInputError as error:
            assert path.name in str(error)
            errors += 1
    assert errors >= 5


def test_paths_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "edges.xlsx").write_text("")
    with pytest.raises(InvalidInputError, match="there is no file or folder"):
        nb.to_disk(tmp_path / "nothing.csv", tmp_path / "net")
    for path in (tmp_path, tmp_path / "edges.xlsx"):
        with pytest.raises(InvalidInputError, match=r"expected a table \(.parquet, .*\), or a folder of such"):
            nb.to_disk(path, tmp_path / "net")


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InvalidInputError, match=r'pip install "neurobal\[table\]"'):
        nb.to_disk("edges.csv", tmp_path / "net")


@pytest.mark.parametrize("kind", ["int64", "uint64", "strings"])
def test_a_network_as_a_table_again(
    kind: str, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of columns are the caller's; what stands in the table is the network, bit by bit."""
    monkeypatch.setattr(layout, "ROWS", 37)
    post, pre, weight = random_edges(rng, N, 500)
    net = nb.to_disk([(IDS[kind][post], IDS[kind][pre], weight)], tmp_path / "net", neurons=IDS[kind])
    net.to_parquet(tmp_path / "edges.parquet", pre="from", post="to", weight="count")
    again = nb.to_disk(
        tmp_path / "edges.parquet", tmp_path / "again", pre="from", post="to", weight="count", neurons=IDS[kind]
    )
    assert rows_of(again) == rows_of(net) and again.ids.tolist() == net.ids.tolist()
    with pytest.raises(InvalidInputError, match="exists already"):
        net.to_parquet(tmp_path / "edges.parquet")


def test_a_table_that_was_stopped_is_not_there(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = nb.to_disk([random_edges(rng, N, 500)], tmp_path / "net")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(layout.Progress, "update", stop)
        with pytest.raises(KeyboardInterrupt):
            net.to_parquet(tmp_path / "edges.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    nb.to_disk([], tmp_path / "empty", neurons=3).to_parquet(tmp_path / "empty.parquet")
    assert parquet.read_table(tmp_path / "empty.parquet").num_rows == 0
