"""Random choices of the grammar: numbers, values with units, and blocks of code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from .expressions import Degree, Expressions, Vocabulary

T = TypeVar("T")
#: Local names of code blocks: most of them mean something else in the script, see `model.SCRIPT`.
LOCALS = ("z", "tmp", "n", "half", "big", "tau", "u1", "w1")
#: Multiples of the units in which states of a model are of order 1.
SCALES = {"1": "1", "volt": "mV", "amp": "nA", "siemens": "nS"}


@dataclass
class Draw:
    """A source of random choices, and the features that were chosen."""

    rng: np.random.Generator
    features: set[str] = field(default_factory=set)
    miss: float = 0.0

    def chance(self, p: float, feature: str = "") -> bool:
        """True with probability p; then the feature is noted."""
        happens = bool(self.rng.random() < p)
        if happens and feature:
            self.features.add(feature)
        return happens

    def pick(self, options: list[T] | tuple[T, ...]) -> T:
        return options[self.rng.integers(len(options))]

    def number(self, low: float = 0.3, high: float = 1.7) -> float:
        return round(float(self.rng.uniform(low, high)), 3)

    def values(self, size: int, unit: str = "", low: float = 0.3, high: float = 1.7) -> str:
        """A list of values as text; ``unit`` is a product of Brian2's units."""
        numbers = [self.number(low, high) for _ in range(size)]
        return f"array({numbers})*{unit}" if unit and unit != "1" else str(numbers)

    def expressions(self, words: Vocabulary) -> Expressions:
        return Expressions(self.rng, words, self.features, self.miss)

    def expression(self, words: Vocabulary, degree: Degree, depth: int = 2) -> str:
        return self.expressions(words).draw(degree, depth)

    def block(self, words: Vocabulary, targets: dict[str, Degree], length: int = 3) -> list[str]:
        """A block of code that assigns to some of the targets, with local names for what it computes on the way."""
        # A name that the block assigns is not that of the script, not even before that line.
        known = Vocabulary(words.unit, dict(words.names), words.functions, words.spoiler, constants=())
        lines: list[str] = []
        local: dict[str, Degree] = {}
        for _ in range(int(self.rng.integers(0, length))):
            name = self.pick(LOCALS)
            degree = self.pick((0, 1, 1))
            if words.unit != "1":
                degree = local.get(name, degree)  # Brian2 lets a name keep its unit
            if name in local and local[name] == degree and self.chance(0.5):
                lines.append(f"{name} {self.pick(['+=', '-='])} {self.expression(known, degree, 1)}")
            elif name in local and self.chance(0.5):
                lines.append(f"{name} *= {self._factor(known)}")
            else:
                lines.append(f"{name} = {self.expression(known, degree, 1)}")
                local[name] = known.names[name] = degree
                self.features.add("local names")
        for target in [self.pick(list(targets))] + [t for t in targets if self.chance(0.15)]:
            lines.append(self._assignment(known, target, targets[target]))
        if self.miss and self.chance(self.miss / 2, "near-miss"):
            target = self.pick(list(targets))
            lines += ["n = 1", f"{target} = abs({target}/({words.unit_of(targets[target])}))**n*{words.spoiler}"]
        return lines

    def _factor(self, words: Vocabulary) -> str:
        """Brian2 checks the units of ``v *= 1 + q`` as if it were ``v = v*1 + q``."""
        factor = self.expression(words, 0, 1)
        return self._bare(factor) if words.unit == "1" else f"({factor})"

    def _bare(self, text: str) -> str:
        """The same without parentheses around a sum: an augmented assignment must be read as if they were there."""
        if text.startswith("(") and text.find(")") == len(text) - 1 and self.chance(0.5, "sums without parentheses"):
            return text[1:-1]
        return text

    def _assignment(self, words: Vocabulary, target: str, degree: Degree) -> str:
        if self.chance(0.2):
            return f"{target} {self.pick(('*=', '*=', '/='))} {self._factor(words)}"
        operation = self.pick(("=", "+=", "-="))
        return f"{target} {operation} {self._bare(self.expression(words, degree, 1))}"
