"""A conversion that is stopped anywhere goes on where it was, and ends with the same bytes; a full disk is one stop."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disk_networks import chunked, contents, expected, random_edges, rows_of
from scipy import sparse

import neurobal as nb
from neurobal.disk import conversion, stages
from neurobal.disk.work import Work
from neurobal.errors import InvalidFileError, InvalidInputError, NeurobalError

N, EDGES = 40, 130


class Stopper:
    """Counts everything that changes files, and stops at one of these steps: before, within, or after it."""

    def __init__(self, stop: Callable[[], BaseException]) -> None:
        self.at, self.count, self.stop = -1, 0, stop

    def around(self, work: Callable[..., Any], halfway: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def stopping(*args: Any) -> Any:
            step, self.count = self.count, self.count + 3
            if self.at == step:
                raise self.stop()
            if self.at == step + 1:
                if halfway is not None:
                    halfway(*args)
                raise self.stop()
            answer = work(*args)
            if self.at == step + 2:
                raise self.stop()
            return answer

        return stopping


@contextmanager
def stopping(monkeypatch: pytest.MonkeyPatch, stop: Callable[[], BaseException]) -> Iterator[Stopper]:
    """Within, conversions stop at the step that the stopper says."""
    stopper = Stopper(stop)
    append, save, keep, delete, end = stages.append, Work.save, Work.keep, Work.delete, Work.end

    def half_an_append(path: Path, kept: int, array: np.ndarray) -> None:
        append(path, kept, array.view(np.uint8)[: array.nbytes // 2] if array.dtype.names is None else array[:1])

    def half_a_save(work: Work, name: str, array: np.ndarray) -> None:
        save(work, name, array)
        path = work.folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def half_an_end(work: Work) -> None:
        for path in work.folder.iterdir():
            if path.name != "state.json":
                path.unlink()
                return

    with monkeypatch.context() as patch:
        patch.setattr(stages, "append", stopper.around(append, half_an_append))
        patch.setattr(Work, "save", stopper.around(save, half_a_save))
        patch.setattr(Work, "keep", stopper.around(keep))
        patch.setattr(Work, "delete", stopper.around(delete))
        patch.setattr(Work, "end", stopper.around(end, half_an_end))
        patch.setattr(conversion, "write_header", stopper.around(conversion.write_header))
        yield stopper


def sources(rng: np.random.Generator) -> dict[str, tuple[Callable[[], Any], dict[str, Any]]]:
    """Edges, made anew for every call, and options."""
    post, pre, weight = random_edges(rng, N, EDGES)
    names = np.array([f"n{k * 7 % N}" for k in range(N)])
    matrix = sparse.coo_array((weight, (post, pre)), shape=(N, N))
    rows = matrix.tocsr()
    return {
        "numbers": (lambda: iter(chunked(post * 3, pre * 3, weight)), {}),
        "strings": (lambda: iter(chunked(names[post], names[pre], weight.astype(np.float32))), {"add_up": True}),
        "listed": (lambda: chunked(names[post], names[pre], weight), {"neurons": names}),
        "matrix": (lambda: matrix, {}),
        "bands": (lambda: (rows[k : k + 3] for k in range(0, N, 3)), {"neurons": names}),
    }


@pytest.mark.parametrize("kind", ["numbers", "strings", "listed", "matrix", "bands"])
def test_a_stop_at_any_step(kind: str, tmp_path: Path, rng: np.random.Generator, monkeypatch: Any) -> None:
    edges, options = sources(rng)[kind]
    nb.to_disk(edges(), tmp_path / "whole", **options)
    whole = contents(tmp_path / "whole")
    target = tmp_path / "net"
    with stopping(monkeypatch, KeyboardInterrupt) as stopper:
        nb.to_disk(edges(), target, **options)
        steps = stopper.count
        assert contents(target) == whole and steps > 100
        for stopper.at in range(steps):
            shutil.rmtree(target)
            stopper.count = 0
            with pytest.raises(KeyboardInterrupt):
                nb.to_disk(edges(), target, **options)
            if (target / "work" / "state.json").exists() or not (target / "network.json").exists():
                stopper.count = steps
                nb.to_disk(edges(), target, **options)
            assert contents(target) == whole, f"stopped at step {stopper.at}"


def test_stops_again_and_again(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    edges, options = sources(rng)["numbers"]
    nb.to_disk(edges(), tmp_path / "whole", **options)
    calls = 0
    with stopping(monkeypatch, KeyboardInterrupt) as stopper:
        while not (tmp_path / "net" / "network.json").exists():
            stopper.at, stopper.count, calls = 100, 0, calls + 1
            try:
                nb.to_disk(edges(), tmp_path / "net", **options)
            except KeyboardInterrupt:
                assert calls < 50
    assert calls > 2
    if (tmp_path / "net" / "work").exists():
        nb.to_disk(edges(), tmp_path / "net", **options)
    assert contents(tmp_path / "net") == contents(tmp_path / "whole")


def test_a_full_disk_at_any_step(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    edges, options = sources(rng)["strings"]
    nb.to_disk(edges(), tmp_path / "whole", **options)
    with stopping(monkeypatch, lambda: OSError(errno.ENOSPC, "No space left on device")) as stopper:
        nb.to_disk(edges(), tmp_path / "net", **options)
        steps = stopper.count
        for stopper.at in range(1, steps, 3):
            shutil.rmtree(tmp_path / "net")
            stopper.count = 0
            with pytest.raises(
                NeurobalError, match=r"full .*take up to .* GB .*Nothing is lost.* call nb.to_disk again"
            ):
                nb.to_disk(edges(), tmp_path / "net", **options)
            stopper.count = steps
            nb.to_disk(edges(), tmp_path / "net", **options)
            assert contents(tmp_path / "net") == contents(tmp_path / "whole")


def test_other_errors_of_the_disk_stay_what_they_are(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges, options = sources(rng)["matrix"]
    with stopping(monkeypatch, lambda: PermissionError(errno.EACCES, "no")) as stopper:
        stopper.at = 40
        with pytest.raises(PermissionError):
            nb.to_disk(edges(), tmp_path / "net", **options)


def test_an_iterator_that_fails_is_given_again(tmp_path: Path, rng: np.random.Generator) -> None:
    chunks = chunked(*random_edges(rng, N, EDGES))

    def failing() -> Iterator[Any]:
        yield from chunks[:6]
        raise ConnectionError("the data base is gone")

    with pytest.raises(ConnectionError):
        nb.to_disk(failing(), tmp_path / "net")
    with pytest.raises(InvalidInputError, match=r"is no network, or not yet"):
        nb.on_disk(tmp_path / "net")
    network = nb.to_disk(iter(chunks), tmp_path / "net")
    assert rows_of(network) == expected(*map(np.concatenate, zip(*chunks, strict=True)))


def begun(target: Path, chunks: list[Any], steps: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """A conversion that was stopped after some steps."""
    with stopping(monkeypatch, KeyboardInterrupt) as stopper:
        stopper.at = steps
        with pytest.raises(KeyboardInterrupt):
            nb.to_disk(iter(chunks), target, **options)


@pytest.mark.parametrize("steps", [40, 120])
def test_other_edges_or_arguments_are_errors(
    steps: int, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = chunked(*random_edges(rng, N, EDGES))
    begun(tmp_path / "net", chunks, steps, monkeypatch)
    others = [(chunks[0][0], chunks[0][1], chunks[0][2] + 1), *chunks[1:]]
    remedy = "delete the folder"
    with pytest.raises(InvalidInputError, match=f"(?s)other edges (came )?than before.*{remedy}"):
        nb.to_disk(others, tmp_path / "net")
    with pytest.raises(InvalidInputError, match=f"other arguments: add_up differ.*{remedy}"):
        nb.to_disk(chunks, tmp_path / "net", add_up=True)
    with pytest.raises(InvalidInputError, match=f"other arguments: neurons differ.*{remedy}"):
        nb.to_disk(chunks, tmp_path / "net", neurons=N)
    with pytest.raises(InvalidInputError, match=f"other arguments: edges, neurons differ.*{remedy}"):
        nb.to_disk(np.zeros((N, N)), tmp_path / "net")
    if steps < 100:
        with pytest.raises(InvalidInputError, match=f"blocks of edges came.*{remedy}"):
            nb.to_disk(chunks[:1], tmp_path / "net")
    network = nb.to_disk(chunks, tmp_path / "net")
    assert rows_of(network) == expected(*map(np.concatenate, zip(*chunks, strict=True)))


def test_a_later_chunk_that_was_wrong_is_mended(tmp_path: Path, rng: np.random.Generator) -> None:
    chunks = chunked(*random_edges(rng, N, EDGES))
    wrong = [*chunks[:6], ([1], [2], [np.nan]), *chunks[7:]]
    with pytest.raises(InvalidInputError, match=r"Chunk 6, edge 0: .* is nan"):
        nb.to_disk(wrong, tmp_path / "net")
    network = nb.to_disk(chunks, tmp_path / "net")
    assert rows_of(network) == expected(*map(np.concatenate, zip(*chunks, strict=True)))


@pytest.mark.parametrize("steps", [40, 90, 140, 200])
def test_damaged_work_is_an_error(
    steps: int, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the work that are missing or cut: an error, or the right network, if the file was of no use any more."""
    chunks = chunked(*random_edges(rng, N, EDGES))
    whole = expected(*map(np.concatenate, zip(*chunks, strict=True)))
    begun(tmp_path / "net", chunks, steps, monkeypatch)
    names = [path.relative_to(tmp_path / "net") for path in (tmp_path / "net").rglob("*") if path.is_file()]
    noticed = 0
    for name in names:
        for size in (0, 5, -1):
            target = tmp_path / "copy"
            shutil.copytree(tmp_path / "net", target)
            content = (target / name).read_bytes()
            (target / name).write_bytes(content[:size])
            try:
                assert rows_of(nb.to_disk(iter(chunks), target)) == whole
            except InvalidFileError as error:
                assert "elete the folder" in str(error)
                noticed += 1
            shutil.rmtree(target)
    assert noticed > 5
