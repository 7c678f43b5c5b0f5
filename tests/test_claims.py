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
COUNTS = {"": 49, "S": 9, "B": 15}  # checks, and claims of either paper: a row that is deleted is missed
# What may be open. A claim leaves this set when it was tested, and no other enters it unseen.
OPEN = {"B11", *map(str, (*range(14, 18), *range(42, 50)))}


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


def references(text: str) -> list[str]:
    """What a text names in code style: paths (with ``::test``), and public names that begin with nb.

    Of a call only the name: `nb.Power(2)` is `nb.Power`. Formulas are none of these, even if they divide.
    """
    codes = re.findall(r"`([^`]+)`", text)
    paths = [code for code in codes if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?(::\w+)*", code)]
    return paths + [re.match(r"[\w.]+", code)[0] for code in codes if code.startswith("nb.")]


def evidence(row: Row) -> list[str]:
    """Tests of a row. A notebook or a model shows, but does not fail."""
    return [path for path in references(row.tested) if "::" in path]


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
    found = [missing(reference) for reference in references(" ".join(row))]
    found.append("" if word in VERDICTS else f"{word!r} is no verdict")
    found.append("" if word == "holds" or reason else f"{word!r} needs a reason")
    if word in ("holds", "holds under a condition", "does not replicate"):
        found.append("" if evidence(row) else f"{word!r} needs a test")
        found.append("" if re.search(r"\d", row.outcome) else f"{word!r} needs a measured number")
    if (word == "open") != (row.number in OPEN):
        found.append(f"{row.number} is to be open" if row.number in OPEN else f"{row.number} is not to be open")
    found += ["" if cell else "an empty cell" for cell in row]
    return [fault for fault in found if fault]


def counting_faults(page: str) -> list[str]:
    """All that is wrong with the numbers of rows and with the sentence that counts verdicts."""
    found, numbers = [], [row.number for row in rows(page)]
    for paper, count in COUNTS.items():
        expected = [f"{paper}{k + 1}" for k in range(count)]
        of_paper = [number for number in numbers if re.fullmatch(rf"{paper}\d+", number)]
        found += [f"{number} is missing" for number in expected if number not in of_paper]
        found += [f"{number} is one too many" for number in {*of_paper} if of_paper.count(number) > 1]
        found += [f"{number} is unknown" for number in of_paper if number not in expected]
    sentences = re.findall(r"^Of \d+ rows:[^.]*\.$", page, flags=re.M)
    counted = [f"{sum(verdict(row)[0] == word for row in rows(page))} {word}" for word in VERDICTS]
    if sentences != [f"Of {len(numbers)} rows: {', '.join(counted)}."]:
        found.append(f"the sentence on verdicts should be: Of {len(numbers)} rows: {', '.join(counted)}.")
    return found


ROWS = rows(PAGE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_row_names_what_exists_and_is_judged(row: Row) -> None:
    assert not faults(row)


def test_every_claim_stands_there_once_and_the_summary_counts_right() -> None:
    assert not counting_faults(PAGE)


def test_everything_the_page_names_exists() -> None:
    """Also outside of the tables."""
    assert not [fault for fault in map(missing, references(PAGE)) if fault]
    assert len(references(PAGE)) > sum(len(references(" ".join(row))) for row in ROWS)


def test_the_page_is_linked_from_the_readme() -> None:
    assert "docs/claims.md" in (ROOT / "README.md").read_text(encoding="utf-8")


HERE = "`tests/test_claims.py::test_the_page_is_linked_from_the_readme`"
GOOD = Row("1", "c", "w", HERE, "1e-3", "holds")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"tested": "`tests/no_file.py::test_x`"}, "no file"),
        ({"tested": "`tests/test_claims.py::test_x`"}, "no test test_x"),
        ({"tested": "`tests/test_claims.py::faults`"}, "no test faults"),
        ({"tested": "`notebooks/no_such.ipynb`"}, "no file"),
        ({"tested": "`notebooks/neural_sheet.ipynb`"}, "needs a test"),
        ({"tested": "`models/spiking_ei.py`"}, "needs a test"),
        ({"tested": f"{HERE}, `notebooks/neural_sheet.ipynb`"}, ""),
        ({"claim": "`nb.no_such_name`"}, "no public name"),
        ({"claim": "`nb.no_such_name(2, weight=1/2)`"}, "no public name"),
        ({"claim": "`nb.Power(2, weight=1/2)`, `C = a / b`"}, ""),
        ({"verdict": "plausible"}, "no verdict"),
        ({"verdict": "holds under a condition"}, "needs a reason"),
        ({"verdict": "open: no time"}, "1 is not to be open"),
        ({"number": "14"}, "14 is to be open"),
        ({"number": "14", "verdict": "open: in preparation"}, ""),
        ({"tested": "derived by hand"}, "needs a test"),
        ({"outcome": "as expected"}, "needs a measured number"),
        ({"where": ""}, "an empty cell"),
    ],
)
def test_faults_are_found(change: dict[str, str], fault: str) -> None:
    """The test of the tests."""
    found = faults(GOOD._replace(**change))
    assert any(fault in one for one in found) if fault else not found


def without(number: str) -> str:
    """The page without a row."""
    return re.sub(rf"^\| {number} \|.*\n", "", PAGE, flags=re.M)


HOLDS = sum(verdict(row)[0] == "holds" for row in ROWS)


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (without("S9"), "S9 is missing"),
        (without("B15"), "B15 is missing"),
        (without("49"), "49 is missing"),
        (PAGE + "| S9 | c | w | t | 1 | holds |\n", "S9 is one too many"),
        (PAGE + "| 50 | c | w | t | 1 | holds |\n", "50 is unknown"),
        (PAGE.replace(f"Of {len(ROWS)} rows", "Of 99 rows"), "the sentence on verdicts"),
        (PAGE.replace(f" {HOLDS} holds,", f" 1{HOLDS} holds,"), "the sentence on verdicts"),
        (re.sub(r"^Of \d+ rows.*\n", "", PAGE, flags=re.M), "the sentence on verdicts"),
    ],
)
def test_wrong_counts_are_found(page: str, fault: str) -> None:
    assert page != PAGE
    assert any(fault in one for one in counting_faults(page))


def test_what_stands_outside_of_tables_is_looked_up() -> None:
    text = "See `tests/no_file.py`, `nb.nothing(2)` and ``c / h``, not `a/(b + c)`."
    assert [missing(one)[:8] for one in references(text)] == ["there is", "there is"]
