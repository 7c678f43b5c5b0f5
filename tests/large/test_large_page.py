"""What the page on networks larger than memory shows runs, and is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import neurobal as nb

PAGE = Path(__file__).parents[2] / "docs" / "larger_than_memory.md"


def test_the_page_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    assert isinstance(names["result"], nb.LargeBalance) and names["result"].success
    assert nb.verify("network", "balanced", pinned=[17]).preserved
