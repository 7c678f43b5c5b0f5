"""Which neurons: masks for pinned ones, labels for tied ones, from all the forms in which a user may give them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray


def neuron_mask(what: Any, size: int, where: str) -> Array:
    """True, False, a mask, indices or a slice as a boolean array (size,)."""
    mask = np.zeros(size, dtype=bool)
    if isinstance(what, (bool, np.bool_)):
        mask[:] = what
        return mask
    if isinstance(what, slice):
        mask[what] = True
        return mask
    array = np.atleast_1d(np.asarray(what))
    if array.size == 0:
        return mask
    if array.dtype == bool:
        if array.shape != (size,):
            raise InvalidInputError(f"{where}: expected a mask of {size} entries, got shape {array.shape}.")
        return array.copy()
    if not np.issubdtype(array.dtype, np.integer) or array.ndim != 1:
        raise InvalidInputError(f"{where}: expected a mask, integer indices or a slice, got {what!r}.")
    if array.min() < -size or array.max() >= size:
        raise InvalidInputError(f"{where}: index {array[np.argmax(np.abs(array))]} is out of range for {size} neurons.")
    mask[array] = True
    return mask


def tie_labels(what: Any, size: int, where: str) -> Array | None:
    """None, True or labels as integer labels (size,), negative for neurons that are tied to nobody."""
    if what is None or what is False:
        return None
    if what is True:
        return np.zeros(size, dtype=np.int64)
    labels = np.asarray(what)
    if labels.shape != (size,):
        raise InvalidInputError(f"{where}: expected {size} labels, one a neuron, got shape {labels.shape}.")
    if np.issubdtype(labels.dtype, np.integer):
        return labels.astype(np.int64)
    if labels.dtype.kind in "USO":
        return np.unique(labels.astype(str), return_inverse=True)[1].astype(np.int64)
    raise InvalidInputError(f"{where}: labels must be integers or strings, got {labels.dtype}.")
