"""Brian2's private names that the package uses are listed, and the installed Brian2 has them."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from brian2 import Network, NeuronGroup, Synapses, check_units
from brian2.core.functions import DEFAULT_FUNCTIONS

import neurobal
from neurobal.brian.private_names import ATTRIBUTES, VARIABLES, PrivateName

ROOT = Path(neurobal.__file__).parent
LISTED = {entry.name for entry in (*ATTRIBUTES, *VARIABLES)}


@cache
def examples() -> tuple[dict[str, Any], set[str]]:
    """An object of every class that is listed, and the private names of variables and indices of Brian2."""
    cells = NeuronGroup(2, "v : 1", threshold="v > 1")
    synapses = Synapses(cells[:1], cells, "w : 1", on_pre="v += w")
    groups = {"Group": cells, "NeuronGroup": cells, "BrianObject": cells, "Synapses": synapses}
    objects = {**groups, "Network": Network(cells), "Function": DEFAULT_FUNCTIONS["exp"], "Subgroup": cells[:1]}
    objects["check_units"] = check_units(x=1, result=1)(lambda x: x)
    names: set[str] = set()
    for group in (cells, synapses, objects["Subgroup"]):
        names |= {*group.variables, *group.variables.indices.values()}
    return objects, {name for name in names if name.startswith("_")}


@pytest.mark.parametrize("entry", ATTRIBUTES, ids=lambda entry: entry.name)
def test_brian2_has_what_is_used(entry: PrivateName) -> None:
    owner = import_module(entry.module) if entry.owner is None else examples()[0][entry.owner]
    assert hasattr(owner, entry.name), f"this Brian2 lost {entry.module}: {entry.owner}.{entry.name}, for {entry.why}"


@pytest.mark.parametrize("entry", VARIABLES, ids=lambda entry: entry.name)
def test_brian2_has_the_variables_that_are_used(entry: PrivateName) -> None:
    assert entry.name in examples()[1], f"this Brian2 lost the variable {entry.name}: {entry.why}"


@cache
def own_names() -> set[str]:
    """Private names that the package itself defines: functions, classes, and attributes of self."""
    names = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
                names.add(node.attr)
    return names


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def private_names(tree: ast.AST, variables: set[str]) -> set[str]:
    """What a module uses of others' private names: imports, attributes, and names of Brian2's variables as strings."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brian2"):
            used |= {part for part in (node.module or "").split(".") if part.startswith("_")}
            used |= {alias.name for alias in node.names if alias.name.startswith("_")}
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            used.add(node.attr)
        if isinstance(node, ast.Constant) and node.value in variables:
            used.add(node.value)
    return used


@pytest.mark.parametrize("path", sorted((ROOT / "brian").rglob("*.py")), ids=lambda path: path.stem)
def test_what_is_used_is_listed(path: Path) -> None:
    used = private_names(ast.parse(path.read_text(encoding="utf-8")), examples()[1])
    allowed = LISTED | own_names() | {"_getframe"}  # of sys
    assert used <= allowed, f"{path.name}: not in neurobal/brian/private_names.py: {sorted(used - allowed)}"


def test_all_that_is_listed_is_used() -> None:
    text = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "brian").rglob("*.py") if "private" not in path.name
    )
    assert [name for name in sorted(LISTED) if name not in text] == []


def test_the_search_finds_them() -> None:
    code = "from brian2._new import x\nfrom brian2.core import _y\ngroup._z\nsynapses.variables['_synaptic_pre']"
    assert private_names(ast.parse(code), examples()[1]) == {"_new", "_y", "_z", "_synaptic_pre"}
