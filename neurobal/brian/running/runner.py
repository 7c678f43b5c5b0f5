"""Code that runs in a simulation, on the variables of several objects, with sums over synapses or neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brian2 import Clock
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.variables import Variables
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.device import get_device
from brian2.groups.group import CodeRunner
from brian2.units.fundamentalunits import get_dimensions

from neurobal.errors import NeurobalError


@dataclass(frozen=True)
class Accumulation:
    """A sum that the code of a pass adds up: item by item, ``value`` is added to ``total``.

    Parameters
    ----------
    value
        A local name of the code.
    total
        The variable that is added to: one number or, with ``index``, an array.
    index
        The variable that says which entry of ``total`` an item belongs to; None if there is one total.
    in_register
        Keep the sum in a register as long as ``index`` stays the same from item to item.
    """

    value: str
    total: str
    index: str | None = None
    in_register: bool = True


class NumpyRescaling(NumpyCodeObject):
    """NumPy code with the template of rescaling."""

    templater = NumpyCodeObject.templater.derive("neurobal.brian.running")


class CythonRescaling(CythonCodeObject):
    """Cython code with the template of rescaling."""

    templater = CythonCodeObject.templater.derive("neurobal.brian.running")


class CPPStandaloneRescaling(CPPStandaloneCodeObject):
    """C++ code with the template of rescaling."""

    templater = CPPStandaloneCodeObject.templater.derive("neurobal.brian.running")


TARGETS = {
    NumpyCodeObject: NumpyRescaling,
    CythonCodeObject: CythonRescaling,
    CPPStandaloneCodeObject: CPPStandaloneRescaling,
}


class Runner(CodeRunner):
    """Code on one object's variables that may also use those of others, by name: (owner, variable, index).

    Brian2 has a template of its own for sums (``summed``), of one variable and in a pass that does nothing else; ours
    adds up any number of values while the code of the pass runs.
    """

    def __init__(
        self,
        group: Any,
        code: str,
        clock: Clock,
        order: int,
        name: str,
        references: Mapping[str, tuple[Any, str, str | None]],
        constants: Mapping[str, Any] | None = None,
        check_units: bool = False,
        sums: Sequence[Accumulation] = (),
    ) -> None:
        CodeRunner.__init__(
            self,
            group,
            "stateupdate",
            code=code,
            user_code="",  # the names in it are ours: no warnings about names in the user's script
            clock=clock,
            when="end",
            order=order,
            name=name,
            check_units=check_units,
            generate_empty_code=False,
            override_conditional_write=["not_refractory"],
        )
        self.variables = Variables(group)
        for key, (owner, variable, index) in references.items():
            self.variables.add_reference(key, owner, variable, index=index)
        for key, value in (constants or {}).items():
            self.variables.add_constant(key, value=float(value), dimensions=get_dimensions(value))
        self._own_class: type | None = group.codeobj_class
        self.set_code(code, sums)

    def set_code(
        self,
        code: str,
        sums: Sequence[Accumulation] = (),
        unless_equal: tuple[str, ...] = (),
        moved: Sequence[str] = (),
    ) -> None:
        """What runs from the next `before_run` on.

        For items for which two variables, ``unless_equal``, are equal nothing is done; ``moved`` is what the code
        changes of the others.
        """
        self.abstract_code, self._sums, self._unless_equal, self._moved = code, tuple(sums), unless_equal, moved

    def before_run(self, run_namespace: Any) -> None:
        """Choose the template for the target of this run."""
        plain = not (self._sums or self._unless_equal)
        self.template = "stateupdate" if plain else "rescaling"
        self.codeobj_class = self._own_class if plain else self._class_with_template()
        self.template_kwds: dict[str, Any] | None = None
        self.needed_variables: list[str] = []
        if not plain:
            known = {**self.group.variables, **self.variables}
            used = [name for summed in self._sums for name in (summed.total, summed.index) if name]
            self.needed_variables = [*used, *self._unless_equal]
            self.template_kwds = {
                "_sums": [
                    {**vars(summed), "total": known[summed.total], "index": summed.index and known[summed.index]}
                    for summed in self._sums
                ],
                "_unless_equal": [known[name] for name in self._unless_equal],
                "_moved": [known[name] for name in self._moved],
            }
        super().before_run(run_namespace)

    def _class_with_template(self) -> type:
        plain = get_device().code_object_class(self._own_class)
        if plain not in TARGETS:
            raise NeurobalError(
                f"{self.name}: cannot run on the target {plain.class_name or plain.__name__}. Use numpy, cython or "
                "cpp_standalone."
            )
        return TARGETS[plain]
