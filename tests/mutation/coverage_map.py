"""Which tests run which line, and how long they take: measured once, with every test as a context of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest


@dataclass
class CoverageMap:
    """``tests``: names of tests by (file, line); ``seconds``: what each takes."""

    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def covering(self, path: str, line: int, budget: float) -> list[str]:
        """Tests that run a line, or those nearest to it; the fastest first, as many as fit into so many seconds."""
        near = sorted((key for key in self.tests if key[0] == path), key=lambda key: abs(key[1] - line))
        names: set[str] = next((self.tests[key] for key in near), set())
        chosen, total = [], 0.0
        for name in sorted(names, key=lambda name: self.seconds.get(name, 1.0)):
            total += self.seconds.get(name, 1.0)
            if chosen and total > budget:
                break
            chosen.append(name)
        return chosen


class _Contexts:
    def __init__(self, measured: coverage.Coverage, into: CoverageMap) -> None:
        self.measured, self.into, self.failed = measured, into, set[str]()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.measured.switch_context(item.nodeid)
        start = time.perf_counter()
        yield
        self.into.seconds[item.nodeid] = time.perf_counter() - start
        self.measured.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


def measure(paths: list[Path], tests: list[str]) -> CoverageMap:
    """Run tests and note what they run of these files; tests that fail are left out."""
    found = CoverageMap()
    measured = coverage.Coverage(data_file=None, include=[str(path) for path in paths])
    contexts = _Contexts(measured, found)
    measured.start()
    pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[contexts])
    measured.stop()
    data = measured.get_data()
    for file in data.measured_files():
        for line, names in data.contexts_by_lineno(file).items():
            found.tests[os.path.relpath(file), line] = {name for name in names if name} - contexts.failed
    return found
