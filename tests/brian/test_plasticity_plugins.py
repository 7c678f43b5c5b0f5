"""Rules that another installed package registers under the entry-point group ``neurobal.rules``."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import Network, ms, second
from plastic_rate import rate_network

import neurobal as nb
from neurobal.rules import find_rule


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has built and installed the plug-in, offline."""
    folder = tmp_path_factory.mktemp("installed")
    package = Path(__file__).parent / "plugin"
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(package)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def plugin(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in can be imported and is found."""
    monkeypatch.syspath_prepend(str(installation))
    monkeypatch.delitem(sys.modules, "saturating_plasticity", raising=False)
    importlib.invalidate_caches()


def test_what_is_installed_is_what_a_package_leaves_behind(installation: Path) -> None:
    assert (installation / "saturating_plasticity.py").exists()
    (points,) = installation.glob("*.dist-info/entry_points.txt")
    assert "[neurobal.rules]" in points.read_text()


def test_its_name_is_accepted_wherever_a_rule_is(plugin: None) -> None:
    assert find_rule("Saturating").values["rate"] == 20 / second
    network = Network(rate_network())
    plasticity = nb.Plasticity(network, "Saturating", dt=10 * ms)
    network.add(plasticity)
    network.run(300 * ms)
    assert np.abs(plasticity["E"].imbalance[:]).max() < 0.1
    assert nb.verify(plasticity.before, network).preserved


def test_a_registered_object_brings_its_own_parameters(plugin: None) -> None:
    assert find_rule("gentle").values["rate"] == 1 / second


def test_not_installed_it_is_not_known() -> None:
    with pytest.raises(nb.InvalidInputError, match="there is no rule 'Saturating'"):
        find_rule("Saturating")


def test_misspelt_names_are_looked_for_among_plugins_too(plugin: None) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"'Saturatin'.*Did you mean 'Saturating'"):
        find_rule("Saturatin")


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("Misspelt", "Misspelt.step = '-0.1*(cost_inn - cost_out)'", "Did you mean 'cost_in'"),
        ("WrongUnits", "WrongUnits.step = '-rate*(cost_in - cost_out)'", "without units"),
    ],
)
def test_errors_in_its_code_show_its_line(plugin: None, name: str, line: str, reason: str) -> None:
    with pytest.raises(nb.InvalidInputError) as error:
        nb.Plasticity(Network(rate_network()), name, dt=10 * ms)
    assert line in str(error.value)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Missing", "saturating_plasticity:NotThere cannot be loaded: AttributeError"),
        ("Nothing", "saturating_plasticity:nothing is no Rule but 'no rule'"),
    ],
)
def test_broken_registrations_name_what_was_registered(plugin: None, name: str, reason: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=reason):
        find_rule(name)
