"""The spiking engine under hardware constraints against the slow oracle.

Each feature alone, so that a failure names it, and random networks, rules, chips and settings.
"""

import pytest
from hardware_problems import FEATURES, assert_as_told, both_for, problems, run_both, told_plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurofa.rules import PRESETS
from neurofa.spec import Feedback, Perturbation, Rule

COMPOSED = (
    Rule("error_sign", "sequential", "sign_transpose", name="sequential-sign"),
    Rule("target", "sequential", "random", name="sequential-target"),
    Rule("error", "direct", "transpose", name="direct-transpose"),
    Rule("error", "sequential", Feedback("sign_transpose", "fixed_random"), name="fixed-random-sign"),
    Rule("error", "direct", Feedback("pseudoinverse", every=3), name="direct-pseudoinverse"),
    Rule("error", "direct", "perturbation", perturbation=Perturbation(0.3, "ridge"), name="ridge-direct"),
)
RULES = {rule.name: rule for rule in (*PRESETS.values(), *COMPOSED)}


@pytest.mark.parametrize("update", ["spike", "error"])
@pytest.mark.parametrize("name", FEATURES)
def test_each_feature_agrees_with_the_oracle(name, update):
    case = FEATURES[name]
    pairs = both_for(case, update)
    assert_as_told(pairs, case["chip"])
    updates, moved = pairs["moved"]
    assert updates > 0  # something was to be learned
    assert moved


@pytest.mark.parametrize("name", RULES)
def test_training_on_a_chip_agrees_with_the_oracle(name):
    rule, seen = RULES[name], []

    @settings(max_examples=10, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def run(data):
        network, spiking, chip, batch, seed = data.draw(problems(rule))
        try:
            told_plan(network, rule, spiking, chip, seed)
        except ValueError:  # no exponent of the chip fits
            assume(False)
        pairs = run_both(rule, network, spiking, chip, batch=batch, seed=seed)
        assert_as_told(pairs, chip)
        seen.append(pairs["moved"][1])

    run()
    assert any(seen)
