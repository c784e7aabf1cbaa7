"""Robertson 2024: conservation of alignment (theorem 5.2), bounds on it (5.3, 5.4), and convergence (5.1, 5.7)."""

import numpy as np
import pytest

import neurofa as nf
from neurofa.analysis.alignment import cosine
from neurofa.analysis.conservation import neuron_potential

SIGN_FA = nf.Rule("error", "sequential", nf.Feedback("sign_transpose", magnitude="unit"), name="unit_sign_fa")
FOLLOW = {
    nf.rules.FA: "fixed",
    nf.rules.ADAFA: "fixed",
    SIGN_FA: "sign",
    nf.rules.SIGN_FA: "sign",
    nf.rules.BP: "transpose",
    nf.rules.MATCHING: "offset",
}
HELD = ("fixed", "offset")  # B is a parameter of its own, not a function of W
SIZES = (5, 8, 6, 3)
HIDDEN = (0, 1)


def network(activation="leaky_relu", loss="half_sse", *, bias=True, sizes=SIZES):
    classes = loss in ("bce", "cce", "exponential")
    output = {"cce": "softmax", "bce": "sigmoid"}.get(loss, "identity")
    task = "classification" if classes else "regression"
    return nf.Network.dense(sizes, activation, output, loss, task=task, bias=bias, slope=0.05)


def drawn(net, rng):
    params = {}
    for i, (n_pre, n_post) in enumerate(zip(net.sizes[:-1], net.sizes[1:], strict=True)):
        params[f"layers.{i}.W"] = rng.normal(size=(n_pre, n_post)) / np.sqrt(n_pre)
        if net.layers[i].bias:
            params[f"layers.{i}.b"] = 0.3 * rng.normal(size=n_post)
        if i < len(net.layers) - 1:
            params[f"layers.{i}.B"] = rng.normal(size=(net.sizes[i + 2], n_post)) / np.sqrt(n_post)
    return params


def samples(net, rng, n=12):
    x = rng.normal(size=(n, net.inputs)).astype(np.float32)
    if net.task == "classification":
        return x, rng.integers(net.sizes[-1], size=n)
    return x, rng.normal(size=(n, net.sizes[-1])).astype(np.float32)


def given_to(rule, params):
    """The parameters that the rule takes: B only where it does not follow from W."""
    if FOLLOW.get(rule, "fixed") in HELD:
        return params
    return {key: value for key, value in params.items() if not key.endswith(".B")}


def feedback(rule, params, layer):
    if FOLLOW.get(rule, "fixed") in HELD:
        return params[f"layers.{layer}.B"]
    return nf.rules.derive(rule.feedback_source, params, layer + 1, layer)


def potentials(rule, params):
    """Of all hidden neurons, one after the other."""
    return np.concatenate(
        [
            neuron_potential(
                params[f"layers.{i}.W"],
                params[f"layers.{i + 1}.W"],
                feedback(rule, params, i),
                params.get(f"layers.{i}.b"),
                follow=FOLLOW[rule],
            )
            for i in HIDDEN
        ]
    )


def imbalance(net, rule, params, x, y, layer):
    """Velocity of <W_next, B> less that of the squared incoming weights, and the former, for each neuron."""
    update = nf.updates(net, rule, given_to(rule, params), x.astype(np.float64), y)
    outgoing = np.sum(update[f"layers.{layer + 1}.dW"] * feedback(rule, params, layer).T, axis=1)
    incoming = np.sum(update[f"layers.{layer}.dW"] * params[f"layers.{layer}.W"], axis=0)
    if net.layers[layer].bias:
        incoming = incoming + update[f"layers.{layer}.db"] * params[f"layers.{layer}.b"]
    return outgoing - incoming, outgoing


def flow(net, rule, params, x, y, eta, n_updates, probe_every=None):
    """A run of full-batch steps of plain gradient descent, all in one epoch."""
    x, y = np.tile(x, (n_updates, 1)), np.tile(y, (n_updates, *[1] * (y.ndim - 1)))
    few = {"x_test": x[:4], "y_test": y[:4], "x_validation": x[:0], "y_validation": y[:0]}
    data = nf.Data(x, y, **few, name="flow", task=net.task, n_outputs=net.sizes[-1], image_shape=())
    training = nf.Training(
        epochs=1, batch_size=len(x) // n_updates, learning_rate=eta, optimiser="sgd", shuffle=False, precision="float64"
    )
    return nf.train(net, rule, data, training=training, params=given_to(rule, params), probe_every=probe_every)


# --- Theorem 5.2 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", FOLLOW, ids=lambda rule: rule.name)
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "identity"])
@pytest.mark.parametrize("loss", ["half_sse", "mse", "cce", "bce", "exponential"])
@pytest.mark.parametrize("bias", [False, True])
def test_theorem_5_2_velocities_balance(rule, activation, loss, bias):
    """Exactly, for each neuron of each hidden layer, at any weights, for any of the losses."""
    rng = np.random.default_rng(0)
    net = network(activation, loss, bias=bias)
    params, (x, y) = drawn(net, rng), samples(net, rng)
    for layer in HIDDEN:
        difference, outgoing = imbalance(net, rule, params, x, y, layer)
        assert np.abs(outgoing).max() > 1e-3
        assert np.abs(difference).max() < 1e-13


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "hard_tanh"])
def test_theorem_5_2_needs_a_homogeneous_activation(activation):
    rng = np.random.default_rng(0)
    net = network(activation)
    params, (x, y) = drawn(net, rng), samples(net, rng)
    for layer in HIDDEN:
        assert np.abs(imbalance(net, nf.rules.FA, params, 3 * x, y, layer)[0]).max() > 1e-3


def test_theorem_5_2_holds_below_the_output_only_for_a_direct_route():
    rng = np.random.default_rng(0)
    net = network()
    params, (x, y) = drawn(net, rng), samples(net, rng)
    params["layers.0.B"] = rng.normal(size=(SIZES[-1], SIZES[1]))
    update = nf.updates(net, nf.rules.DFA, params, x.astype(np.float64), y)
    incoming = {
        i: np.sum(update[f"layers.{i}.dW"] * params[f"layers.{i}.W"], axis=0)
        + update[f"layers.{i}.db"] * params[f"layers.{i}.b"]
        for i in HIDDEN
    }
    outgoing = np.sum(update["layers.2.dW"] * params["layers.1.B"].T, axis=1)
    np.testing.assert_allclose(incoming[1], outgoing, atol=1e-13)
    # the first hidden layer's B ends on the output's error, and its own next layer does not learn from that
    through_next = np.sum(update["layers.1.dW"] * params["layers.1.W"])
    assert abs(incoming[0].sum() - through_next) > 1e-2


@pytest.mark.parametrize("rule", FOLLOW, ids=lambda rule: rule.name)
def test_theorem_5_2_potential_is_constant_in_the_limit_of_small_steps(rule):
    rng = np.random.default_rng(2)
    net = network()
    params, (x, y) = drawn(net, rng), samples(net, rng)
    if rule is nf.rules.ADAFA:
        params |= {f"layers.{i}.B": params[f"layers.{i + 1}.W"].T.copy() for i in HIDDEN}
    before, duration, drift = potentials(rule, params), 2.0, []
    for n_updates in (200, 400, 800):
        end = flow(net, rule, params, x, y, duration / n_updates, n_updates).params
        drift.append(np.abs(potentials(rule, end) - before).sum())
    halves = [
        np.abs(np.sum(end[f"layers.{i}.W"] ** 2, axis=0) - np.sum(params[f"layers.{i}.W"] ** 2, axis=0)).sum() / 2
        for i in HIDDEN
    ]
    assert drift[-1] < 0.01 * sum(halves)  # the squared norms move, the potential does not
    assert drift[1] / drift[0] == pytest.approx(0.5, abs=0.15)  # and what moves is of first order in the step
    assert drift[2] / drift[1] == pytest.approx(0.5, abs=0.15)
    if FOLLOW[rule] == "sign":  # outgoing weights that cross zero are the delicate case of the proof
        assert any((np.sign(end[f"layers.{i}.W"]) != np.sign(params[f"layers.{i}.W"])).any() for i in (1, 2))


def test_theorem_5_2_is_violated_by_the_wrong_feedback():
    """The same flow, measured with another B, or with equation 2 as it stands for backpropagation."""
    rng = np.random.default_rng(2)
    net = network()
    params, (x, y) = drawn(net, rng), samples(net, rng)
    end = flow(net, nf.rules.FA, params, x, y, 2.0 / 800, 800).params
    other = {f"layers.{i}.B": -params[f"layers.{i}.B"] for i in HIDDEN}
    change = potentials(nf.rules.FA, end | other) - potentials(nf.rules.FA, params | other)
    assert np.abs(change).sum() > 1
    end = flow(net, nf.rules.BP, params, x, y, 2.0 / 800, 800).params
    change = 0.0
    for i in HIDDEN:
        for sign, at in ((1, end), (-1, params)):
            W_next = at[f"layers.{i + 1}.W"]
            change += sign * neuron_potential(at[f"layers.{i}.W"], W_next, W_next.T, at[f"layers.{i}.b"]).sum()
    assert abs(change) > 0.1


@pytest.mark.parametrize("rule", FOLLOW, ids=lambda rule: rule.name)
def test_probes_record_the_conserved_potential(rule):
    rng = np.random.default_rng(2)
    net = network()
    params, (x, y) = drawn(net, rng), samples(net, rng)
    if rule is nf.rules.ADAFA:
        params |= {f"layers.{i}.B": params[f"layers.{i + 1}.W"].T.copy() for i in HIDDEN}
    history = flow(net, rule, params, x, y, 2.0 / 800, 800, probe_every=100).history
    recorded = history["conservation"].values[:, HIDDEN]
    norms = history["weight_norm"].values[:, HIDDEN] ** 2 / 2
    assert len(recorded) >= 8
    assert (np.ptp(recorded, axis=0) < 0.03 * np.ptp(norms, axis=0).sum()).all()
    at_start = potentials(rule, params).reshape(-1)
    expected = [at_start[: SIZES[1]].sum(), at_start[SIZES[1] :].sum()]
    np.testing.assert_allclose(recorded[0], expected, atol=0.01 * norms[0].max())


# --- Proposition 5.3 and lemma 5.4: alignment of weights and feedback --------------------------------------------


@pytest.mark.parametrize("rule", [SIGN_FA, nf.rules.SIGN_FA], ids=lambda rule: rule.name)
def test_proposition_5_3_bounds_alignment_under_sign_fa(rule):
    rng = np.random.default_rng(4)
    net = network()
    params, (x, y) = drawn(net, rng), samples(net, rng)
    params = given_to(rule, params)
    for _ in range(60):
        for i in HIDDEN:
            W = params[f"layers.{i + 1}.W"]
            assert cosine(W.T, feedback(rule, params, i)) >= 1 / np.sqrt(W.size)
        update = nf.updates(net, rule, params, x.astype(np.float64), y)
        params = {key: value - 0.05 * update[f"{key[:-1]}d{key[-1]}"] for key, value in params.items()}


def test_proposition_5_3_is_tight_and_is_sign_feedbacks_own():
    rng = np.random.default_rng(4)
    lonely = rng.choice([-1e-9, 1e-9], size=(6, 3))
    lonely[2, 1] = -5.0
    params = {"layers.0.W": np.ones((4, 6)), "layers.1.W": lonely}
    B = nf.rules.derive(SIGN_FA.feedback_source, params, 1, 0)
    assert cosine(lonely.T, B) == pytest.approx(1 / np.sqrt(18), rel=1e-6)
    net = network()
    below = [cosine(p["layers.1.W"].T, p["layers.0.B"]) < 1 / np.sqrt(48) for p in (drawn(net, rng) for _ in range(20))]
    assert any(below)  # a random B keeps no such promise


SCALAR = network(bias=False, sizes=(5, 12, 1))


def scalar_start(rng, norm):
    """Output weights and feedback all 1, and incoming weights of each hidden neuron of the given norm."""
    W = rng.normal(size=(5, 12))
    W *= norm / np.linalg.norm(W, axis=0)
    return {"layers.0.W": W, "layers.1.W": np.ones((12, 1)), "layers.0.B": np.ones((1, 12))}


def smallest_output_weight(norm, n_updates=1500):
    rng = np.random.default_rng(6)
    params = scalar_start(rng, norm)
    x, y = samples(SCALAR, rng)
    smallest, alignment = np.inf, np.inf
    for _ in range(n_updates):
        update = nf.updates(SCALAR, nf.rules.FA, params, x.astype(np.float64), y)
        params |= {f"layers.{i}.W": params[f"layers.{i}.W"] - 0.004 * update[f"layers.{i}.dW"] for i in (0, 1)}
        smallest = min(smallest, params["layers.1.W"].min())
        alignment = min(alignment, cosine(params["layers.1.W"].T, params["layers.0.B"]))
    return smallest, alignment


def test_lemma_5_4_output_weights_keep_their_sign():
    smallest, alignment = smallest_output_weight(1.3)
    # the law leaves w = 1 - 1.3^2 / 2 and half of the squared norm of the incoming weights, and not 1/2 as printed
    assert 1 - 1.3**2 / 2 < smallest < 0.5
    assert alignment >= 1 / np.sqrt(12)


def test_lemma_5_4_needs_small_incoming_weights():
    assert smallest_output_weight(4.0)[0] < 0


# --- Theorem 5.1 and proposition 5.7: convergence under alignment dominance -----------------------------------------


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_theorem_5_1_integrates_the_slowest_decrease(beta):
    """dL/dt = -alpha L^beta, the least that dominance allows, from a loss above 1; printed is another bound."""
    alpha, start, duration, n = 0.7, 2.0, 20.0, 200_000
    loss = start
    for _ in range(n):
        loss -= duration / n * alpha * loss**beta
    if beta == 1:
        assert loss == pytest.approx(start * np.exp(-alpha * duration), rel=1e-3)
        return
    corrected = ((beta - 1) * alpha * duration + start ** (1 - beta)) ** (-1 / (beta - 1))
    printed = [((beta - 1) / (alpha * t + (beta - 1) / start)) ** (1 / (beta - 1)) for t in (0.0, duration)]
    assert loss == pytest.approx(corrected, rel=1e-3)
    if beta == 2:
        assert printed[1] == pytest.approx(corrected, rel=1e-12)
    else:
        assert printed[0] < start or printed[1] < 0.5 * loss  # it does not hold: at the start, or later


def test_proposition_5_7_has_the_square_of_the_leak():
    """With w = b = 1 and all neurons silent for a pair of samples, w^T T b is c'^2 <w, b>; the proof has c' <w, b>."""
    slope, width = 0.1, 6
    net = nf.Network.dense((3, width, 1), "leaky_relu", "identity", "exponential", bias=False, slope=slope)
    x, labels = np.array([[-1.0, 0.0, 0.0], [-1.0, 0.1, 0.0]]), np.array([0, 0])
    params = {"layers.0.W": np.zeros((3, width)), "layers.1.W": np.ones((width, 1)), "layers.0.B": np.ones((1, width))}
    params["layers.0.W"][0] = 0.5  # y x all point the same way: orthogonally separable, gamma = 1
    mine = nf.updates(net, nf.rules.FA, params, x, labels)
    true = nf.updates(net, nf.rules.BP, given_to(nf.rules.BP, params), x, labels)
    loss = np.exp(-slope * 0.5 * width)
    hidden = np.sum(mine["layers.0.dW"] * true["layers.0.dW"])
    assert hidden >= slope**2 * width * loss**2
    assert hidden < slope * width * loss**2
