"""Progress of long work, in the convention of Brian2's ``run(report=...)``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from neurobal.errors import InvalidInputError

BAR_PERIOD = 0.1  # seconds between two updates of a bar

Report: TypeAlias = "str | Callable[[float, float, float, float], Any] | None"


class Progress:
    """Tells the user how far a piece of work has come, at most every ``period`` seconds.

    ``report`` is None, ``'text'`` or ``'stdout'``, ``'stderr'``, or a function that is called, as Brian2 calls it, with
    (elapsed, completed, start, duration): seconds since the start, the fraction done, 0.0 and 1.0. ``'bar'`` draws a
    bar by tqdm, in notebooks and terminals; where there is neither, nothing.
    """

    def __init__(self, report: Report, what: str, period: float = 2.0) -> None:
        if not (report is None or callable(report) or report in ("text", "stdout", "stderr", "bar")):
            raise InvalidInputError(
                f"report: expected None, 'text', 'stdout', 'stderr', 'bar' or a function, got {report!r}."
            )
        self._report, self._what, self._period = report, what, period
        if report == "bar":
            self._report, self._period = _bar(what), min(period, BAR_PERIOD)
        self._start = self._last = time.monotonic()
        self._fraction = 0.0
        self._say("", 0.0)

    def update(self, fraction: float, detail: str = "") -> None:
        """The work is ``fraction`` done; what was once reached is not taken back."""
        self._fraction = max(self._fraction, min(fraction, 1.0))
        now = time.monotonic()
        if now - self._last >= self._period:
            self._last = now
            self._say(detail, self._fraction)

    def done(self, detail: str = "") -> None:
        """The work has ended."""
        self._say(detail, 1.0)

    def _say(self, detail: str, fraction: float) -> None:
        elapsed = time.monotonic() - self._start
        if self._report is None:
            return
        if callable(self._report):
            self._report(elapsed, fraction, 0.0, 1.0)
            return
        stream = sys.stderr if self._report == "stderr" else sys.stdout
        if not elapsed or (fraction == 0 and not detail):
            line = f"Starting: {self._what}"
        elif fraction == 1:
            line = f"Finished: {self._what} ({elapsed:.2g} s) {detail}"
        else:
            line = f"{self._what}: {100 * fraction:.0f}% after {elapsed:.2g} s {detail}"
        print(line.rstrip(), file=stream, flush=True)


def _bar(what: str) -> Callable[[float, float, float, float], None]:
    """A function that draws how far the work has come as a bar."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise InvalidInputError("report='bar' needs tqdm: pip install tqdm. Or use report='text'.") from None
    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"
    bar = tqdm(total=1.0, desc=what, bar_format=layout, disable=None)  # None: where no terminal or notebook shows it

    def update(elapsed: float, completed: float, start: float, duration: float) -> None:
        bar.update(completed - bar.n)
        if completed == 1:
            bar.close()

    return update
