"""What symmetries and plasticities print, and show in notebooks."""

from __future__ import annotations

from brian2 import Network, NeuronGroup, Synapses, ms, second, start_scope

import neurobal as nb


def network() -> Network:
    start_scope()
    cells = NeuronGroup(
        3, "dx/dt = (I - x)/(10*ms) : volt\nI : volt\nr = clip(x, 0*mV, inf*mV) : volt", method="euler", name="E"
    )
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*r_pre : volt (summed)", name="S")
    synapses.connect(condition="i != j")
    synapses.w = [1, 2, 3, 4, 5, 6]
    return Network(cells, synapses)


def test_a_plasticity_says_what_it_does() -> None:
    net = network()
    plasticity = nb.Plasticity(net, nb.NormalizedFlow(rate=10 / second), dt=1 * ms, pinned={"E": [0]})
    assert repr(plasticity) == f"{plasticity.name}: NormalizedFlow(rate=10. * hertz) every 1. ms, cost Σ w²"
    assert str(plasticity).splitlines()[2].split() == ["E", "3", "2", "1", "...", "1"]
    net.add(plasticity)
    net.run(20 * ms)
    low, _, high = str(plasticity).splitlines()[2].split()[3:]
    assert float(low) < float(high)
    plasticity.active = False
    assert repr(plasticity).endswith("not active")
    html = plasticity._repr_html_()
    assert "<b>" in html and "<td>2</td>" in html and "Σ w²" in html


def test_symmetries_show_a_table_and_all_that_they_print() -> None:
    answer = nb.symmetries(network())
    html = answer._repr_html_()
    assert (
        "<td style='text-align:left'>E</td><td>every neuron has a scale; what it sends has homogeneity 1.</td>" in html
    )
    assert "<td>x, I</td>" in html and "from E (S): w moves by λ" in html
