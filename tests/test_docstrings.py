"""Examples in docstrings and on the front page are true: they run, and print what they say."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neurobal as nb

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "neurobal").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def brian2_names() -> dict[str, Any]:
    """What a script has after ``from brian2 import *``, and a small network of rectified-linear units as ``net``."""
    names: dict[str, Any] = {}
    exec("from brian2 import *", names)
    model = "dx/dt = (I - x)/(20*ms) : 1\nI : 1\nr = clip(x, 0, inf) : 1"
    units = names["NeuronGroup"](4, model, method="euler", dt=1 * names["ms"], name="cells")
    units.x = 1
    synapses = names["Synapses"](
        units, units, "w : 1\nI_post = w*r_pre : 1 (summed)", dt=1 * names["ms"], name="synapses"
    )
    synapses.connect(condition="i != j")
    synapses.w = np.linspace(0.1, 1, 12)
    return names | {"net": names["Network"](units, synapses)}


def examples(module: str) -> list[doctest.DocTest]:
    """The docstrings of a module that hold examples, each with the names that its reader has."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for test in finder.find(importlib.import_module(module)) if test.examples]
    for test in found:
        code = "".join(example.source for example in test.examples)
        needs_brian2 = module.startswith("neurobal.brian.") or re.search(r"\b(second|ms|net)\b", code)
        test.globs |= {"nb": nb, "np": np} | (brian2_names() if needs_brian2 else {})
    return found


@pytest.fixture(autouse=True)
def numpy_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Brian2's preferences are global: leave them as they were. Files are written to a folder of their own."""
    from brian2 import prefs, start_scope

    monkeypatch.chdir(tmp_path)
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    start_scope()
    yield
    prefs.codegen.target = target
    start_scope()


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings_are_true(module: str) -> None:
    found = examples(module)
    assert found, f"{module} shows >>> outside of docstrings that can be run"
    for test in found:
        said: list[str] = []
        outcome = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append)
        assert not outcome.failed, "".join(said)


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)


def test_blocks_of_the_readme_are_python() -> None:
    assert len(blocks()) >= 4
    for block in blocks():
        ast.parse(block)


def test_names_on_the_front_page_exist() -> None:
    for name in {name for block in blocks() for name in re.findall(r"\bnb((?:\.[A-Za-z]\w*)+)", block)}:
        value: Any = nb
        for part in name.strip(".").split("."):
            value = getattr(value, part)


def names_of_the_readme() -> dict[str, Any]:
    """What the README's blocks take for granted: matrices of fitting shapes."""
    rng = np.random.default_rng(1)
    shapes = {"W_in": (100, 10), "W_out": (2, 100), "b": (100,), "J": (100, 100)}
    matrices = {name: rng.normal(0, 0.3 / np.sqrt(shape[-1]), shape) for name, shape in shapes.items()}
    np.fill_diagonal(matrices["J"], 0)
    frame = SimpleNamespace(DataFrame=dict)  # pandas may not be installed
    return {
        "nb": nb,
        "np": np,
        "pandas": frame,
        **matrices,
        "layer_of_neuron": np.arange(100) // 10,
        "gains": np.ones(100),
    }


@pytest.mark.parametrize("start", ["result = nb.balance(J)", "circuit = nb.Circuit()", "nb.analysis.cost_bounds(J)"])
def test_blocks_on_matrices_run(start: str) -> None:
    (block,) = (block for block in blocks() if block.startswith(start))
    exec(block, names_of_the_readme())


def test_blocks_on_brian2_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The first one, a plasticity, and then the second: what is pinned has another name in this network."""
    live = next(block for block in blocks() if "nb.Plasticity(net" in block)
    names = brian2_names()
    exec(live.replace("10*second", "1*second"), names)
    assert "function preserved" in capsys.readouterr().out
    once = next(block for block in blocks() if "print(nb.symmetries(net))" in block)
    names = brian2_names() | {"net_built_anew": brian2_names()["net"]}
    exec(once.replace('["readout"]', '{"cells": [0]}'), names)
    assert "function preserved" in capsys.readouterr().out and names["result"].success
    weights = [np.array(names[name]["synapses"].w) for name in ("net", "net_built_anew")]
    np.testing.assert_array_equal(*weights)
