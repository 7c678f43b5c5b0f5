"""Exact linear algebra over the rationals: which exponents do the constraints leave free?

Constraints are sparse linear forms that must vanish, Σ c_u p_u = 0. A handful of unknowns enter each, so rows are
dictionaries and elimination stays at milliseconds without any rounding, which a proof could not afford.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from fractions import Fraction

Unknown = Hashable


class Form:
    """A linear form Σ c_u p_u in unknown exponents: immutable; the empty form is 0 (an invariant quantity)."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Unknown, Fraction | int] | None = None) -> None:
        self.terms: dict[Unknown, Fraction] = {u: Fraction(c) for u, c in (terms or {}).items() if c}

    def plus(self, other: Form, factor: Fraction | int = 1) -> Form:
        """self + factor * other."""
        terms = dict(self.terms)
        for unknown, coefficient in other.terms.items():
            total = terms.get(unknown, Fraction(0)) + factor * coefficient
            if total:
                terms[unknown] = total
            else:
                terms.pop(unknown, None)
        result = Form()
        result.terms = terms
        return result

    def __add__(self, other: Form) -> Form:
        return self.plus(other)

    def __sub__(self, other: Form) -> Form:
        return self.plus(other, -1)

    def __mul__(self, factor: Fraction | int) -> Form:
        return Form({u: c * factor for u, c in self.terms.items()})

    __rmul__ = __mul__

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __repr__(self) -> str:
        return " + ".join(f"{c}*{u}" for u, c in self.terms.items()) or "0"


class _Unity:
    """The unknown that is always 1: it turns linear forms into affine ones ("this exponent is 1")."""

    def __repr__(self) -> str:
        return "1"


ONE = _Unity()


class Echelon:
    """Constraints in reduced row echelon form, added one at a time.

    ``rank`` orders the unknowns: those with the lowest rank are eliminated first, so that those with the highest
    remain as the free ones in which everything else is expressed.
    """

    def __init__(self, rank: Callable[[Unknown], int] | None = None) -> None:
        self._rank = rank or (lambda unknown: 0)
        self._rows: dict[Unknown, Form] = {}  # pivot -> the form that equals it, in free unknowns only

    def copy(self) -> Echelon:
        """An independent system with the same constraints."""
        twin = Echelon(self._rank)
        twin._rows = dict(self._rows)
        return twin

    def reduce(self, form: Form) -> Form:
        """The same form in free unknowns: 0 if the constraints force it to vanish."""
        for unknown, coefficient in list(form.terms.items()):
            row = self._rows.get(unknown)
            if row is not None:
                form = form.plus(Form({unknown: 1}), -coefficient).plus(row, coefficient)
        return form

    def add(self, form: Form) -> bool:
        """Require form = 0. False, and nothing changes, if that contradicts what is already required."""
        form = self.reduce(form)
        candidates = [u for u in form.terms if u is not ONE]
        if not candidates:
            return not form
        pivot = min(candidates, key=self._rank)
        coefficient = form.terms[pivot]
        row = form.plus(Form({pivot: 1}), -coefficient) * (-1 / coefficient)
        for other, known in self._rows.items():
            if pivot in known.terms:
                factor = known.terms[pivot]
                self._rows[other] = known.plus(Form({pivot: 1}), -factor).plus(row, factor)
        self._rows[pivot] = row
        return True

    def add_all(self, forms: Iterable[Form]) -> bool:
        """Require all of them, or none: False if they contradict the system or one another."""
        trial = self.copy()
        if not all(trial.add(form) for form in forms):
            return False
        self._rows = trial._rows
        return True

    def value(self, unknown: Unknown) -> Fraction | None:
        """The exponent that the constraints fix for this unknown; None while it is still free."""
        form = self.reduce(Form({unknown: 1}))
        if any(u is not ONE for u in form.terms):
            return None
        return form.terms.get(ONE, Fraction(0))

    def null_space(self, unknowns: Iterable[Unknown]) -> list[dict[Unknown, Fraction]]:
        """A basis of the solutions of the homogeneous system, one vector for each free unknown."""
        unknowns = list(unknowns)
        reduced = {u: self.reduce(Form({u: 1})) for u in unknowns}
        free = dict.fromkeys(v for form in reduced.values() for v in form.terms if v is not ONE)
        return [{u: form.terms[f] for u, form in reduced.items() if f in form.terms} for f in free]
