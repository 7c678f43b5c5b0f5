"""What results print and show in notebooks: costs are named, and words explained."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import neurobal as nb
from neurobal.cost import formula


class Balanced(HTMLParser):
    """Checks that all that is opened is closed, and collects the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (nb.Power(2), "Σ w²"),
        (nb.Power(1), "Σ |w|"),
        (nb.Power(3), "Σ |w|³"),
        (nb.Power(4), "Σ w⁴"),
        (nb.Power(1.5), "Σ |w|^1.5"),
        (nb.Power(12), "Σ |w|^12"),
        (nb.Power(2, weight=3.0), "Σ α w²"),
        (nb.Power(2) + 0.5 * nb.Power(1), "Σ w² + 0.5 Σ |w|"),
        (nb.Power(2) + nb.Power(1) * (1 / 3), "Σ w² + 0.333333 Σ |w|"),
        (nb.Robustness(np.ones(3)), "Σ ⟨φ'²⟩ w²"),
        ({"EE": nb.Power(2), "EI": nb.Power(2), "IE": nb.Power(1)}, "Σ w² (EE, EI), Σ |w| (IE)"),
    ],
)
def test_a_cost_is_named_by_its_formula(cost: object, text: str) -> None:
    assert formula(cost) == text  # type: ignore[arg-type]


def chain() -> np.ndarray:
    """Two neurons on a cycle, and one that nothing comes back from."""
    return np.array([[0.0, 8.0, 0.0], [0.5, 0.0, 0.0], [1.0, 0.0, 0.0]])


def test_a_balance_names_its_cost_and_explains_its_words() -> None:
    text = repr(nb.balance(chain()))
    assert re.search(r"^cost +64\.25 +8 +\(-87\.5%\) Σ w²$", text, re.MULTILINE), text
    assert "\n(free are neurons that may have a λ other than 1)\n" in text
    assert "left out: 1 of 3 synapses weights: no way back\n(left out are synapses that no scales balance; they" in text
    assert "left out" not in repr(nb.balance(chain()[:2, :2]))


def test_html_says_the_same() -> None:
    result = nb.balance(chain())
    shown = Balanced(result._repr_html_()).text
    for words in ("Balance: balanced", "Σ w²", "(free are neurons", "no way back", "function preserved", "neurons 3"):
        assert " ".join(words.split()) in " ".join(shown.split()), shown


def test_certificates_show_their_verdict() -> None:
    J = chain()
    good, bad = nb.verify(J, J), nb.verify(J, np.where(J == 8, -8, J))
    assert "function preserved" in Balanced(good._repr_html_()).text
    assert "bit-exact yes" in " ".join(Balanced(good._repr_html_()).text.split())
    assert "function NOT preserved" in Balanced(bad._repr_html_()).text
    assert "went from 8 to -8" in Balanced(bad._repr_html_()).text


def test_a_figure_of_a_balance() -> None:
    figure = nb.balance(chain(), method="osborne").plot()
    before, after, convergence = figure.axes
    titles = ["".join(ax.get_title(loc=side) for side in ("left", "center", "right")) for ax in figure.axes]
    assert titles == ["before", "after", "convergence (osborne)"]  # wherever a style puts them
    dots = np.vstack([scatter.get_offsets() for scatter in after.collections])
    balanced = dots[:2]
    np.testing.assert_allclose(balanced[:, 0], balanced[:, 1], rtol=1e-6)
    assert before.get_xlim() == after.get_xlim()
    assert np.all(np.diff(convergence.lines[0].get_ydata()) <= 1e-12)
