"""The notebooks run from top to bottom in a fresh kernel and hold what they show; the page on rules tells the truth."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import nbformat
import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, prefs, second

import neurobal as nb
from neurobal.rules import VOCABULARY

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PAGE = (NOTEBOOKS.parent / "docs" / "write_your_own_rule.md").read_text(encoding="utf-8")
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
SECONDS = 90  # of one core, for a whole notebook

NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
# How often a solver had to try depends on the last digits of other numbers.
EFFORT = re.compile(r"\d+ iterations?, \d+ evaluations?")
ROUNDING = 1e-10  # what is smaller is an error of rounding, another one on another machine


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def code_cells(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def printed(cells: list[nbformat.NotebookNode]) -> str:
    """All text of all outputs of code cells."""
    outputs = [output for cell in cells for output in cell.outputs]
    return "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


def test_there_are_notebooks():
    readme = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"notebooks/(\w+\.ipynb)", readme)) == NAMES
    assert len(NAMES) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_what_a_notebook_shows_is_stored(name):
    book = read(name)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    cells = code_cells(book)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))  # run once, from the top
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert "function preserved" in printed(cells)
    # Nothing about the machine it ran on.
    assert not re.search(r"(?<![\w.])/(home|Users|root|tmp|opt|work|usr)/", printed(cells))
    assert not [output for output in outputs if output.get("name") == "stderr"]


def same(stored: str, now: str) -> bool:
    """Whether two printouts say the same: every word, and every number to 2 % or to the last digit shown."""
    stored, now = EFFORT.sub("", stored), EFFORT.sub("", now)
    if NUMBER.sub(" # ", stored).split() != NUMBER.sub(" # ", now).split():
        return False
    for one, other in zip(NUMBER.findall(stored), NUMBER.findall(now), strict=True):
        x, y = (float(text.replace(",", "")) for text in (one, other))
        digits = re.search(r"\.(\d+)(?:e([-+]?\d+))?", one)
        last = 10.0 ** (int(digits[2] or 0) - len(digits[1])) if digits else 0.0
        if max(abs(x), abs(y)) >= ROUNDING and abs(x - y) > max(0.02 * abs(x), 1.001 * last):
            return False
    return True


STORED = "cost 28.8% of 973, 1,200 (residual 3.4e-15 <= 1e-12): preserved"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (STORED, True),
        ("cost  28.9%  of 973, 1,210 (residual 5e-15 <= 1e-12): preserved", True),
        ("cost 30.1% of 973, 1,200 (residual 3.4e-15 <= 1e-12): preserved", False),
        ("cost -28.8% of 973, 1,200 (residual 3.4e-15 <= 1e-12): preserved", False),
        ("cost nan% of 973, 1,200 (residual 3.4e-15 <= 1e-12): preserved", False),
        ("cost 28.8% of 913, 1,200 (residual 3.4e-15 <= 1e-12): preserved", False),
        ("cost 28.8% of 973, 1,200 (residual 3.4e-9 <= 1e-12): preserved", False),
        ("cost 28.8% of 973, 1,200 (residual 3.4e-15 <= 1e-12): NOT preserved", False),
        ("cost 28.8% of 973, 1,200 (residual 3.4e-15 <= 1e-12): preserved 1", False),
    ],
)
def test_changed_numbers_are_seen(now, expected):
    """The test of the tests."""
    assert same(STORED, now) == expected


def test_the_last_digit_and_the_effort_of_solvers_may_differ():
    assert same("newton, 3 iterations, 31 evaluations: 0.7", "newton, 4 iterations, 40 evaluations: 0.8")
    assert not same("0.7", "0.9")


def seconds_of_children() -> float:
    """CPU time of all processes that were started here and have ended: on a busy machine it takes no longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_says_what_it_said(name, monkeypatch, tmp_path):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent), prepend=":")
    monkeypatch.setenv("CYTHON_CACHE_DIR", str(tmp_path))  # Brian2 would tell of a large one in the first cell
    book, used = read(name), seconds_of_children()
    stored = [printed([cell]) for cell in code_cells(book)]
    # The limit of one cell is there to end what hangs.
    client = NotebookClient(
        book, timeout=5 * SECONDS, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    client.execute()  # raises CellExecutionError with the traceback of the cell; waits for the end of the kernel
    used = seconds_of_children() - used
    assert 1 < used < SECONDS
    for cell, before in zip(code_cells(book), stored, strict=True):
        assert not [output for output in cell.outputs if output.output_type == "error"]
        assert same(before, printed([cell])), f"{before}\n--- and now:\n{printed([cell])}"


# ------------------------------------------------------------------------------------ docs/write_your_own_rule.md


@pytest.fixture
def network(monkeypatch):
    """Four rectified-linear units, each connected to each."""
    monkeypatch.setitem(prefs, "codegen.target", "numpy")
    model = "dx/dt = (I - x)/(20*ms) : 1\nI : 1\nr = clip(x, 0, inf) : 1"
    units = NeuronGroup(4, model, method="euler", dt=1 * ms, name="units")
    units.x = 1
    synapses = Synapses(units, units, "w : 1\nI_post = w*r_pre : 1 (summed)", dt=1 * ms, name="synapses")
    synapses.connect(condition="i != j")
    synapses.w = np.linspace(0.1, 1, 12)
    network = Network(units, synapses)
    network.run(0 * second)  # Brian2 warns of objects that never ran
    return network


def test_the_page_on_rules_names_the_whole_vocabulary():
    assert re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.M) == list(VOCABULARY)


def test_the_rule_on_the_page_balances(network):
    names = {"network": network}
    exec(re.search(r"```python\n(.*?)```", PAGE, flags=re.S)[1], names)
    plasticity = names["plasticity"]
    network.run(5 * second)
    gap = np.abs(np.log(plasticity["units"].cost_in[:] / plasticity["units"].cost_out[:]))
    assert np.all(gap <= np.log(plasticity.rule.values["tolerance"]))
    assert nb.verify(plasticity.before, network).preserved
    assert np.ptp(np.log(plasticity["units"].scale[:])) > 0.1  # it had something to do


@pytest.mark.parametrize(("code", "message"), re.findall(r"```python\n([^`]*)```\n```text\n([^`]*)```", PAGE))
def test_messages_on_the_page_on_rules_are_true(network, code, message):
    with pytest.raises(nb.NeurobalError) as error:
        exec(code, {"nb": nb, "network": network, "ms": ms, "second": second})
    assert str(error.value).split() == message.split()
