"""What a solve has reached, in a file from which it goes on when it was stopped."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurobal.errors import InvalidFileError, InvalidInputError

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class Reached:
    """Log-scales (n,), and cost and imbalance of each step on the way to them."""

    h: Array
    cost: list[float]
    imbalance: list[float]


class Checkpoint:
    """One file for one question.

    Parameters
    ----------
    path
        The file; None: nothing is kept.
    question
        What is solved, as plain data: another question finds an error instead of a start.
    """

    def __init__(self, path: str | os.PathLike[str] | None, question: dict[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._question = json.dumps(question, sort_keys=True)

    def read(self) -> Reached | None:
        """What was reached; None if it is the first time.

        Raises
        ------
        InvalidInputError
            The file is of another question, or damaged.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            with np.load(self._path, allow_pickle=False) as file:
                question, h, cost, imbalance = (file[name] for name in ("question", "h", "cost", "imbalance"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidFileError(
                f"checkpoint: {str(self._path)!r} is damaged, or no such file: {error}. Delete it to begin anew."
            ) from error
        if str(question) != self._question:
            raise InvalidInputError(
                f"checkpoint: {str(self._path)!r} is of another network, cost or pins. Give another file, or delete it "
                "to begin anew."
            )
        return Reached(h, cost.tolist(), imbalance.tolist())

    def keep(self, reached: Reached) -> None:
        """Replace the file, all at once."""
        if self._path is None:
            return
        unfinished = self._path.with_name(self._path.name + ".unfinished")
        with open(unfinished, "wb") as file:
            np.savez(
                file,
                question=np.array(self._question),
                h=reached.h,
                cost=np.array(reached.cost),
                imbalance=np.array(reached.imbalance),
            )
        os.replace(unfinished, self._path)

    def end(self) -> None:
        """It is not needed any more."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
