"""Suites for extensions written elsewhere; needs pytest.

`neurobal.testing.adapters.AdapterConformance` is what every adapter passes, `neurobal.testing.rules.RuleConformance`
what every plasticity rule passes. Subclass one in a test file of your own and give it the fixture that it asks for.
"""

import pytest

pytest.register_assert_rewrite("neurobal.testing.adapters", "neurobal.testing.rules")
