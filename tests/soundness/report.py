"""What became of many models: a file of JSON lines that grows as they are tried, and a summary of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import whole_script
from .trial import Trial

#: What must not happen.
BAD = ("wrong", "doubted", "crashed", "kept quiet", "silent")
#: Every feature of the grammar is to occur in this many certified models of 10,000.
ENOUGH = 50


def line_of(trial: Trial, seed: int, index: int, model_script: str = "") -> dict[str, Any]:
    """One model's line of the report."""
    line: dict[str, Any] = {"seed": seed, "index": index, "status": trial.status}
    line |= {"weights": trial.weights, "exact": trial.exact, "spikes": trial.spikes, "notes": trial.notes}
    line["features"] = sorted(trial.model.features)
    if trial.status in (*BAD, "invalid"):
        line["detail"] = trial.detail
    if trial.status in BAD:
        line["script"] = model_script or whole_script(trial.model)
    return line


def read_report(path: Path) -> list[dict[str, Any]]:
    """All complete lines of a report; the last one may have been cut off."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def append(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


@dataclass
class Summary:
    """Counts over the lines of a report."""

    lines: list[dict[str, Any]]

    @property
    def failures(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["status"] in BAD]

    @property
    def valid(self) -> int:
        return sum(line["status"] != "invalid" for line in self.lines)

    def share_with_weights(self) -> float:
        """The share of valid models that are certified with a weight that moves."""
        return sum(line["status"] == "certified" and line["weights"] for line in self.lines) / max(1, self.valid)

    def features(self) -> Counter[str]:
        """How many certified models have each feature that occurs anywhere."""
        found = Counter({feature: 0 for line in self.lines for feature in line["features"]})
        for line in self.lines:
            if line["status"] == "certified":
                found.update(line["features"])
        return found

    def rare(self) -> dict[str, int]:
        """The features that occur in too few certified models."""
        wanted = ENOUGH * len(self.lines) / 10_000
        return {feature: count for feature, count in self.features().items() if count < wanted}

    def __str__(self) -> str:
        statuses = Counter(line["status"] for line in self.lines)
        notes = Counter(note for line in self.lines for note in line["notes"])
        certified = [line for line in self.lines if line["status"] == "certified"]
        text = [
            f"{len(self.lines):,} models: "
            + ", ".join(f"{count:,} {status}" for status, count in statuses.most_common()),
            f"certified with a weight that moves: {100 * self.share_with_weights():.1f} % of the valid ones",
            f"certified as exact: {sum(line['exact'] for line in certified):,}; "
            f"with spikes: {sum(line['spikes'] for line in certified):,}",
            *(f"{note}: {count:,}" for note, count in sorted(notes.items())),
            "certified models by feature: " + ", ".join(f"{f} {n:,}" for f, n in self.features().most_common()),
        ]
        if self.rare():
            text.append(f"too rare: {self.rare()}")
        return "\n".join(text)
