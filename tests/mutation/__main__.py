"""`python -m tests.mutation --number 500 --seed 1`: resumable; survivors are printed, each with its changed lines."""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import signal
import sys
import time
from difflib import unified_diff
from pathlib import Path

import brian2  # noqa: F401 - imported once, before mutants are forked
import pytest
import scipy.optimize  # noqa: F401

from .coverage_map import CoverageMap, measure
from .mutants import Mutant, draw

FILES = [
    *sorted(Path("neurobal/symmetry").glob("*.py")),
    *map(
        Path,
        (
            "neurobal/certificate.py",
            "neurobal/verification.py",
            "neurobal/changes.py",
            "neurobal/description.py",
            "neurobal/exactness.py",
        ),
    ),
    Path("neurobal/brian/network/description.py"),
]
TESTS = [
    "tests/symmetry",
    "tests/test_certificate.py",
    "tests/test_description.py",
    *(f"tests/brian/test_{name}.py" for name in ("certificate_brian", "exactness", "inference", "inference_answers")),
    *(f"tests/brian/test_{name}.py" for name in ("names", "origins", "constant_over_dt")),
]
SLACK, PATIENCE = 8, 40  # times the tests' own time, and seconds for imports: then a mutant hangs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of tests for each mutant")
    parser.add_argument("--report", type=Path, default=Path("mutants.jsonl"), help="one line a mutant, appended")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    done = _done(options.report)
    mutants = draw(FILES, options.number, options.seed)
    # In a child: modules that are to be mutated must not be imported here.
    tests = _in_child(FILES, TESTS)
    for mutant in mutants:
        if mutant.number not in done:
            verdict = _verdict(mutant, tests.covering(mutant.path, mutant.line, options.budget), tests)
            done[mutant.number] = verdict
            with options.report.open("a") as report:
                report.write(json.dumps({"number": mutant.number, "path": mutant.path, "verdict": verdict}) + "\n")
            if verdict == "survived":
                print(
                    f"{mutant.path}:{mutant.line} ({mutant.operator})",
                    *_changed_lines(mutant),
                    sep="\n    ",
                    flush=True,
                )
    verdicts = [done[mutant.number] for mutant in mutants]
    print(f"{len(verdicts)} mutants, {verdicts.count('survived')} survived")


def _done(report: Path) -> dict[int, str]:
    lines = report.read_text().splitlines() if report.exists() else []
    return {entry["number"]: entry["verdict"] for entry in map(json.loads, lines)}


def _in_child(files: list[Path], tests: list[str]) -> CoverageMap:
    """The coverage map, measured in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        found = measure(files, tests)
        lines = [[path, line, sorted(names)] for (path, line), names in found.tests.items()]
        with os.fdopen(writing, "w") as pipe:
            json.dump({"tests": lines, "seconds": found.seconds}, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = json.load(pipe)
    os.waitpid(child, 0)
    return CoverageMap({(path, line): set(names) for path, line, names in answer["tests"]}, answer["seconds"])


def _verdict(mutant: Mutant, names: list[str], tests: CoverageMap) -> str:
    """Run tests in a fork in which the mutated file is read with its change."""
    if not names:
        return "not covered"
    child = os.fork()
    if child == 0:
        _run(mutant, names)
    end = time.monotonic() + PATIENCE + SLACK * sum(tests.seconds.get(name, 1.0) for name in names)
    while time.monotonic() < end:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed (it hangs)"


def _run(mutant: Mutant, names: list[str]) -> None:
    os.setpgid(0, 0)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    target, original = os.path.abspath(mutant.path), importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, name: str) -> object:
        if os.path.abspath(self.path) == target:
            return compile(mutant.source, target, "exec", dont_inherit=True)
        return original(self, name)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    code = 3
    try:
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *names]))
    finally:
        os._exit(code)


def _changed_lines(mutant: Mutant) -> list[str]:
    before = Path(mutant.path).read_text().splitlines()
    return list(unified_diff(before, mutant.source.splitlines(), n=0, lineterm=""))[3:]


if __name__ == "__main__":
    main()
