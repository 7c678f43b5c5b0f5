"""The way from a table of edges to a balanced connectome: the page's code runs, and so does the benchmark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import neurobal as nb
from benchmarks import connectome

PAGE = Path(__file__).parents[2] / "docs" / "from_an_edge_table_to_a_balanced_connectome.md"


class Pandas:
    """All that the page asks of pandas."""

    @staticmethod
    def DataFrame(columns: dict[str, Any]) -> pa.Table:
        return pa.table(columns)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.chdir(tmp_path)
    connectome.write_table(Path("edges.parquet"), 200, 6000)
    table = parquet.read_table("edges.parquet").rename_columns(["pre_root_id", "post_root_id", "syn_count"])
    parquet.write_table(table, "connections.parquet")
    sensory = np.unique(table["pre_root_id"].to_numpy())[:5]
    names: dict[str, Any] = {"sensory_ids": sensory, "pandas": Pandas}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    result = names["result"]
    assert result.success and np.all(result.scale[names["net"].numbers(sensory)] == 1)
    assert names["table"].column_names == ["id", "scale", "pinned", "left_out"]
    # The balanced table, read by somebody else: the same edges, weights times λ_post / λ_pre.
    before, after = (
        {(row["pre_root_id"], row["post_root_id"]): row[weight] for row in parquet.read_table(file).to_pylist()}
        for file, weight in (("connections.parquet", "syn_count"), ("balanced.parquet", "weight"))
    )
    scale = dict(zip(result.ids.tolist(), result.scale.tolist(), strict=True))
    single = [pair for pair, count in _counted(table) if count == 1]
    assert single and before.keys() == after.keys()
    for pre, post in single:
        assert after[pre, post] == pytest.approx(before[pre, post] * scale[post] / scale[pre], rel=1e-5)


def _counted(table: pa.Table) -> list[tuple[tuple[int, int], int]]:
    pairs = list(zip(table["pre_root_id"].to_pylist(), table["post_root_id"].to_pylist(), strict=True))
    return [(pair, pairs.count(pair)) for pair in pairs[:300]]


def test_the_benchmark_goes_all_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connectome.main(["--neurons", "300", "--edges", "9000", "--folder", str(tmp_path / "all")])
    printed = capsys.readouterr().out
    assert "LargeBalance: balanced" in printed and "function preserved" in printed
    assert nb.on_disk(tmp_path / "all" / "balanced").size == 300
    assert (tmp_path / "all" / "balanced.parquet").stat().st_size > 0
