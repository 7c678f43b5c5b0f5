"""Opening a network on disk: what it offers, and that no damage which can be seen goes unseen."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disk_networks import chunked, contents, expected, random_edges, rows_of

import neurobal as nb
from neurobal.errors import InvalidFileError, InvalidInputError

N = 40


def write(folder: Path, rng: np.random.Generator, kind: str = "strings", checksums: bool = True) -> nb.SynapsesOnDisk:
    """A network on disk with these ids, with or without check sums."""
    post, pre, weight = random_edges(rng, N)
    ids = {
        "none": np.arange(N),
        "int64": np.arange(N) * 3 - 5,
        "uint64": np.arange(N, dtype=np.uint64) + np.uint64(2**63),
        "strings": np.array([f"n{k:02}é" for k in range(N)]),
    }[kind]
    network = nb.to_disk(chunked(ids[post], ids[pre], weight), folder, neurons=ids)
    if not checksums:
        edit(folder, lambda text: text.pop("crc32"))
    return network


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    text = json.loads((folder / "network.json").read_text())
    change(text)
    (folder / "network.json").write_text(json.dumps(text))


def put(folder: Path, name: str, place: int, number: float) -> None:
    """Write another number into a file of 40 neurons' synapses."""
    kind = {"i64": "<i8", "u64": "<u8", "i32": "<i4", "f64": "<f8", "utf8": "u1"}[name.rpartition(".")[2]]
    numbers = np.fromfile(folder / name, kind)
    numbers[place] = number
    numbers.tofile(folder / name)


def test_the_layout_as_it_is_described(tmp_path: Path) -> None:
    """A folder that numpy alone has written, by the page of the documentation."""
    np.array([0, 1, 1, 3], dtype="<i8").tofile(tmp_path / "start.i64")
    np.array([2, 0, 2], dtype="<i4").tofile(tmp_path / "pre.i32")
    np.array([0.5, -1, 0.25], dtype="<f4").tofile(tmp_path / "weight.f32")
    (tmp_path / "id.utf8").write_bytes("abcäö".encode())
    np.array([0, 1, 3, 7], dtype="<i8").tofile(tmp_path / "id_start.i64")
    text = {
        "format": "neurobal synapses",
        "version": 1,
        "neurons": 3,
        "synapses": 3,
        "weight": "float32",
        "ids": "utf8",
    }
    (tmp_path / "network.json").write_text(json.dumps(text))
    network = nb.on_disk(tmp_path)
    assert rows_of(network) == [("a", "äö", 0.5), ("äö", "a", -1), ("äö", "äö", 0.25)]
    assert repr(network) == f"SynapsesOnDisk({str(tmp_path)!r}: 3 neurons, 3 synapses, float32, ids utf8)"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_program_of_the_documentation(tmp_path: Path) -> None:
    """Another language needs the page only."""
    page = (Path(__file__).parents[2] / "docs" / "synapses_on_disk.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```c\n(.*?)```", page, flags=re.S)
    (tmp_path / "program.c").write_text(program)
    subprocess.run(["cc", "-Wall", "-Werror", "program.c", "-o", "program"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "program"], cwd=tmp_path, check=True)
    rows = [(1001, 1002, 0.5), (1001, 1003, -1.0), (1003, 1001, 0.25), (1003, 1001, 0.25)]
    assert rows_of(nb.on_disk(tmp_path)) == rows


@pytest.mark.parametrize("kind", ["none", "int64", "uint64", "strings"])
def test_ids_and_numbers(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    network = write(tmp_path / "net", rng, kind)
    some = rng.integers(0, N, (3, 4))
    assert np.array_equal(network.numbers(network.ids[some]), some)
    assert network.numbers(network.ids[7].item()) == 7 and network.numbers([]).shape == (0,)
    for wrong in (-77, 2**64 - 1, 2**70, 1.0, True, "nobody", None):
        with pytest.raises(InvalidInputError, match=r"has no neurons with the ids .*Its 40 ids are"):
            network.numbers([wrong])
    with pytest.raises(ValueError, match=r"read-only"):
        network.ids[0] = network.ids[1]


def test_arrays_are_read_only(tmp_path: Path, rng: np.random.Generator) -> None:
    network = write(tmp_path / "net", rng)
    for array in (network.start, network.pre, network.weight):
        with pytest.raises(ValueError, match=r"read-only"):
            array[0] = 1


@pytest.mark.parametrize("entries", [0, 1, 7, 50, 10**6])
def test_bands(entries: int, tmp_path: Path, rng: np.random.Generator) -> None:
    network = write(tmp_path / "net", rng)
    cut = list(network.bands(entries))
    assert [first for first, _ in cut] == [0, *(last for _, last in cut[:-1])] and cut[-1][1] == N
    for first, last in cut:
        held = network.start[last] - network.start[first]
        assert last == first + 1 or (held <= entries and last - first <= entries)
        assert last == N or last - first >= entries or network.start[last + 1] - network.start[first] > entries


def test_a_pickle_is_a_reference(tmp_path: Path, rng: np.random.Generator) -> None:
    network = write(tmp_path / "net", rng)
    text = pickle.dumps(network)
    assert len(text) < 400 and rows_of(pickle.loads(text)) == rows_of(network)


# --------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("name", "place", "number", "message"),
    [
        ("start.i64", 0, 1, "neuron 0 begin at 1, not at 0"),
        ("start.i64", 20, -(2**63), "neuron 20 begin before those of neuron 19"),
        ("start.i64", 20, 2**62, "neuron 21 begin before those of neuron 20"),
        ("start.i64", 40, 400, "ends with 400, and network.json says that there are 300"),
        ("pre.i32", 77, -1, r"synapse 77, to neuron \d+ \(id 'n\d\dé'\), comes from neuron -1, and there are 40"),
        ("pre.i32", 77, 40, "synapse 77, .* comes from neuron 40"),
        ("weight.f64", 77, np.nan, r"synapse 77, from neuron \d+ \(id 'n..é'\) to neuron \d+ \(id .*\), has .* nan"),
        ("weight.f64", 0, -np.inf, "synapse 0, .* has weight -inf"),
        ("id_start.i64", 3, 999, "does not begin with 0 and rise"),
        ("id_start.i64", 0, 1, "does not begin with 0 and rise"),
        ("id_start.i64", 40, 999, "id.utf8. is damaged: it has 200 bytes, and id_start.i64 says 999"),
        ("id.utf8", 3, 255, "id of neuron 0 is no UTF-8"),
        ("id.utf8", 1, 0, "one that is NUL"),
        ("id.utf8", 2, ord("1"), "the neurons 0 and 1 have the same id, 'n01é'"),
    ],
)  # fmt: skip
def test_damage_is_named(
    name: str, place: int, number: float, message: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    write(tmp_path / "net", rng, checksums=False)
    put(tmp_path / "net", name, place, number)
    with pytest.raises(InvalidFileError, match=f"(?s){message}.*make it again") as caught:
        nb.on_disk(tmp_path / "net")
    assert name in str(caught.value)


def test_order_within_rows_is_checked(tmp_path: Path, rng: np.random.Generator) -> None:
    network = write(tmp_path / "net", rng, checksums=False)
    first = int(np.flatnonzero(np.diff(network.start) > 3)[0])
    place = int(network.start[first])
    edit(tmp_path / "net", lambda text: text.update(added_up=True))
    with pytest.raises(InvalidFileError, match=r"rise in each row, but not at synapse"):
        nb.on_disk(tmp_path / "net")
    edit(tmp_path / "net", lambda text: text.update(added_up=False))
    put(tmp_path / "net", "pre.i32", place, 39)
    with pytest.raises(InvalidFileError, match=rf"never fall in a row, but not at synapse {place + 1}, from neuron"):
        nb.on_disk(tmp_path / "net")


@pytest.mark.parametrize("kind", ["int64", "strings"])
def test_check_sums_see_every_change(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    write(tmp_path / "net", rng, kind)
    for path in (tmp_path / "net").iterdir():
        if path.name != "network.json":
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(InvalidFileError, match=f"{path.name}' is damaged"):
                nb.on_disk(tmp_path / "net")
            path.write_bytes(content)
    nb.on_disk(tmp_path / "net")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2, "package": "9.9"}, "version 2 of the format, by neurobal 9.9; .*Update neurobal"),
        ({"version": "1"}, "its version is '1'"),
        ({"version": True}, "its version is True"),
        ({"format": "x"}, "does not say that it is of the format"),
        ({"neurons": -1}, "'neurons' is -1, not a number from 0"),
        ({"neurons": 41}, r"it has 328 bytes, and network.json says 336"),
        ({"neurons": 2**31}, "'neurons' is 2147483648"),
        ({"synapses": 299}, "bytes, and network.json says"),
        ({"synapses": 1e2}, "'synapses' is 100.0"),
        ({"weight": "float16"}, "'weight' is 'float16', not one of float32, float64"),
        ({"weight": "float32"}, "weight.f32' is damaged: there is no such file"),
        ({"weight": []}, "'weight' is"),
        ({"ids": "int64"}, "id.i64' is damaged: there is no such file"),
        ({"added_up": 1}, "'added_up' is no flag"),
        ({"crc32": [1]}, "'crc32' is no object"),
        ({"crc32": {"../x": 1}}, "names the file '../x', which is none"),
        ({"extra": 1}, "an entry 'extra' that is not in the format"),
    ],
)  # fmt: skip
def test_damaged_headers(change: dict[str, Any], message: str, tmp_path: Path, rng: np.random.Generator) -> None:
    write(tmp_path / "net", rng, checksums="crc32" in change)
    edit(tmp_path / "net", lambda text: text.update(change))
    with pytest.raises(InvalidFileError, match=message):
        nb.on_disk(tmp_path / "net")


def test_folders_that_are_no_networks(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"There is no folder .*nb.to_disk"):
        nb.on_disk(tmp_path / "nothing")
    with pytest.raises(InvalidFileError, match=r"is no network, or not yet: it has no network.json"):
        nb.on_disk(tmp_path)
    for text in (b"\xff", b"[1", b"[" * 10**5, b"17", b" " * (2**20 + 1)):
        (tmp_path / "network.json").write_bytes(text)
        with pytest.raises(InvalidFileError, match=r"network.json' is damaged"):
            nb.on_disk(tmp_path)


@pytest.mark.parametrize("kind", ["none", "uint64", "strings"])
@pytest.mark.parametrize("checksums", [True, False])
def test_random_damage(kind: str, checksums: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    """Cut, longer, and changed files: an error of ours, or a valid network, with check sums the same one."""
    target = tmp_path / "net"
    whole = rows_of(write(target, rng, kind, checksums))
    files = contents(target)
    errors = 0
    for name in rng.choice([*files], 120):
        content = bytearray(files[name])
        for _ in range(rng.integers(1, 4)):
            place = rng.integers(len(content))
            match rng.integers(4):
                case 0:
                    del content[place:]
                    content += b"\0" * int(rng.integers(0, 2))
                case 1:
                    content[place] ^= 1 << int(rng.integers(8))
                case 2:
                    content[place] = int(rng.integers(256))
                case 3:
                    content += rng.bytes(int(rng.integers(1, 9)))
            if not content:
                break
        (target / name).write_bytes(content)
        try:
            network = nb.on_disk(target)
        except InvalidInputError as error:
            assert name in str(error) or "network.json" in str(error)
            errors += 1
        else:
            found = rows_of(network)
            if checksums and name != "network.json":
                assert found == whole and bytes(content) == files[name]
            assert np.isfinite(network.weight).all() and len({*network.ids.tolist()}) == network.size == N
            assert [row[0] for row in found] == [
                network.ids[k] for k in np.repeat(np.arange(N), np.diff(network.start))
            ]
        (target / name).write_bytes(files[name])
    assert errors > 40
    assert contents(target) == files


# --------------------------------------------------------------------------------------------------------- memory


# In a process of its own: elsewhere Python's table of all names, which names of files make grow, is larger.
MEASURE = """
import sys, tracemalloc
import numpy as np
import neurobal as nb
from neurobal.disk import checking, sources, stages

sources.BLOCK, stages.SEGMENT, stages.BUCKET, checking.BLOCK = 5000, 10_000, 20_000, 5000

def chunks(count):
    for k in range(count):
        rng = np.random.default_rng(k)
        yield rng.integers(0, 900, 5000), rng.integers(0, 900, 5000), rng.normal(size=5000)

def peak_of(work):
    tracemalloc.start()
    work()
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()

nb.to_disk(chunks(10), "warm")
peak_of(lambda: nb.to_disk(chunks(40), "few"))
peak_of(lambda: nb.to_disk(chunks(320), "many"))
peak_of(lambda: nb.on_disk("many"))
"""


def test_memory_does_not_grow_with_synapses(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURE]
    package = str(Path(nb.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    few, many, opening = map(int, done.stdout.split())
    # The 1.4 million edges more are 28 MB. Names of files make Python's table of names grow: that is 2 MB, at once.
    assert many < few + 8_000_000
    assert opening < 1_600_000 * 12 / 16


def test_a_row_may_be_larger_than_what_is_sorted_together(tmp_path: Path, rng: np.random.Generator) -> None:
    post, pre = np.full(500, 3), rng.integers(0, 9, 500)
    weight = rng.normal(size=500)
    network = nb.to_disk(chunked(post, pre, weight), tmp_path / "net", neurons=9)
    assert rows_of(network) == expected(post, pre, weight)
    shutil.rmtree(tmp_path / "net")
