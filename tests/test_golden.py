"""Every update that two published implementations computed, against the oracle and the rate engine.

The numbers and where they come from: tests/golden/README.md.
"""

from pathlib import Path

import naive
import numpy as np
import pytest
from support import assert_same, without_feedback

import neurofa as nf
from neurofa.rules import BP, DFA, DRTP, FA, SDFA, SHALLOW, SIGN_FA, lower
from neurofa.spec import Network

GOLDEN = Path(__file__).parent / "golden" / "updates.npz"
LAYERS = (0, 1, 2)
ENTRIES = {
    "frenkel_code.BP": BP,
    "frenkel_code.FA": FA,
    "frenkel_code.DFA": DFA,
    "frenkel_code.sDFA": SDFA,
    "frenkel_code.DRTP": DRTP,
    "frenkel_code.shallow": SHALLOW,
    "biotorch.fa": FA,
    "biotorch.usf": SIGN_FA,
}
OUTPUTS = {"frenkel_code": ("sigmoid", "bce"), "biotorch": ("softmax", "cce")}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {key: file[key] for key in file.files}


def network_of(golden, entry):
    output, loss = OUTPUTS[entry.split(".")[0]]
    return Network.dense(tuple(int(n) for n in golden["sizes"]), "tanh", output, loss)


def params_of(golden, entry):
    params = {f"layers.{i}.{name}": golden[f"layers.{i}.{name}"] for i in LAYERS for name in "Wb"}
    route = ENTRIES[entry].route
    if route in ("sequential", "direct"):
        for i in LAYERS[:-1]:
            own = f"{entry}.layers.{i}.B"
            params[f"layers.{i}.B"] = golden[own] if own in golden else golden[f"{route}.layers.{i}.B"]
    return params


def expected_of(golden, entry):
    return {f"layers.{i}.{name}": golden[f"{entry}.layers.{i}.{name}"] for i in LAYERS for name in ("dW", "db")}


def test_every_update_of_the_file_is_tested(golden):
    found = {key.split(".layers.")[0] for key in golden if ".dW" in key}
    assert found == set(ENTRIES)
    assert all(f"{entry}.layers.{i}.{name}" in golden for entry in ENTRIES for i in LAYERS for name in ("dW", "db"))


@pytest.mark.parametrize("entry", ENTRIES)
def test_oracle_gives_the_published_update(golden, entry):
    network, params = network_of(golden, entry), params_of(golden, entry)
    x, y, expected = golden["x"], golden["y"], expected_of(golden, entry)
    assert_same(naive.updates(network, ENTRIES[entry], params, x, y), expected, 1e-12, keys=expected)
    assert naive.loss(network, params, x, y) == pytest.approx(float(golden[f"{entry}.loss"]), rel=1e-12)


@pytest.mark.parametrize("entry", ENTRIES)
def test_rate_engine_gives_the_published_update(golden, entry):
    network, params = network_of(golden, entry), params_of(golden, entry)
    expected = expected_of(golden, entry)
    actual = nf.updates(network, ENTRIES[entry], params, golden["x"], golden["y"])
    assert_same(actual, expected, 1e-12, keys=expected)


def test_sign_feedback_of_biotorch_follows_from_the_weights(golden):
    network, entry = network_of(golden, "biotorch.usf"), "biotorch.usf"
    params = without_feedback(params_of(golden, entry))
    lowered = lower(network, SIGN_FA, precision="float64", params=params).params
    for i in LAYERS[:-1]:
        B = golden[f"{entry}.layers.{i}.B"]
        np.testing.assert_allclose(naive.refreshed(network, SIGN_FA, params, i), B, rtol=1e-12)
        np.testing.assert_allclose(lowered[f"layers.{i}.B"], B, rtol=1e-12)
    expected = expected_of(golden, entry)
    actual = nf.updates(network, SIGN_FA, params, golden["x"], golden["y"])
    assert_same(actual, expected, 1e-12, keys=expected)
