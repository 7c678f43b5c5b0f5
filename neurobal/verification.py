"""`verify`: is one network nothing but another one, rescaled?"""

from __future__ import annotations

from typing import Any

from neurobal.adapters import as_circuit
from neurobal.certificate import Certificate, certificate_of, refusal
from neurobal.circuit import Circuit
from neurobal.description import check_same_model
from neurobal.errors import DifferentModelError, InvalidInputError, NotFiniteError
from neurobal.large.verification import is_on_disk, verify_on_disk


def verify(
    before: Any, after: Any = None, *, pinned: Any = None, homogeneity: Any = None, states: bool = False
) -> Certificate:
    """Is ``after`` nothing but a rescaled ``before``?

    Of Brian2 networks the whole model is compared: equations, thresholds, resets, pathways, refractoriness, methods,
    time steps, constants, parameters, delays, connections and inputs. It makes no difference whether a number is a
    constant of the script or a parameter that has this value everywhere. What is not compared, the answer lists.

    Parameters
    ----------
    before, after
        Circuits, matrices, or what `as_circuit` takes; or two networks on disk, or their folders. If ``before`` was
        read from Brian2 objects, ``after`` may be the network or list of objects to read again with the same
        declarations, or None: the objects themselves, as they are now.
    pinned, homogeneity
        As in `balance`, for matrices and on disk: neurons that must not have moved, and how outputs grow with inputs.
    states
        Compare what a simulation changes by itself, too (membrane potentials, traces): it must have moved along. For
        two networks in their initial states; after a run nothing of it is a rescaling any more.

    Raises
    ------
    InvalidInputError
        Matrices or circuits have different populations or projections; ``after`` is missing.

    Examples
    --------
    >>> J = np.array([[0.0, 4.0], [1.0, 0.0]])
    >>> nb.verify(J, np.array([[0.0, 2.0], [2.0, 0.0]]))
    certificate: function preserved (basis: declared; residual 0.0e+00 <= 1e-12, bit-exact)
    >>> nb.verify(J, np.array([[0.0, 4.0], [1.5, 0.0]])).preserved
    False
    """
    if is_on_disk(before) or is_on_disk(after):
        return verify_on_disk(before, after, pinned=pinned, homogeneity=homogeneity)
    first = as_circuit(before, pinned=pinned, homogeneity=homogeneity)
    if after is None and first.binding is None:
        raise InvalidInputError("verify: say what to compare with, verify(before, after).")
    try:
        if first.binding is not None and not isinstance(after, Circuit):
            second = first.binding.reread(after)
        else:
            second = as_circuit(after, homogeneity=homogeneity)
            check_same_model(first.description, second.description)
    except NotFiniteError as error:
        return refusal(first, f"no longer finite: {error.what}. {error}")
    except DifferentModelError as error:
        return refusal(first, str(error))
    return certificate_of(first, second, states=states)
