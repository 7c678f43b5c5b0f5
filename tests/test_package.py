"""What is shipped: a source distribution and a wheel, built in clean folders and used away from the checkout."""

from __future__ import annotations

import email
import re
import runpy
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import neurobal as nb

ROOT = Path(__file__).parents[1]
SHIPPED = ("neurobal", "tests", "notebooks", "models", "docs", "benchmarks")  # folders of the source distribution
package_page = runpy.run_path(str(ROOT / "setup.py"), run_name="package_page")["package_page"]


def files(folder: Path) -> set[str]:
    """Paths below a folder, apart from what programs leave behind."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    left_behind = {"__pycache__", "output", ".ipynb_checkpoints"}
    return {path.as_posix() for path in paths if not left_behind & {*path.parts} and path.suffix != ".pyc"}


def python(code: str, folder: Path, *arguments: object, path: Path | None = None) -> str:
    """What a fresh interpreter prints that works in a folder, and imports from there or from ``path``."""
    program = f"import sys; sys.path.insert(0, {str(path)!r})\n{code}" if path else code
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(kind: str, folder: Path, target: Path) -> Path:
    """A distribution of the project in a folder, made by the back end that pyproject.toml names, without a network."""
    python(f"import sys\nfrom setuptools import build_meta\nbuild_meta.build_{kind}(sys.argv[1])", folder, target)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of what git would check out, unpacked."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in (*SHIPPED, ".ci"):
        for path in files(ROOT / name):
            (checkout / name / path).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name / path).write_bytes((ROOT / name / path).read_bytes())
    for path in (*ROOT.glob("*.*"), ROOT / "LICENSE", ROOT / ".pre-commit-config.yaml"):
        if path.is_file():
            (checkout / path.name).write_bytes(path.read_bytes())
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(build("sdist", checkout, tmp_path_factory.mktemp("sdist"))) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_the_source_distribution_holds_all_files(unpacked: Path, name: str) -> None:
    assert files(unpacked / name) == files(ROOT / name)


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {f"neurobal/{path}" for path in files(ROOT / "neurobal")}
    assert "neurobal/py.typed" in names
    assert [name for name in names if "/templates/" in name]


@pytest.mark.slow
def test_the_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """A matrix is balanced without Brian2; with it, the templates of the compiled targets are where they are sought."""
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--target", str(installed), str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = python(
        "import sys, numpy as np, neurobal as nb\n"
        "assert nb.balance(np.ones((3, 3)) + np.triu(np.ones((3, 3)))).success and 'brian2' not in sys.modules\n"
        "print(nb.__file__, nb.__version__)\n"
        "from brian2 import NeuronGroup, Network, Synapses, ms, prefs, second\n"
        "prefs.codegen.target = 'numpy'\n"
        "model = 'dx/dt = (I - x)/(20*ms) : 1\\nI : 1\\nr = clip(x, 0, inf) : 1'\n"
        "units = NeuronGroup(4, model, method='euler', name='units')\n"
        "synapses = Synapses(units, units, 'w : 1\\nI_post = w*r_pre : 1 (summed)', name='synapses')\n"
        "synapses.connect(condition='i != j')\n"
        "synapses.w = np.linspace(0.1, 1, 12)\n"
        "network = Network(units, synapses)\n"
        "plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=10/second), dt=1*ms)\n"
        "network.add(plasticity)\n"
        "network.run(20*ms)\n"
        "print(nb.verify(plasticity.before, network).preserved)\n",
        elsewhere,
        path=installed,
    )
    assert said.split() == [str(installed / "neurobal" / "__init__.py"), nb.__version__, "True"]


@pytest.mark.slow
def test_the_package_page_has_no_dead_links(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    message = email.message_from_bytes(archive.read(metadata))
    assert message["Description-Content-Type"] == "text/markdown"
    assert message["Requires-Python"] and "dev" in message.get_all("Provides-Extra")
    page = message.get_payload(decode=True).decode()
    assert "## Set-up" in page and not re.findall(r"\]\((?!https?://|#)", page)


def test_links_of_the_package_page() -> None:
    readme = "Text.\n\n![A plot](docs/plot.png)\n\n*Its caption (2024; 5,915\nneurons).*\n\nSee [one](a/b.ipynb), [two](https://x.y).\n"
    assert package_page(readme, None) == "Text.\n\nSee one, [two](https://x.y).\n"
    page = package_page(readme, "https://x.y/files/")
    assert "![A plot](https://x.y/files/docs/plot.png)\n\n*Its" in page and "[one](https://x.y/files/a/b.ipynb)" in page


def test_the_picture_of_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    assert (ROOT / picture).stat().st_size > 10_000
    assert picture not in package_page(readme, None) and "*The trained network" not in package_page(readme, None)
