"""Files: what is saved is loaded, the same, in another process; what is damaged or hostile is a clear error."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_fuzz
from scipy import sparse

import neurobal as nb
from neurobal import storage
from neurobal.cost import Cost, Power
from neurobal.errors import InvalidFileError
from neurobal.storage.records import TABLE

ROOT = Path(__file__).parents[1]


def again(thing: Any) -> Any:
    stream = io.BytesIO()
    storage.write(stream, thing)
    return storage.read(stream)


def dense(matrix: Any) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.ma.getdata(matrix)


CONTAINERS = {
    "array": np.array,
    "float32": lambda J: J.astype(np.float32),
    "masked": lambda J: np.ma.masked_array(J, mask=np.abs(J) < 0.1),
    "int": lambda J: np.rint(10 * J).astype(int),
    "bool": lambda J: J > 0,
    **{kind.__name__: kind for kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.lil_matrix)},
}


@pytest.fixture
def matrix(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(6, 6)) * (rng.random((6, 6)) < 0.7)


@pytest.fixture
def circuit(matrix: np.ndarray) -> nb.Circuit:
    """Two populations with everything that one can say of them."""
    circuit = nb.Circuit()
    circuit.add("E", 6, homogeneity=[1, 1, 2, 1, 1, 0.5], bias=np.arange(1.0, 7), tied=[0, 0, -1, -1, 1, 1],
                parameters={"theta": (np.arange(2.0, 8), 1.0, 0.5)})  # fmt: skip
    circuit.add("out", 2, pinned=True)
    circuit.connect("E", "E", matrix)
    circuit.connect("E", "out", matrix[:2], costed=False)
    circuit.connect("out", "E", post_index=[1, 1, 3], pre_index=[0, 0, 1], weight=np.float32([1, 2, 3]), name="back")
    circuit.connect("out", "E", post_index=[0, 1], pre_index=[0, 1], weight=np.ma.masked_array([1.0, 9], [0, 1]))
    return circuit


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=list(CONTAINERS))
def test_results_of_matrices(container: Any, matrix: np.ndarray) -> None:
    result = nb.balance(container(matrix), cost=Power(2, weight=matrix**2) + 0.3 * Power(1))
    loaded = again(result)
    assert repr(loaded) == repr(result) and type(loaded) is nb.Balance
    assert type(loaded.weights) is type(result.weights) and loaded.weights.dtype == result.weights.dtype
    np.testing.assert_array_equal(dense(loaded.weights), dense(result.weights))
    np.testing.assert_array_equal(loaded.history, result.history)
    assert nb.verify(container(matrix), loaded.weights).preserved
    np.testing.assert_array_equal(dense(loaded.apply_to(container(matrix)).weights), dense(result.weights))
    assert repr(nb.analysis.convergence_rate(loaded)) == repr(nb.analysis.convergence_rate(result))
    for name, column in result.table().items():
        np.testing.assert_array_equal(loaded.table()[name], column)


def test_circuits(circuit: nb.Circuit) -> None:
    loaded = again(circuit)
    assert list(loaded.populations) == list(circuit.populations) and list(loaded.projections) == [*circuit.projections]
    for name, population in circuit.populations.items():
        other = loaded.populations[name]
        for field in ("size", "homogeneity", "pinned", "tied"):
            np.testing.assert_array_equal(getattr(other, field), getattr(population, field))
    assert loaded.populations["E"].parameters["theta"].origin == 0.5
    for one, other in zip(circuit, loaded, strict=True):
        for field in ("post_index", "pre_index", "weight", "post_exponent", "pre_exponent", "costed", "shape"):
            np.testing.assert_array_equal(getattr(other, field), getattr(one, field))
        assert other.weight.dtype == one.weight.dtype and type(other.container) is type(one.container)
    assert nb.verify(circuit, loaded).exact


def test_balances_of_circuits(circuit: nb.Circuit) -> None:
    costs = {"E->E": Power(2), "back": Power(1) + 2 * Power(2), "E.bias": Power(1.5, weight=[1, 2, 3, 4, 5, 6])}
    for cost in (costs, Power(2)):
        result = nb.balance(circuit, cost=cost)
        loaded = again(result)
        assert repr(loaded) == repr(result)
        again_made = loaded.apply_to(circuit)
        for one, other in zip(result.circuit, again_made.circuit, strict=True):
            np.testing.assert_array_equal(other.weight, one.weight)


def test_what_was_left_out_is_known(matrix: np.ndarray) -> None:
    matrix[:, 5] = 0
    result = nb.balance(matrix, dyadic=True)
    loaded = again(result)
    assert len(loaded.excluded) == 1 and str(loaded.excluded) == str(result.excluded)
    np.testing.assert_array_equal(loaded.excluded[0].synapses, result.excluded[0].synapses)
    assert loaded.certificate.exact and loaded.table()["left_out"].tolist() == [False] * 5 + [True]


def test_other_results(matrix: np.ndarray, circuit: nb.Circuit) -> None:
    for thing in (nb.rescale(matrix, np.full(6, 3.0)), nb.verify(matrix, matrix), nb.verify(circuit, circuit)):
        loaded = again(thing)
        assert type(loaded) is type(thing) and repr(loaded) == repr(thing)
    refused = nb.verify(matrix, -matrix)
    assert again(refused).residual == np.inf and repr(again(refused)) == repr(refused)
    gains = nb.Robustness({"neurons": np.arange(6.0) + 1})
    assert again(nb.balance(matrix, cost=gains)).cost == nb.balance(matrix, cost=gains).cost
    weighted = Power(2, weight=sparse.csr_array(np.abs(matrix)))
    assert again(nb.balance(matrix, cost=weighted)).cost == nb.balance(matrix, cost=weighted).cost


def test_in_another_process(matrix: np.ndarray, circuit: nb.Circuit, tmp_path: Path) -> None:
    nb.save(tmp_path / "matrix.npz", nb.balance(matrix))
    nb.save(tmp_path / "circuit.npz", nb.balance(circuit))
    nb.save(tmp_path / "plain.npz", circuit)
    np.save(tmp_path / "J.npy", matrix)
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import numpy as np, neurobal as nb
J, circuit = np.load("J.npy"), nb.load("plain.npz")
one, two = nb.load("matrix.npz"), nb.load("circuit.npz")
print(nb.verify(J, one.apply_to(J).weights).preserved, nb.verify(circuit, two.apply_to(circuit).circuit).preserved)
print("brian2" in sys.modules); print(one); print(two)"""
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"True True\nFalse\n{nb.balance(matrix)}\n{nb.balance(circuit)}\n"


def test_numpy_reads_the_arrays(matrix: np.ndarray, tmp_path: Path) -> None:
    nb.save(tmp_path / "file.npz", nb.as_circuit(matrix))
    with np.load(tmp_path / "file.npz", allow_pickle=False) as file:
        (weights,) = (file[name] for name in file.files if name.endswith("weight"))
        np.testing.assert_array_equal(weights, matrix[matrix != 0])


def test_the_same_thing_makes_the_same_file(matrix: np.ndarray) -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        storage.write(file, nb.balance(matrix))
    assert files[0].getvalue() == files[1].getvalue()


class Mine(Cost):
    def synaptic_terms(self, circuit: Any, projections: Any) -> Any:
        return Power(2).synaptic_terms(circuit, projections)


def test_what_cannot_be_saved(matrix: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(nb.InvalidInputError, match=r"test_storage\.Mine, which a file cannot hold.*pickle the result"):
        nb.save(tmp_path / "file", nb.balance(matrix, cost=Mine()))
    with pytest.raises(nb.InvalidInputError, match=r"expected one of Circuit, .*got ndarray"):
        nb.save(tmp_path / "file", matrix)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


def test_what_could_not_be_loaded_is_not_saved(circuit: nb.Circuit, tmp_path: Path) -> None:
    circuit.projections["back"].weight[1] = np.nan
    with pytest.raises(nb.InvalidInputError, match=r"could not be loaded: Projection 'back': 1 of 3 weights are not"):
        nb.save(tmp_path / "file", circuit)
    assert not list(tmp_path.iterdir())


def test_every_record_is_of_a_class_of_its_own() -> None:
    assert len({form.kind for form in TABLE.values()}) == len(TABLE)
    assert all(form.kind.__name__ == name for name, form in TABLE.items())


# ------------------------------------------------------------------------------------------- damaged, hostile, newer


def edited(thing: Any, edit: Any, **members: bytes) -> io.BytesIO:
    """A file in which a function edits the tree, and members are replaced or added, with sums that are right."""
    stream, out = io.BytesIO(), io.BytesIO()
    storage.write(stream, thing)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(out, "w") as new:
        contents = {name: old.read(name) for name in old.namelist()} | members
        tree = json.loads(contents["neurobal.json"])
        contents["neurobal.json"] = json.dumps(edit(tree) or tree).encode()
        for name, content in contents.items():
            new.writestr(name, content)
    return out


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def test_a_newer_file_says_so(matrix: np.ndarray, tmp_path: Path) -> None:
    file = edited(nb.as_circuit(matrix), lambda tree: tree.update(version=2, package="7.0"))
    (tmp_path / "file").write_bytes(file.getvalue())
    with pytest.raises(nb.InvalidInputError, match=r"Cannot load '.*file': it was written by a newer neurobal, 7\.0"):
        nb.load(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        nb.load(tmp_path / "another")


def fields(tree: Any) -> Any:
    return tree["thing"]["Circuit"]


LINE = {"text": "", "form": "", "operands": {"tuple": []}, "written": {"tuple": []}}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.update(format="other"), "no file of neurobal"),
        (lambda t: t.update(version=0), "damaged"),
        (lambda t: t.update(thing={"Line": LINE}), "nothing refers to"),
        (lambda t: t.update(thing={"os.system": "true"}), "'os.system', which this version does not know"),
        (lambda t: fields(t).pop("notes"), "'notes'"),
        (lambda t: fields(t).update(basis="hope"), "basis"),
        (lambda t: fields(t).update(is_matrix=1), "'is_matrix' of a Circuit is 1"),
        (lambda t: fields(t)["populations"][0]["Population"].update(size=10**12), "pins of 'neurons'"),
        (lambda t: fields(t)["populations"][0]["Population"].update(size=-1), "pins"),
        (lambda t: fields(t)["populations"].append(fields(t)["populations"][0]), "missing, or used twice"),
        (lambda t: fields(t)["projections"][0]["Projection"].update(pre="nobody"), "no population 'nobody'"),
        (lambda t: fields(t)["projections"][0]["Projection"].update(shape={"tuple": [9, 9]}), "container"),
        (lambda t: fields(t).update(advice=eval("[" * 60 + "]" * 60)), "advice"),
    ],
)
def test_trees_that_cannot_be(edit: Any, said: str, matrix: np.ndarray) -> None:
    with pytest.raises(nb.NeurobalError, match=said):
        storage.read(edited(nb.as_circuit(matrix), lambda tree: edit(tree) and None))


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"), "claims shape"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", bytes(8)), "damaged"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)), "damaged"),
        (npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", bytes(8)), "damaged"),
        (npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", b"\x07"), "neither true nor false"),
        (npy("__import__('os').system('true')"), "damaged"),
        (b"", "damaged"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", bytes(8)), "nothing refers to"),
    ],
)
def test_arrays_that_cannot_be(member: bytes, said: str, matrix: np.ndarray) -> None:
    with pytest.raises(InvalidFileError, match=said):
        storage.read(edited(nb.as_circuit(matrix), lambda tree: None, **{"other.npy": member}))


def test_compressed_and_nested_files_are_refused(matrix: np.ndarray) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("neurobal.json", bytes(10**7))
    with pytest.raises(InvalidFileError, match="compressed"):
        storage.read(out)
    for text in (b"[" * 10**6, b'{"a":' * 10**5, b"\xff", b"1e999", b"NaN", b'{"a": 1, "a": 2}', b"9" * 10**6):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            file.writestr("neurobal.json", text)
        with pytest.raises(InvalidFileError, match="no JSON"):
            storage.read(out)


# ------------------------------------------------------------------------------------------------ random mutations


def test_mutants_end_in_errors_or_in_things_of_use() -> None:
    files = [storage_fuzz.saved(thing) for thing in storage_fuzz.examples().values()]
    ends = [storage_fuzz.judge(*mutant) for mutant in storage_fuzz.mutants(files, 600, seed=1)]
    assert {"error", "same", "another"} == set(ends)


def test_memory_is_that_of_the_file() -> None:
    files = [storage_fuzz.saved(thing) for thing in storage_fuzz.examples().values()]
    tracemalloc.start()
    for mutant, _, _ in storage_fuzz.mutants(files, 60, seed=2):
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        with contextlib.suppress(nb.NeurobalError):
            storage.read(io.BytesIO(mutant))
        assert tracemalloc.get_traced_memory()[1] - start < 60 * len(mutant) + 10**6
    tracemalloc.stop()


@pytest.mark.slow
def test_many_mutants_in_little_memory() -> None:
    """Those of Brian2 networks, too, in a process with limits."""
    script = ROOT / "tests" / "storage_fuzz.py"
    run = subprocess.run(
        [sys.executable, str(script), "20000", "3"], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
