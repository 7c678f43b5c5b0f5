"""Fails if outputs stored in notebooks are large: ``python .ci/check_notebooks.py NOTEBOOK...`` names them.

Every version of an output stays in the history for ever. A figure of 250 KB is sharp enough for a page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

LARGEST_OUTPUT = 250_000  # bytes of one output: a figure as base64
LARGEST_NOTEBOOK = 700_000  # bytes of the whole file


def faults(path: Path) -> list[str]:
    """What is too large in one notebook, with the remedy."""
    size = path.stat().st_size
    found = (
        [f"{path}: {size:,} bytes > {LARGEST_NOTEBOOK:,}: split it, or draw less"] if size > LARGEST_NOTEBOOK else []
    )
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells):
        size = max((len(json.dumps(output)) for output in cell.get("outputs", [])), default=0)
        if size > LARGEST_OUTPUT:
            found.append(f"{path}: cell {number} has an output of {size:,} bytes > {LARGEST_OUTPUT:,}: lower its dpi")
    return found


if __name__ == "__main__":
    messages = [message for name in sys.argv[1:] for message in faults(Path(name))]
    print(*messages, sep="\n", end="\n" if messages else "")
    sys.exit(bool(messages))
