"""Brian2's private names that the package uses: each of them may change in any release of Brian2.

``tests/brian/test_private_names.py`` says which the installed Brian2 lost, and finds those that are used and not
listed here. Nothing imports this table: it says where to look when a new Brian2 breaks something.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PrivateName:
    """One private name: where Brian2 defines it, and what the package needs it for.

    ``module`` and ``owner`` are where it is defined (``owner``: a class, None for a function of the module).
    """

    module: str
    owner: str | None
    name: str
    why: str


# Functions, and attributes of objects.
ATTRIBUTES = (
    PrivateName("brian2.core.network", None, "_get_all_objects", "objects, reading, newcomers: contained ones too"),
    PrivateName("brian2.core.network", "Network", "_stored_state", "paired_runs: drop a snapshot that was restored"),
    PrivateName("brian2.core.base", "BrianObject", "_network", "newcomers: which network runs; paired_runs: borrow"),
    PrivateName(
        "brian2.core.base", "BrianObject", "_clock", "engine, normalization: every dt, by a clock of their own"
    ),
    PrivateName("brian2.groups.group", "Group", "_resolve", "values, guarded_constants: a constant as a run sees it"),
    PrivateName("brian2.core.functions", "Function", "_arg_units", "names: whether a function takes numbers only"),
    PrivateName("brian2.groups.neurongroup", "NeuronGroup", "_refractory", "statements: refractory conditions"),
    PrivateName("brian2.units.fundamentalunits", "check_units", "_orig_func", "python_code: what it checks"),
    PrivateName("brian2.groups.neurongroup", "NeuronGroup", "_linked_variables", "description: where links lead to"),
    PrivateName("brian2.synapses.synapses", "Synapses", "_pathways", "statements: on_pre and on_post code"),
    PrivateName("brian2.synapses.synapses", "Synapses", "_connect_called", "reading: not connected, or no synapses"),
)

# Names of variables and indices in Brian2's generated code, on Synapses and subgroups.
VARIABLES = (
    PrivateName("brian2.synapses.synapses", "Synapses", "_synaptic_pre", "presynaptic neurons, counted in the group"),
    PrivateName("brian2.synapses.synapses", "Synapses", "_synaptic_post", "postsynaptic neurons, counted in the group"),
    PrivateName("brian2.synapses.synapses", "Synapses", "_presynaptic_idx", "index of what synapses see of their pre"),
    PrivateName(
        "brian2.synapses.synapses", "Synapses", "_postsynaptic_idx", "index of what synapses see of their post"
    ),
    PrivateName("brian2.groups.group", "Group", "_idx", "index of a group's or Synapses' own variables"),
    PrivateName("brian2.groups.subgroup", "Subgroup", "_sub_idx", "index of a subgroup's neurons in their group"),
)
