"""Random expressions of a wanted degree: they grow by λ^degree when every variable grows by λ to its own degree."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

Degree = Fraction | int


@dataclass
class Vocabulary:
    """The names that an expression may use, each with its degree. Units follow degrees: a name of degree d has unit
    ``unit**d``; ``functions`` are homogeneous of degree 1."""

    unit: str
    names: dict[str, Degree] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)
    #: A shared constant of degree 1, with which an expression has a wrong degree.
    spoiler: str = "1"
    #: Plain numbers that the script gives a name to.
    constants: tuple[str, ...] = ("half", "tmp", "n")

    def seen(self, suffix: str) -> Vocabulary:
        """The same names as synapses see them."""
        names = {name + suffix: d for name, d in self.names.items() if name.isidentifier() and name not in ("i", "N")}
        return Vocabulary(self.unit, names, self.functions, self.spoiler)

    def unit_of(self, degree: Degree) -> str:
        """The unit of degree d as equations state it."""
        if self.unit == "1" or degree == 0:
            return "1"
        return self.unit if degree == 1 else f"{self.unit}**{degree}" if degree == int(degree) else "?"


class Expressions:
    """Draws expressions over a vocabulary; with probability ``miss`` a part of them has a wrong degree."""

    def __init__(self, rng: np.random.Generator, words: Vocabulary, features: set[str], miss: float = 0.0) -> None:
        self.rng, self.words, self.features, self.miss = rng, words, features, miss

    def draw(self, degree: Degree, depth: int = 2) -> str:
        """An expression of this degree."""
        if self.rng.random() < self.miss:
            self.features.add("near-miss")
            return self._missed(degree)
        if depth <= 0:
            return self._leaf(degree)
        options = self._options(degree)
        return options[self.rng.integers(len(options))](degree, depth - 1)

    def _options(self, degree: Degree) -> list:
        options = [self._leaf, self._sum, self._product, self._gated, self._extremum]
        if degree == 0:
            return [*options, self._squashed, self._ratio, self._counted, self._floored]
        if degree in (1, 2):
            options += [self._magnitude, self._root, self._quotient, self._remainder, self._between_constants]
        if degree == 2:
            options += [self._square, self._square]
        if self.words.functions and degree == 1:
            options += [self._own_function] * 2
        return options

    def _leaf(self, degree: Degree, depth: int = 0) -> str:
        names = [name for name, d in self.words.names.items() if d == degree]
        if names and (degree != 0 or self.rng.random() < 0.7):
            return str(self.rng.choice(names))
        if degree == 0 and self.words.constants and self.rng.random() < 0.3:
            self.features.add("constants of the script")
            return str(self.rng.choice(self.words.constants))
        if degree == 0:
            return str(round(float(self.rng.uniform(0.2, 2)), 2))
        ones = [name for name, d in self.words.names.items() if d == 1]
        one = str(self.rng.choice(ones)) if ones else self.words.spoiler
        return f"{one}**{degree}" if degree == int(degree) else f"abs({one})**{float(degree)}"

    def _missed(self, degree: Degree) -> str:
        if degree == 0:
            return f"exp(-abs({self._leaf(1)}/({self.words.spoiler})))"
        power = "" if degree == 1 else f"**{degree}"
        return f"({self._leaf(degree)} + ({self.words.spoiler}){power})"

    def _sum(self, degree: Degree, depth: int) -> str:
        sign = self.rng.choice(["+", "-"])
        return f"({self.draw(degree, depth)} {sign} {self.draw(degree, depth)})"

    def _product(self, degree: Degree, depth: int) -> str:
        return f"{self.draw(degree, depth)}*{self.draw(0, depth)}"

    def _quotient(self, degree: Degree, depth: int) -> str:
        below = self._positive(1)
        return f"{self._wrapped(degree + 1, depth)}/{below}"

    def _ratio(self, degree: Degree, depth: int) -> str:
        self.features.add("ratio")
        return f"({self.draw(1, depth)}/{self._positive(1)})"

    def _positive(self, degree: Degree) -> str:
        return f"(abs({self._leaf(degree)}) + abs({self._leaf(degree)}))"

    def _wrapped(self, degree: Degree, depth: int) -> str:
        return f"({self.draw(degree, depth)})"

    def _gated(self, degree: Degree, depth: int) -> str:
        self.features.add("comparison in an expression")
        sign = self.rng.choice([">", "<", ">=", "<="])
        return f"{self._wrapped(degree, depth)}*int({self.draw(1, depth)} {sign} {self.draw(1, depth)})"

    def _extremum(self, degree: Degree, depth: int) -> str:
        self.features.add("clip")
        low, high = self.rng.choice(["-inf", "0", "expression"], 2)
        unit = "" if self.words.unit == "1" or degree == 0 else f"*{self.words.unit}**({degree})"
        parts = {"0": f"0{unit}"} if unit else {"-inf": "-inf", "0": "0"}  # sympy cannot compare -inf*volt
        bounds = [parts.get(low) or self.draw(degree, depth), f"inf{unit}"]
        if high == "expression":
            bounds[1] = self.draw(degree, depth)
        return f"clip({self.draw(degree, depth)}, {', '.join(bounds)})"

    def _remainder(self, degree: Degree, depth: int) -> str:
        self.features.add("remainder")
        return f"({self._leaf(degree)} % {self._positive(degree)})"

    def _floored(self, degree: Degree, depth: int) -> str:
        if self.words.unit != "1":  # Brian2 divides quantities with units only without rest
            return self._leaf(degree)
        self.features.add("floor division")
        return f"({self._leaf(1)} // {self._positive(1)})"

    def _between_constants(self, degree: Degree, depth: int) -> str:
        """Bounds that fit every power: 0 and infinity, as constants of the script."""
        low, high = {"1": ("z", "big"), "volt": ("zmV", "inf*volt")}.get(self.words.unit, ("", ""))
        if not low or degree != 1 or not self.words.constants:
            return self._magnitude(degree, depth)
        self.features.add("0 and infinity as constants")
        return f"clip({self.draw(degree, depth)}, {low}, {high})"

    def _magnitude(self, degree: Degree, depth: int) -> str:
        return f"abs({self.draw(degree, depth)})"

    def _root(self, degree: Degree, depth: int) -> str:
        self.features.add("root")
        return f"sqrt(abs({self._wrapped(2 * degree, depth)}))"

    def _square(self, degree: Degree, depth: int) -> str:
        self.features.add("power")
        return f"({self.draw(1, depth)})**{self.rng.choice(['2', '2', '2.0'])}"

    def _own_function(self, degree: Degree, depth: int) -> str:
        self.features.add("user's function")
        return f"{self.rng.choice(self.words.functions)}({self.draw(1, depth)})"

    def _squashed(self, degree: Degree, depth: int) -> str:
        self.features.add("standard function")
        function = self.rng.choice(["tanh", "sin", "cos", "arctan", "sign", "floor", "exp"])
        argument = f"{self.draw(0, depth)}"
        if function == "exp":
            return f"exp(-abs({argument}))"
        if function == "sign" and self.rng.random() < 0.7:
            return f"sign({self.draw(1, depth)})"
        return f"{function}({argument})"

    def _counted(self, degree: Degree, depth: int) -> str:
        self.features.add("boolean operations")
        parts = [f"({self.draw(1, 0)} > {self.draw(1, 0)})" for _ in range(2)]
        word = self.rng.choice(["and", "or", "and not"])
        return f"int({parts[0]} {word} {parts[1]})"
