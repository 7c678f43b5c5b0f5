"""Values of variables and constants of Brian2 objects: which can be scaled, and what they are now.

In standalone mode, too, as far as a script has said it before the simulation runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from brian2.core.variables import ArrayVariable, Subexpression
from brian2.devices.device import RuntimeDevice, get_device

from neurobal.errors import InvalidInputError, NeurobalError, UnknownValuesError
from neurobal.symmetry.declaration import no_such_variable

_NAMES_OF_BRIAN = frozenset(
    {"t", "dt", "t_in_timesteps", "i", "j", "N", "N_pre", "N_post", "N_incoming", "N_outgoing"}
    | {"lastspike", "not_refractory", "lastupdate", "delay"}
)


def is_brians_own(owner: Any, name: str) -> bool:
    """Whether a variable of a group or Synapses is one that Brian2 adds: an index, a size or a time.

    Most of these names are free for models to use: a neuron's own ``j`` or ``delay`` is a variable as any other.
    """
    if name not in _NAMES_OF_BRIAN:
        return False
    if getattr(owner, "event_driven", None) and name == "lastupdate":
        return True  # among the equations, but Brian2 has put it there
    declared = getattr(owner, "user_equations", None) or getattr(owner, "equations", None) or {}
    return name not in declared


def stored_expressions(owner: Any) -> set[str]:
    """The subexpressions of a group or Synapses that are constant over dt: Brian2 stores them before each time step."""
    updater = getattr(owner, "subexpression_updater", None)
    return set() if updater is None else {line.partition(" = ")[0] for line in updater.abstract_code.splitlines()}


def declared_array(owner: Any, name: str, role: str) -> ArrayVariable:
    """A variable that a user declares to move, as `float_array`; what its group computes anew follows by itself."""
    if name in stored_expressions(owner):
        raise InvalidInputError(_subexpression(f"{role} {name!r} of {owner.name!r}"))
    return float_array(owner, name, role)


def float_array(owner: Any, name: str, role: str) -> ArrayVariable:
    """The variable ``name`` of a group or Synapses, if its values can be scaled; otherwise an error that says why not.

    ``role`` says what it is declared as: "variable" or "weight". A "weight" is read between spikes: not event-driven.
    """
    variables = owner.variables
    where = f"{role} {name!r} of {owner.name!r}"
    plain = {key for key, v in variables.items() if isinstance(v, ArrayVariable) and v.owner.name == owner.name}
    known = sorted(key for key in plain if not key.startswith("_") and not is_brians_own(owner, key))
    if name not in variables:
        equations = getattr(owner, "event_driven", None)
        if equations is not None and name in equations:
            raise InvalidInputError(_event_driven(where))
        raise no_such_variable(role, name, owner.name, known)
    variable = variables[name]
    if isinstance(variable, Subexpression):
        raise InvalidInputError(_subexpression(where))
    if not isinstance(variable, ArrayVariable):
        raise InvalidInputError(
            f"scaling: the {where} is a constant, one value for all; make it a parameter ({name} : ... in the model)."
        )
    if variable.scalar:
        raise InvalidInputError(
            f"scaling: the {where} is shared, so it cannot move by a factor of its own at each neuron or synapse. "
            "Remove the flag (shared)."
        )
    if variable.owner.name != owner.name:
        raise InvalidInputError(
            f"scaling: the {where} belongs to {variable.owner.name!r} (linked, or of another group); declare it there."
        )
    if not np.issubdtype(variable.dtype, np.floating):
        raise InvalidInputError(
            f"scaling: the {where} holds {np.dtype(variable.dtype).name} values; only floats can be scaled "
            f"(without the flag in '{name} : integer' or '{name} : boolean')."
        )
    event_driven = getattr(owner, "event_driven", None)
    if role == "weight" and event_driven is not None and name in event_driven.diff_eq_names:
        raise InvalidInputError(_event_driven(where))
    if variable.read_only:
        raise InvalidInputError(f"scaling: the {where} is read-only.")
    return variable


def _subexpression(where: str) -> str:
    return f"scaling: the {where} is a subexpression; declare the variables that it is computed from."


def _event_driven(where: str) -> str:
    return (
        f"The {where} is event-driven: its value is out of date between spikes. Use (clock-driven), or a "
        "weight of its own beside it."
    )


def constant_value(owner: Any, name: str, namespace: Mapping[str, Any]) -> float:
    """The value, in base units, of a constant that the equations of a group or Synapses use."""
    constant = owner._resolve(name, run_namespace=namespace, user_identifier=False)
    try:
        return float(np.ravel(constant.get_value())[0])
    except NotImplementedError as error:  # so Brian2 says that a standalone simulation has not run yet
        assigned = _constant_in_standalone(constant)
        if assigned is None:
            raise _unknown(constant) from error
        return assigned


def values_of(variable: ArrayVariable) -> np.ndarray:
    """A copy of a variable's values, in base units."""
    try:
        return np.array(variable.get_value())
    except NotImplementedError as error:  # as in `constant_value`
        assigned = _assigned_in_standalone(variable)
        if assigned is None:
            raise _unknown(variable) from error
        return assigned


def _unknown(variable: ArrayVariable) -> UnknownValuesError:
    return UnknownValuesError(
        f"Values of {variable.name!r} of {variable.owner.name!r} are not known before the standalone simulation "
        "runs. Set them from arrays instead of strings (group.v = array; synapses.connect(i=array, j=array); "
        "synapses.w = array), or balance in runtime mode first."
    )


def _constant_in_standalone(variable: ArrayVariable) -> float | None:
    """What a script has assigned to a shared constant; None if that is not known."""
    device = get_device()
    name = device.get_array_name(variable, access_data=False)
    for task, arguments in reversed(device.main_queue):
        if task == "set_by_single_value" and arguments[0] == name:
            return float(np.dtype(variable.dtype).type(arguments[2].replace(" ", "")))
    return 0.0 if any(other is variable for other, _ in device.zero_arrays) else None


def _assigned_in_standalone(variable: ArrayVariable) -> np.ndarray | None:
    """What a script has assigned to a variable; Brian2 only keeps it in the device's queue of what to do.

    None if it is not known: code may have changed it since, or only a part was assigned.
    """
    device = get_device()
    name = device.get_array_name(variable, access_data=False)
    for task, arguments in reversed(device.main_queue):
        if task == "run_code_object":
            if variable in arguments[0].variables.values():
                return None
        elif isinstance(arguments, tuple) and arguments[:1] == (name,):
            if task == "set_by_array":
                return np.array(device.static_arrays[arguments[1]], dtype=variable.dtype)
            if task == "set_by_constant":
                synapses = None if variable.scalar else variable.owner.variables.get("_synaptic_pre")
                size = variable.size if synapses is None else len(values_of(synapses))
                return np.full(size, arguments[1], dtype=variable.dtype)
            return None
    return None


def check_device() -> None:
    """Refuse a standalone simulation that has run: what is written to it now would be silently ignored."""
    device = get_device()
    if not isinstance(device, RuntimeDevice) and getattr(device, "has_been_run", False):
        raise NeurobalError(
            "The standalone simulation has been built and run; values that are written now would be ignored. Balance "
            "before the first run, or pass the balanced values to device.run(run_args={synapses.w: values, ...})."
        )
