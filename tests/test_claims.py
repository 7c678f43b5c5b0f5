"""The register of claims, docs/claims.md, names only what exists, and judges every claim once and in fixed words."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import neurobal as nb

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
VERDICTS = ("holds", "holds under a condition", "does not replicate", "not testable here", "open")
CHECKS = range(1, 50)


class Row(NamedTuple):
    number: str
    claim: str
    where: str
    tested: str
    outcome: str
    verdict: str


def rows(page: str) -> list[Row]:
    """Every row of every table whose first cell is a number such as 12, S3 or B4."""
    lines = [line for line in page.splitlines() if re.match(r"\| *[SB]?\d+ *\|", line)]
    return [Row(*(cell.strip() for cell in line.strip().strip("|").split(" | "))) for line in lines]


def references(row: Row) -> list[str]:
    """What a row names in code style: paths (with ``::test``), and public names that begin with nb."""
    return [code for code in re.findall(r"`([^`]+)`", " ".join(row)) if "/" in code or code.startswith("nb.")]


def evidence(row: Row) -> list[str]:
    """Tests, notebooks and models of a row."""
    paths = [code for code in re.findall(r"`([^`]+)`", row.tested) if "/" in code]
    return [path for path in paths if "::" in path or path.startswith(("notebooks/", "models/"))]


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        names |= {f"{kind.name}::{node.name}" for node in kind.body if isinstance(node, ast.FunctionDef)}
    return names


def missing(reference: str) -> str:
    """Why a reference leads nowhere; empty if it does not."""
    if reference.startswith("nb."):
        value: object = nb
        for name in reference.removeprefix("nb.").split("."):
            if not hasattr(value, name):
                return f"there is no public name {reference}"
            value = getattr(value, name)
        return ""
    path, _, test = reference.partition("::")
    if not (ROOT / path).exists():
        return f"there is no file {path}"
    if test and not (test.split("::")[-1].startswith("test_") and test in functions(ROOT / path)):
        return f"there is no test {test} in {path}"
    return ""


def verdict(row: Row) -> tuple[str, str]:
    """The verdict and its reason: ``holds``, or ``open: why``."""
    word, _, reason = row.verdict.partition(": ")
    return word, reason


def faults(row: Row) -> list[str]:
    """All that is wrong with one row."""
    word, reason = verdict(row)
    found = [missing(reference) for reference in references(row)]
    found.append("" if word in VERDICTS else f"{word!r} is no verdict")
    found.append("" if word == "holds" or reason else f"{word!r} needs a reason")
    if word in ("holds", "holds under a condition", "does not replicate"):
        found.append("" if evidence(row) else f"{word!r} needs a test")
        found.append("" if re.search(r"\d", row.outcome) else f"{word!r} needs a measured number")
    found += ["" if cell else "an empty cell" for cell in row]
    return [fault for fault in found if fault]


ROWS = rows(PAGE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_row_names_what_exists_and_is_judged(row: Row) -> None:
    assert not faults(row)


def test_every_check_and_claim_stands_there_once() -> None:
    numbers = [row.number for row in ROWS]
    assert sorted(int(n) for n in numbers if n.isdigit()) == list(CHECKS)
    for paper in "SB":
        of_paper = [int(n[1:]) for n in numbers if n[0] == paper]
        assert of_paper == list(range(1, len(of_paper) + 1)) and len(of_paper) >= 8


def test_the_summary_counts_right() -> None:
    for word in VERDICTS:
        counted = sum(verdict(row)[0] == word for row in ROWS)
        assert f"{counted} {word}" in re.search(r"^Of \d+ rows[^\n]*(\n[^\n]+)*", PAGE, flags=re.M)[0].replace("*", "")


def test_the_page_is_linked_from_the_readme() -> None:
    assert "docs/claims.md" in (ROOT / "README.md").read_text(encoding="utf-8")


GOOD = Row("1", "c", "w", "`tests/test_claims.py::test_every_check_and_claim_stands_there_once`", "1e-3", "holds")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"tested": "`tests/no_file.py::test_x`"}, "no file"),
        ({"tested": "`tests/test_claims.py::test_x`"}, "no test test_x"),
        ({"tested": "`tests/test_claims.py::faults`"}, "no test faults"),
        ({"tested": "`notebooks/no_such.ipynb`"}, "no file"),
        ({"claim": "`nb.no_such_name`"}, "no public name"),
        ({"verdict": "plausible"}, "no verdict"),
        ({"verdict": "holds under a condition"}, "needs a reason"),
        ({"tested": "derived by hand"}, "needs a test"),
        ({"outcome": "as expected"}, "needs a measured number"),
        ({"where": ""}, "an empty cell"),
    ],
)
def test_faults_are_found(change: dict[str, str], fault: str) -> None:
    """The test of the tests."""
    found = faults(GOOD._replace(**change))
    assert any(fault in one for one in found) if fault else not found
