"""Parameters that are given: their names, their shapes, and the route that their feedback is of."""

from collections.abc import Mapping

import numpy as np

from ..spec import Network, Rule
from ..spec.errors import InputError, require
from .plan import require_params, without_feedback


def fitted(key: str, value: np.ndarray, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """A parameter of the user's as a new array of the given shape and precision.

    Parameters
    ----------
    key
        What messages call it, such as ``layers.0.W``.
    value
        The parameter, or nested lists of numbers.
    shape
        That it must have.
    dtype
        ``float32`` or ``float64``.

    Returns
    -------
    numpy.ndarray
        A copy.

    Raises
    ------
    InputError
        If it is no array of finite numbers, or has another shape.
    """
    try:
        array = np.array(value, dtype=dtype)
    except (TypeError, ValueError):
        raise InputError(f"{key} is not an array of numbers; give one of shape {shape}") from None
    require(array.shape == shape, f"{key} has shape {array.shape}; the network needs {shape}")
    require(bool(np.isfinite(array).all()), f"{key} holds NaN or infinite values; give finite numbers")
    return array


def feedback_keys(network: Network, rule: Rule) -> dict[int, int]:
    """Source layer of the signal by hidden layer, for rules that feed back through matrices."""
    last = len(network.layers) - 1
    if rule.feedback_source.source == "none":
        return {}
    return {layer: last if rule.route == "direct" else layer + 1 for layer in range(last)}


def shapes_of(network: Network) -> dict[str, tuple[int, ...]]:
    """The shape of every W and b of a network.

    Parameters
    ----------
    network
        Whose parameters they are.

    Returns
    -------
    dict
        By ``layers.l.W`` and, where the layer has a bias, ``layers.l.b``.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for index, layer in enumerate(network.layers):
        shapes[f"layers.{index}.W"] = network.sizes[index : index + 2]
        if layer.bias:
            shapes[f"layers.{index}.b"] = (layer.units,)
    return shapes


def require_all(network: Network, params: Mapping[str, np.ndarray]) -> None:
    """Refuse parameters that lack a W or a b.

    Parameters
    ----------
    network
        That they are for.
    params
        Keys as in `Plan`.

    Raises
    ------
    InputError
        Names the first that is missing, and its shape.
    """
    for key, shape in shapes_of(network).items():
        require(key in params, f"{key} is missing from the parameters; give an array of shape {shape}")


def check_keys(network: Network, given: Mapping[str, np.ndarray]) -> None:
    """Refuse parameters that the network does not have."""
    require_params(given)
    known = {*shapes_of(network), *(f"layers.{i}.B" for i in range(len(network.layers) - 1))}
    for key in given:
        if key not in known:
            raise InputError(f"parameter {key!r} is not one of this network's; it has {', '.join(sorted(known))}")


def on_route(network: Network, rule: Rule, params: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Parameters for a rule, without any B if one of them is of another route.

    A run leaves a B for each hidden layer, all of one route. Where a single one has the shape that only the other route
    has, the others are of that route too, though their shapes may fit both.

    Parameters
    ----------
    network, rule
        What they are to be used with.
    params
        Keys as in `Plan`.

    Returns
    -------
    Mapping
        The same arrays, or W and b alone.
    """
    sizes, last = network.sizes, len(network.layers) - 1
    for layer, source in feedback_keys(network, rule).items():
        other = layer + 1 if rule.route == "direct" else last
        width, other_width, units = sizes[source + 1], sizes[other + 1], sizes[layer + 1]
        if other_width != width and _shape_of(params.get(f"layers.{layer}.B")) == (other_width, units):
            return without_feedback(params)
    return params


def _shape_of(value: object) -> tuple[int, ...]:
    """Shape of an array or of nested lists; none where they are no array."""
    try:
        return np.asarray(value).shape
    except ValueError:  # lists of different lengths, which `fitted` refuses by name
        return ()
