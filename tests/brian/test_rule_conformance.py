"""The shipped rules pass the suite that others' rules are given."""

from __future__ import annotations

import pytest
from brian2 import second

import neurobal as nb
from neurobal.testing.rules import RuleConformance

SHIPPED = [
    nb.GradientFlow(rate=5 / second),
    nb.NormalizedFlow(rate=20 / second),
    nb.StochasticBalancing(rate=20 / second),
    nb.AntiBalancing(rate=5 / second),
]


class TestShippedRules(RuleConformance):
    @pytest.fixture(params=SHIPPED, ids=lambda rule: type(rule).__name__)
    def rule(self, request: pytest.FixtureRequest) -> nb.Rule:
        return request.param
