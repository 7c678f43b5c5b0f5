"""Dask dataframes on a real local cluster: the same scales as in memory, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import neurobal as nb
from neurobal.cluster import door, installed, living, synapses, tables, workers
from neurobal.errors import InvalidInputError, NeurobalError, UnbalanceableError

N = 120


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def odd(rng: np.random.Generator, count: int = 900, dtype: Any = np.float64) -> pd.DataFrame:
    """Edges with parallel ones, self-connections, zeros, dead ends, in no order; numbers from 0 to N - 1."""
    post, pre = rng.integers(0, N - 20, count), rng.integers(10, N - 10, count)
    h = rng.normal(0.0, 1.0, N)
    weight = rng.lognormal(0.0, 1.0, count) * rng.choice([-1.0, 1.0], count) * np.exp(h[post] - h[pre])
    weight[rng.integers(0, count, 40)] = 0.0
    post[:30], pre[:30] = post[30:60], pre[30:60]
    pre[60:80] = post[60:80]
    return pd.DataFrame({"pre": pre, "post": post, "weight": weight.astype(dtype)})


def named(edges: pd.DataFrame, names: np.ndarray) -> pd.DataFrame:
    return edges.assign(pre=names[edges.pre], post=names[edges.post])


def parts(edges: pd.DataFrame, count: int = 5) -> Any:
    return dd.from_pandas(edges, npartitions=count, sort=False)


def in_memory(edges: pd.DataFrame, pinned: Any = None, cost: Any = None) -> dict[Any, float]:
    """log λ by id, as `balance` finds it in memory."""
    ids = np.unique(np.concatenate([edges.pre, edges.post]))
    circuit = nb.Circuit()
    mask = np.zeros(ids.size, dtype=bool) if pinned is None else np.isin(ids, pinned)
    circuit.add("cells", ids.size, pinned=mask)
    index = {f"{end}_index": np.searchsorted(ids, edges[end].to_numpy()) for end in ("pre", "post")}
    circuit.connect("cells", "cells", weight=edges.weight.to_numpy(), name="synapses", **index)
    result = nb.balance(circuit, cost=cost or nb.Power(2), tol=1e-12)
    assert result.success
    return dict(zip(ids.tolist(), result.log_scale["cells"].tolist(), strict=True))


def assert_same(result: nb.LargeBalance, expected: dict[Any, float]) -> None:
    assert result.success
    assert result.ids.tolist() == [*expected]
    np.testing.assert_allclose(result.log_scale, [*expected.values()], rtol=0, atol=1e-9)


def long_integers(rng: np.random.Generator) -> np.ndarray:
    return rng.choice(2**62, N, replace=False) + 2**53


def strings(rng: np.random.Generator) -> np.ndarray:
    return np.array([f"cell {k:x} ä" for k in rng.permutation(N)], dtype=object)


@pytest.mark.parametrize("names", [long_integers, strings], ids=["64 bits", "strings"])
def test_ids_of_any_kind_and_pins(client: Client, names: Any, rng: np.random.Generator) -> None:
    edges = named(odd(rng), names(rng))
    pinned = np.unique(edges.pre)[[3, 40, 77]]
    result = nb.balance(parts(edges), tol=1e-12, pinned=pinned.tolist())
    assert_same(result, in_memory(edges, pinned))
    assert result.ids[result.pinned].tolist() == pinned.tolist()
    assert result.excluded and result.bytes_per_pass > 0
    assert "in 5 partitions" in repr(result)


def test_powers_single_precision_and_empty_partitions(client: Client, rng: np.random.Generator) -> None:
    edges = odd(rng, dtype=np.float32)
    table = dd.concat([parts(edges.iloc[:500]), parts(edges.iloc[:0], 1), parts(edges.iloc[500:], 3)])
    cost = nb.Power(2) + 0.1 * nb.Power(1)
    result = nb.balance(table, cost=cost, tol=1e-12)
    assert_same(result, in_memory(edges, cost=cost))
    assert result.weights.dtypes["weight"] == np.float32
    assert result.certificate.preserved


def test_small_blocks_are_moved_to_their_rows(client: Client, rng: np.random.Generator, monkeypatch: Any) -> None:
    monkeypatch.setattr(synapses, "FEWEST", 10)
    monkeypatch.setattr(synapses, "PER_WORKER", 20)
    edges = odd(rng)
    assert_same(nb.balance(parts(edges, 3), tol=1e-12), in_memory(edges))


def test_weights_are_lazy_and_written_as_parquet(client: Client, rng: np.random.Generator, tmp_path: Path) -> None:
    edges = named(odd(rng), strings(rng)).assign(kind=np.arange(900))
    table = parts(edges)
    result = nb.balance(table, tol=1e-12)
    assert isinstance(result.weights, dd.DataFrame) and result.weights.npartitions == table.npartitions
    result.weights.to_parquet(tmp_path / "new")
    read = dd.read_parquet(tmp_path / "new").compute()
    assert read.columns.tolist() == edges.columns.tolist() and read.kind.tolist() == edges.kind.tolist()
    assert read.pre.tolist() == edges.pre.tolist() and read.post.tolist() == edges.post.tolist()
    scale = pd.DataFrame(result.table()).set_index("id").scale
    expected = edges.weight.to_numpy() * scale[edges.post].to_numpy() / scale[edges.pre].to_numpy()
    np.testing.assert_allclose(read.weight, expected, rtol=1e-14)
    assert result.certificate.preserved
    again = nb.balance(dd.read_parquet(tmp_path / "new"), tol=1e-9)
    assert again.imbalance_before < 1e-9


def test_a_local_cluster_is_started_where_there_is_no_client(
    rng: np.random.Generator, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (door, installed):
        monkeypatch.setattr(module, "present", lambda: None)
    edges = odd(rng)
    result = nb.balance(parts(edges), tol=1e-12, report="text")
    assert_same(result, in_memory(edges))
    assert "on a local Dask cluster, started for this and closed afterwards" in capsys.readouterr().out
    assert len(result.weights.compute(scheduler="synchronous")) == len(edges)


# ------------------------------------------------------------------------------------------------------------- death


def kill_at(monkeypatch: Any, number: int, victims: Any) -> list[str]:
    """Kill what ``victims()`` tells as soon as the work of a pass was sent. Returns the list of those killed."""
    send = workers.OnWorkers._send
    killed: list[str] = []

    def sending(self: Any, work: Any, targets: set[str]) -> Any:
        sent = send(self, work, targets)
        if self.count == number and not killed:
            for address, pid in victims().items():
                killed.append(address)
                os.kill(pid, signal.SIGKILL)
        return sent

    monkeypatch.setattr(workers.OnWorkers, "_send", sending)
    return killed


@pytest.mark.parametrize("number", [2, 9])
def test_a_worker_dies_in_the_middle(
    client: Client, number: int, rng: np.random.Generator, monkeypatch: Any, tmp_path: Path
) -> None:
    client.wait_for_workers(2)
    parts(named(odd(rng), long_integers(rng))).to_parquet(tmp_path)
    table = dd.read_parquet(tmp_path)
    undisturbed = nb.balance(table, tol=1e-12)
    pids = client.run(os.getpid)
    killed = kill_at(monkeypatch, number, lambda: dict([*pids.items()][:1]))
    result = nb.balance(table, tol=1e-12)
    assert len(killed) == 1 and killed[0] not in client.nthreads()
    assert_same(result, in_memory(table.compute()))
    assert np.array_equal(result.log_scale, undisturbed.log_scale)  # bit by bit
    assert result.evaluations == undisturbed.evaluations


def test_all_workers_die(client: Client, rng: np.random.Generator, monkeypatch: Any) -> None:
    """A nanny starts them anew, and they make their blocks anew."""
    client.wait_for_workers(2)
    edges = odd(rng)
    killed = kill_at(monkeypatch, 5, lambda: client.run(os.getpid))
    result = nb.balance(parts(edges), tol=1e-12)
    assert len(killed) == 2
    assert_same(result, in_memory(edges))


def test_no_worker_comes_back_in_time(client: Client, rng: np.random.Generator, monkeypatch: Any) -> None:
    client.wait_for_workers(2)
    monkeypatch.setattr(living, "PATIENCE", 0.0)
    killed = kill_at(monkeypatch, 3, lambda: client.run(os.getpid))
    with pytest.raises(NeurobalError, match=r"No worker of the Dask cluster is left.*Start workers"):
        nb.balance(parts(odd(rng)))
    assert len(killed) == 2
    client.wait_for_workers(2)


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.nan}, "The edge from 30 to 7 .row 5 of partition 0. has weight nan"),
        ({"weight": -np.inf}, "The edge from 30 to 7 .* has weight -inf"),
        ({"pre": -(2**63), "post": 2**63}, "beyond 2..63"),
        ({"pre": 1.5}, "ids must be whole numbers or strings"),
    ],
)
def test_edges_that_are_none(client: Client, change: dict[str, Any], message: str, rng: np.random.Generator) -> None:
    edges = odd(rng).assign(kind=0)
    edges.loc[5, ["pre", "post"]] = [30, 7]
    for column, value in change.items():
        values = edges[column].astype(np.uint64 if value == 2**63 else type(value) if value != -(2**63) else np.int64)
        values[5] = value
        edges[column] = values
    with pytest.raises(InvalidInputError, match=message):
        nb.balance(parts(edges))


def test_errors_name_the_remedy(client: Client, rng: np.random.Generator) -> None:
    edges = odd(rng)
    with pytest.raises(InvalidInputError, match=r"no column 'weight', only 'pre', 'post', 'w'.*rename\(columns="):
        nb.balance(parts(edges.rename(columns={"weight": "w"})))
    with pytest.raises(InvalidInputError, match="weight' must have real numbers"):
        nb.balance(parts(edges.assign(weight="heavy")))
    with pytest.raises(InvalidInputError, match="The dataframe has no neurons with the ids 5000"):
        nb.balance(parts(edges), pinned=[5000])
    with pytest.raises(InvalidInputError, match="tied: possible for networks in memory only"):
        nb.balance(parts(edges), tied=[0, 0])
    with pytest.raises(InvalidInputError, match="there is 'newton'"):
        nb.balance(parts(edges), method="osborne")
    with pytest.raises(UnbalanceableError, match="no balance"):
        nb.balance(parts(edges), on_unbalanceable="raise")
    with pytest.raises(InvalidInputError, match="empty"):
        nb.balance(parts(edges.iloc[:0], 1))


def test_weights_that_leave_their_precision_are_named() -> None:
    edges = pd.DataFrame({"pre": ["a", "b"], "post": ["b", "a"], "weight": np.float32([1e38, 1.0])})
    scales = tables.Scales(tables.Numbering(2, np.array(["a", "b"])), np.array([0.0, 5.0]))
    with pytest.raises(InvalidInputError, match=r"The edge from 'a' to 'b' has weight 1e.38 .* float32 cannot hold"):
        tables.rescaled_partition(edges, scales)
    new = tables.rescaled_partition(edges.astype({"weight": np.float64}), scales).weight
    np.testing.assert_allclose(new, edges.weight * np.exp([5.0, -5.0]), rtol=1e-14)


# ----------------------------------------------------------------------------------------------------------- pieces


def test_merging_does_not_depend_on_who_has_what(rng: np.random.Generator) -> None:
    from neurobal.cluster.bracket import Bracket
    from neurobal.large.passes import Rows, total

    values = rng.lognormal(0, 20, 23)
    bracket = Bracket((0, 7, 8, 15, 23))

    def leaf(number: int) -> Any:
        return Rows((values[number : number + 1],)), total(values[number : number + 1].copy())

    rows, expected = bracket.folded(bracket.root, leaf)
    assert np.array_equal(rows.value, values)
    for first, last in pairwise(bracket.edges):
        assert [*bracket.tops(range(first, last))] == [(first, last)]
    for _ in range(30):
        owner = rng.integers(0, 3, values.size)
        pieces = {}
        for worker in range(3):
            own = {*np.flatnonzero(owner == worker).tolist()}
            pieces |= {top: bracket.folded(top, leaf) for top in bracket.tops(own)}
        rows, found = bracket.joined(pieces)[bracket.root]
        assert np.array_equal(rows.value, values) and found.value == expected.value


def test_idle_workers_get_blocks() -> None:
    shares = {"a": [*range(8)], "b": [], "c": [8]}
    workers.even(shares)
    assert sorted(number for share in shares.values() for number in share) == [*range(9)]
    assert all(shares.values()) and max(map(len, shares.values())) <= 2 * min(map(len, shares.values())) + 1
