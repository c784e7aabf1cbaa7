"""What Robertson's bounds and convergence share: plain gradient descent by small steps, looked at in between."""

UNIT = "sign_fa_unit"  # sign feedback as in the theory: B = sign(W), not scaled


def rule_named(name: str):
    """A preset, or sign-FA with entries of -1 and 1."""
    import neurofa as nf

    if name == UNIT:
        return nf.Rule("error", "sequential", nf.Feedback("sign_transpose", magnitude="unit"), name=UNIT)
    return nf.rules.named(name)


def held(rule, params: dict) -> dict:
    """The parameters that a rule takes: B only where it does not follow from W."""
    follows = rule.feedback_source.source in ("transpose", "sign_transpose")
    return {name: value for name, value in params.items() if not (follows and name.endswith(".B"))}


def descend(network, rule, params: dict, data, rate: float, epochs: int, batch: int = 0) -> dict:
    """The parameters after so many epochs of gradient descent without momentum, in double precision."""
    import neurofa as nf

    training = nf.Training(
        epochs=epochs, batch_size=batch, learning_rate=rate, optimiser="sgd", shuffle=False, precision="float64"
    )
    return nf.train(network, rule, data, training=training, params=held(rule, params), probe_every=0, threads=1).params


def probes(last: int, count: int) -> list[int]:
    """Updates after which to look: 0, and about so many up to the last, evenly on a logarithmic scale."""
    import numpy as np

    return [0, *sorted({int(n) for n in np.geomspace(1, last, count).round()})]
