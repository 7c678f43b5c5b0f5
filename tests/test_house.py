"""The layout of the package: imports point one way, down the list of layers, and Brian2 stays in its room.

`CONTRIBUTING.md` shows the same list. A new module is added to ``LAYERS``, and there.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neurobal"

# From the top to the ground. Modules of one layer do not know each other, unless they are in the same room (a folder,
# whose files may use one another, but not in a circle). A name stands for a module or for a whole room.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("neurobal.testing",),  # like its users, it takes public names
    ("neurobal",),  # the public names
    ("neurobal.brian.plasticity", "neurobal.brian.comparing"),
    ("neurobal.brian.network", "neurobal.brian.running"),
    ("neurobal.brian.private_names",),
    ("neurobal.brian",),  # only its docstring
    ("neurobal.analysis",),
    ("neurobal.balancing", "neurobal.verification", "neurobal.storage", "neurobal.tradeoff"),
    ("neurobal.budgets",),
    ("neurobal.result",),
    ("neurobal.rescaling",),
    ("neurobal.plot",),
    ("neurobal.cluster",),
    ("neurobal.large",),
    ("neurobal.certificate", "neurobal.comparison"),
    ("neurobal.changes", "neurobal.exactness"),
    ("neurobal.formulation", "neurobal.rounding", "neurobal.multipliers"),
    ("neurobal.adapters", "neurobal.unbalanceable", "neurobal.neuron_costs", "neurobal.limits"),
    ("neurobal.solvers",),
    ("neurobal.existence", "neurobal.potential"),
    ("neurobal.problem",),
    ("neurobal.stores",),
    ("neurobal.cost", "neurobal.nodes"),
    ("neurobal.circuit",),
    ("neurobal.disk",),
    ("neurobal.symmetry", "neurobal.rules", "neurobal.fitting", "neurobal.progress", "neurobal.logarithms"),
    ("neurobal.notebook_html",),
    ("neurobal.containers", "neurobal.description", "neurobal.motion"),
    ("neurobal.inputs",),
    ("neurobal.errors", "neurobal.version"),
)
# Imports inside of functions that go up: a name that is loaded when it is first used.
LAZY = {("neurobal.adapters", "neurobal.brian.network")}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_names(source: str, module: str, is_package: bool) -> set[str]:
    """Full names of everything that a module's source imports: also for type checkers only, and inside of functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + is_package]
                origin = ".".join([*parents, origin] if origin else parents)
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


@cache
def imports(module: str) -> frozenset[str]:
    """Full names of what a module of the package imports."""
    path = MODULES[module]
    return frozenset(imported_names(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"))


def internal(module: str) -> set[str]:
    """Modules of the package that a module imports, or imports names of."""
    known = {name if name in MODULES else name.rpartition(".")[0] for name in imports(module)}
    return {name for name in known if name in MODULES} - {module}


def room(module: str) -> str:
    """The longest entry of ``LAYERS`` that a module is or lies in; empty if there is none."""
    entries = [entry for layer in LAYERS for entry in layer if entry != "neurobal"]
    around = [entry for entry in entries if module == entry or module.startswith(f"{entry}.")]
    if module == "neurobal.brian" or not module.startswith("neurobal.brian."):
        return max(around, key=len, default="neurobal" if module == "neurobal" else "")
    return max((entry for entry in around if entry != "neurobal.brian"), key=len, default="")


def depth(module: str) -> int:
    return next(k for k, layer in enumerate(LAYERS) if room(module) in layer)


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Nodes of a directed graph on circles, or between two of them: what is left without dead ends and beginnings."""
    left = {node: set(after) for node, after in edges.items()}
    while True:
        ends = {node for node, after in left.items() if not after & left.keys()}
        beginnings = left.keys() - set().union(*left.values())
        if not ends | beginnings:
            return sorted(left)
        left = {node: after for node, after in left.items() if node not in ends | beginnings}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_place(module: str) -> None:
    assert room(module), f"{module} is in no layer: add it to LAYERS in {Path(__file__).name} and to CONTRIBUTING.md"


def test_layers_name_only_what_there_is() -> None:
    entries = [entry for layer in LAYERS for entry in layer]
    assert len(entries) == len({*entries})
    assert set(entries) <= MODULES.keys()


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    upward = [
        f"{module} imports {other}"
        for other in internal(module)
        if room(other) != room(module)
        and depth(other) <= depth(module)
        and other != "neurobal.brian"
        and (room(module), room(other)) not in LAZY
    ]
    assert not upward


def test_there_are_no_circles() -> None:
    assert not circles({module: internal(module) for module in MODULES})


@pytest.mark.parametrize("module", MODULES)
def test_brian2_stays_in_its_room(module: str) -> None:
    outside = {name for name in imports(module) if name.split(".")[0] == "brian2"}
    # The suites that others run against a Brian2 rule need Brian2 as these others do, when they are used.
    assert not outside or module.startswith(("neurobal.brian.", "neurobal.testing."))


def test_contributing_lists_the_layers() -> None:
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = page[page.index("## Where things go") :]
    names = [
        entry.removeprefix("neurobal.").replace(".", "/") for layer in LAYERS for entry in layer if entry != "neurobal"
    ]
    missing = [name for name in names if f"`{name}`" not in listed]
    assert not missing


# ----------------------------------------------------------------------------------------------- tests of the tests


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import brian2 as b", {"brian2"}),
        ("def f():\n    from brian2.units import second", {"brian2.units.second"}),
        ("if TYPE_CHECKING:\n    from neurobal.cost import Cost", {"neurobal.cost.Cost"}),
        ("from .model import Population", {"neurobal.symmetry.model.Population"}),
        ("from . import model", {"neurobal.symmetry.model"}),
        ("from ..errors import NeurobalError", {"neurobal.errors.NeurobalError"}),
    ],
)
def test_imports_are_seen(source: str, expected: set[str]) -> None:
    assert imported_names(source, "neurobal.symmetry.ties", False) == expected


def test_circles_are_seen() -> None:
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == ["a", "b"]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_what_is_new_has_no_place_yet() -> None:
    assert not room("neurobal.utilities") and not room("neurobal.brian.utilities")
    assert room("neurobal.brian.network.names") == "neurobal.brian.network"
