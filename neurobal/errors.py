"""The errors neurobal raises: each names the culprit, what was found, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NeurobalError(Exception):
    """Base class of all errors that neurobal raises on purpose."""


class UnbalanceableError(NeurobalError, ValueError):
    """Synapses or neurons have no balanced state: their cost can be driven to zero, never to a minimum."""


class NotHomogeneousError(NeurobalError, ValueError):
    """A group's equations do not let its neurons be rescaled without changing what they compute.

    ``allowable`` are constants of plasticity rules, if these alone stand in the way: a live balancing may allow them.
    """

    allowable: tuple[str, ...] = ()


class InvalidInputError(NeurobalError, ValueError):
    """An argument has a wrong shape, value or unit, or names something that does not exist."""


class NotFiniteError(InvalidInputError):
    """Weights or parameters are infinite or no numbers; ``what`` they are."""

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


class InvalidFileError(InvalidInputError):
    """A file is damaged, not written by this package, or by a newer version; or something cannot be stored in one."""


class DifferentModelError(NeurobalError):
    """A network computes something else than the one that it is compared with; ``what`` differs first."""

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


class UnknownValuesError(NeurobalError):
    """Values that a standalone simulation will have are not known before it runs."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The tail of an error message about an unknown name: the closest known names, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.6)
    if close:
        return f" Did you mean {' or '.join(repr(c) for c in close)}?"
    return f" Known names: {', '.join(repr(n) for n in names)}." if names else ""
