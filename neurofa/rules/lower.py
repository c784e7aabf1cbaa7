"""Lowering: a network and a rule become a Plan, or are refused with the reason."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..spec import Init, Network, Rule
from ..spec.errors import InputError, require, require_kind
from ..spec.network import BOUNDED
from ..spec.seeds import streams
from .feedback import FOLLOWS, derive, initial, path_weights
from .given import check_keys, feedback_keys, fitted, on_route, require_all, shapes_of
from .initialise import draw, reach
from .plan import FeedbackProjection, Params, Plan, Projection, precision_of, require_params

MONOTONE_MINIMUM = 1e-6  # of the authors' code of Lechner 2020: weights are kept above this bound after each step


def check(network: Network, rule: Rule, given: Mapping[str, np.ndarray] | None = None) -> None:
    """Refuse a combination of network and rule that makes no sense.

    Parameters
    ----------
    network, rule
        What is to be combined.
    given
        Parameters that are not drawn: of ``layers.l.W`` among them the values are checked, not the initialiser.

    Raises
    ------
    InputError
        Names the rule, the culprit and the remedy.
    """
    require_kind("network", network, Network, hint="an nf.Network (of a Model: model.for_rule(rule)[0])")
    require_kind("rule", rule, Rule, hint="a preset such as nf.rules.DFA, or an nf.Rule")
    who, output = f"rule {rule.name!r}", network.layers[-1]
    if rule.signal == "target":
        require(
            network.task == "classification",
            f"{who} sends the class label as its signal and cannot learn a regression; use 'dfa'",
        )
        require(
            output.activation in BOUNDED,
            f"{who} replaces the error's sign by the target, which needs a bounded output; "
            f"use sigmoid, tanh or softmax instead of {output.activation!r} on the last layer",
        )
    if rule.constraint == "monotone":
        for index, layer in enumerate(network.layers[1:], start=1):
            W = (given or {}).get(f"layers.{index}.W")
            if W is not None:
                lowest = float(fitted(f"layers.{index}.W", W, network.sizes[index : index + 2], "float64").min())
                require(not lowest < 0, f"{who} keeps W positive from layer 1 on; layers.{index}.W holds {lowest:g}")
                continue
            require(
                not Init.of(layer.init).can_be_negative,
                f"{who} keeps W positive from layer 1 on, but layer {index} is initialised with "
                f"{Init.of(layer.init).kind!r}, which can be negative; use init 'zeros', 'abs_normal' or a "
                "'uniform' with low >= 0",
            )


def feedforward(network: Network, seed: int, dtype: str, given: Mapping[str, np.ndarray]) -> Params:
    """W and b of all layers: drawn from the seed's stream, or as given."""
    rng, params = streams(seed).weights, {}
    for index, layer in enumerate(network.layers):
        n_pre, n_post = network.sizes[index : index + 2]
        drawn = {"W": draw(layer.init, (n_pre, n_post), n_pre, n_post, rng)}
        if layer.bias:
            drawn["b"] = draw(layer.bias_init, (n_post,), n_pre, n_post, rng)
        for name, value in drawn.items():
            key = f"layers.{index}.{name}"
            params[key] = fitted(key, given[key], value.shape, dtype) if key in given else value.astype(dtype)
    return params


def lower(
    network: Network,
    rule: Rule,
    seed: int = 0,
    *,
    precision: str = "float32",
    params: Mapping[str, np.ndarray] | None = None,
) -> Plan:
    """Make the Plan of a network under a rule, with its initial parameters.

    Parameters
    ----------
    network, rule
        What to run.
    seed
        Of the initial parameters: W and b are the same for every rule.
    precision
        ``float32`` or ``float64``.
    params
        Initial parameters that take the place of drawn ones, keys as in `Plan`. Where they are of a run on another
        route, its B's are left aside as if they had not been given.

    Returns
    -------
    Plan
        Without the limits of a chip, which `neurofa.hardware.constrain` puts it under.

    Raises
    ------
    InputError
        If rule and network do not go together, or a parameter has the wrong name or shape.
    """
    given: Mapping[str, np.ndarray] = {} if params is None else params
    require_params(given)
    check(network, rule, given)
    check_keys(network, given)
    given = on_route(network, rule, given)
    values = feedforward(network, seed, precision, given)
    feedback, rng = rule.feedback_source, streams(seed).feedback
    follow = FOLLOWS.get(feedback.source, "")
    routes = []
    for layer, source in feedback_keys(network, rule).items():
        key = f"layers.{layer}.B"
        B, basis = initial(feedback, network, values, source, layer, rng)
        if key in given and follow in ("fixed", "offset", "learned"):
            B = fitted(key, given[key], B.shape, "float64")
            require(
                rule.perturbation is None or rule.perturbation.estimator != "ridge",
                f"{key} is found by ridge regression under rule {rule.name!r}, from nothing; leave it out",
            )
            basis = None if follow != "offset" else B - values[f"layers.{source}.W"].T
        elif key in given:  # it must be what W says, with magnitudes of its own where there are any
            own = fitted(key, given[key], B.shape, precision)
            if basis is not None:
                basis = seen_magnitudes(own, values, source, layer, basis)
                B = derive(feedback, values, source, layer, basis)
            if feedback.source == "pseudoinverse" or (follow == "transpose" and source > layer + 1):
                B = own  # of W as it was when B was renewed, and may be on a chip's levels
            near = np.allclose(own, B, rtol=1e-3, atol=1e-3 * float(np.abs(B).max(initial=0)))
            if not near:
                raise InputError(
                    f"{key} follows from W under rule {rule.name!r}, and is another one; leave it out of the "
                    "parameters, as nf.rules.without_feedback(params) does"
                )
        if feedback.source == "perturbation" and rule.perturbation and rule.perturbation.estimator == "ridge":
            B = np.zeros_like(B)  # the regression has seen nothing yet
        if feedback.source == "random_nonnegative":
            require(bool((B >= 0).all()), f"{key} holds negative values; rule {rule.name!r} needs B >= 0")
        values[key] = B.astype(precision)
        if basis is not None:
            basis = basis.astype(precision)
        # a product of several W's has no elementwise rule to follow it with
        through = "derived" if follow in ("transpose", "sign") and source > layer + 1 else follow
        redraw = Init.of(network.layers[layer].feedback_init) if feedback.magnitude == "batchwise_random" else None
        routes.append(
            FeedbackProjection(source, layer, through, basis, feedback if through == "derived" else None, redraw)
        )
    renewed = any(route.follow == "derived" or route.redraw for route in routes)
    return assemble(network, rule, tuple(routes), (feedback.every or 1) if renewed else 0, values)


def with_basis(route: FeedbackProjection, params: Mapping[str, np.ndarray]) -> FeedbackProjection:
    """A route with what its feedback follows W by, found from W and B as they have come to be.

    Parameters
    ----------
    route
        As a run began.
    params
        ``layers.l.W`` and ``layers.l.B`` as they are now.

    Returns
    -------
    FeedbackProjection
        The route with its `basis` anew, and as it is where it has none. A magnitude whose weight is 0 cannot be seen
        in B, and stays that of the route.
    """
    if route.basis is None:
        return route
    B = params[f"layers.{route.layer}.B"]
    if route.follow == "offset":
        return replace(route, basis=B - params[f"layers.{route.source}.W"].T)
    basis = seen_magnitudes(B, params, route.source, route.layer, route.basis)
    return replace(route, basis=basis.astype(route.basis.dtype))


def seen_magnitudes(
    B: np.ndarray, params: Mapping[str, np.ndarray], source: int, layer: int, unseen: np.ndarray
) -> np.ndarray:
    """Magnitudes of a sign feedback; where W is 0 the `unseen` ones, since B is 0 there whatever they are."""
    return np.where(path_weights(params, source, layer).T == 0, unseen, np.abs(B))


def assemble(
    network: Network, rule: Rule, routes: tuple[FeedbackProjection, ...], refresh_every: int, values: Params
) -> Plan:
    """The Plan of parts that are known, with its initial weights inside their bounds."""
    projections = tuple(
        Projection(
            n_pre=network.sizes[i],
            n_post=layer.units,
            activation=layer.activation,
            slope=layer.slope,
            bias=layer.bias,
            dropout=layer.dropout,
            plastic=layer.plastic and (rule.signal != "none" or i == len(network.layers) - 1),
            reach=reach(layer.init, network.sizes[i], layer.units),
            minimum=MONOTONE_MINIMUM if rule.constraint == "monotone" and i > 0 else -math.inf,
        )
        for i, layer in enumerate(network.layers)
    )
    for index, projection in enumerate(projections):
        if projection.minimum > -math.inf:
            key = f"layers.{index}.W"
            values[key] = np.maximum(values[key], values[key].dtype.type(projection.minimum))
    return Plan(
        projections=projections,
        feedback=routes,
        signal=rule.signal,
        route=rule.route,
        refresh_every=refresh_every,
        perturbation=rule.perturbation,
        loss=network.loss,
        targets=network.target_values,
        task=network.task,
        params=values,
    )


def freeze(network: Network, rule: Rule, params: Mapping[str, np.ndarray]) -> Plan:
    """The Plan at given parameters, for one update that nothing follows.

    Parameters
    ----------
    network
        The architecture; nothing is drawn from its initialisers.
    rule
        Whose update it is; its constraint is checked, but moves no weight.
    params
        Every W and b; B where the rule's feedback does not follow from W. A given B is used as it is, except
        that backpropagation's is W transposed whatever is given, and that those of another route are left aside.

    Returns
    -------
    Plan
        With copies of the parameters, in float64 if all of them are, else in float32.

    Raises
    ------
    InputError
        Names the parameter that is missing, unknown or has the wrong shape.
    """
    require_params(params)
    check(network, rule, params)
    check_keys(network, params)
    precision = precision_of(params)
    params = on_route(network, rule, params)
    require_all(network, params)
    sizes = network.sizes
    values = {key: fitted(key, params[key], shape, precision) for key, shape in shapes_of(network).items()}
    feedback, routes = rule.feedback_source, []
    for layer, source in feedback_keys(network, rule).items():
        key, transposed = f"layers.{layer}.B", feedback.source == "transpose"
        if key in params and not transposed:
            values[key] = fitted(key, params[key], (sizes[source + 1], sizes[layer + 1]), precision)
        else:
            values[key] = derive(feedback, values, source, layer).astype(precision)
        learned = "learned" if feedback.source == "perturbation" else "fixed"
        routes.append(FeedbackProjection(source, layer, "transpose" if transposed and source == layer + 1 else learned))
    return assemble(network, replace(rule, constraint=None), tuple(routes), 0, values)
