"""Neurons of neurofa as nodes of NIR, and back: what docs/exchange.md sets down in formulas."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import nir
import numpy as np

from ..spec import InputError, Neuron
from ..spec.errors import require

METHODS = ("exact", "euler")
UNREACHABLE = 3e38  # a threshold that no membrane reaches, finite in single precision
MAX_GROUPS = 64
NEGLIGIBLE = 1e-3  # of a tick: a membrane with this time constant has no memory
LEAKS_AND_FIRES = (nir.IF, nir.LIF, nir.CubaLIF)
GRADED = (nir.I, nir.LI, nir.CubaLI)
NEURONS = (*LEAKS_AND_FIRES, *GRADED, nir.Threshold)


class Group(NamedTuple):
    """Neurons of one node that have equal parameters."""

    units: np.ndarray  # of the node
    neuron: Neuron
    gain: np.ndarray | None  # what incoming weights and biases are multiplied by; None: 1


def below(threshold: float) -> float:
    """The next smaller number in single precision: above it is where NIR's neurons spike, and ours at it."""
    return float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))


def above(threshold: float) -> float:
    """The next larger number in single precision: the inverse of `below`."""
    return float(np.nextafter(np.float32(threshold), np.float32(np.inf)))


def node_of(neuron: Neuron, size: int, dt_ms: float) -> nir.NIRNode:
    """A population of `size` equal neurons as a node, for readers that give it the inputs of a tick of `dt_ms`."""

    def row(value: float) -> np.ndarray:
        return np.full(size, value, np.float64)

    dt = dt_ms / 1000
    threshold = below(neuron.v_threshold) if neuron.reset == "zero" else neuron.v_threshold
    spiking = {"v_threshold": row(threshold), "v_reset": row(neuron.v_reset)}
    metadata = {"reset": neuron.reset}
    if neuron.model == "if":
        return nir.IF(r=row(neuron.r / dt), **spiking, metadata=metadata)
    leak = {"v_leak": row(neuron.v_leak)}
    if neuron.model == "lif":
        gain = -math.expm1(-dt_ms / neuron.tau_m_ms)
        return nir.LIF(tau=row(neuron.tau_m_ms / 1000), r=row(neuron.r / gain), **leak, **spiking, metadata=metadata)
    return nir.CubaLIF(
        tau_syn=row(neuron.tau_syn_ms / 1000),
        tau_mem=row(neuron.tau_m_ms / 1000),
        r=row(neuron.r),
        w_in=row(neuron.tau_syn_ms / dt_ms),
        **leak,
        **spiking,
        metadata=metadata,
    )


def parameter_shape(name: str, node: nir.NIRNode) -> tuple[int, ...]:
    """The largest shape among a node's parameters."""
    shapes = [array.shape for array in _parameters(name, node).values()]
    return max(shapes, key=lambda shape: (math.prod(shape), len(shape)))


def groups_of(name: str, node: nir.NIRNode, size: int, dt_ms: float, reset: str | None, method: str) -> list[Group]:
    """The neurons of a node as groups of equal ones.

    Parameters
    ----------
    name, node
        A node of one of the types `NEURONS`.
    size
        Number of neurons; parameters have this size, or one value for all.
    dt_ms
        Length of a tick.
    reset
        ``zero`` (to `v_reset`) or ``subtract``; None: as the node's metadata say, else ``zero``.
    method
        ``exact`` or ``euler``.

    Raises
    ------
    InputError
        For parameters that no neuron can have, and more than `MAX_GROUPS` different neurons.
    """
    who = f"node {name!r} ({type(node).__name__})"
    values = {}
    for field, array in _parameters(name, node).items():
        require(array.size in (1, size), f"{who} has {array.size} values of {field} for {size} neurons")
        require(bool(np.isfinite(array).all()), f"{who} has a {field} that is NaN or infinite")
        values[field] = np.broadcast_to(array.ravel(), size)
    for field in ("tau", "tau_mem", "tau_syn"):
        if field in values:
            lowest, dt = float(values[field].min()), dt_ms / 1000
            require(lowest > 0, f"{who} has a {field} of {lowest:g} s; it must be positive")
            require(
                method == "exact" or lowest >= dt * (1 - 1e-9),
                f"{who} has a {field} of {lowest:g} s, below the tick of {dt:g} s, which Euler's method cannot do; "
                "shorten dt_ms, or use method='exact'",
            )
    kinds = np.stack([array for field, array in values.items() if field not in ("r", "w_in")] or [np.zeros(size)])
    different, member = np.unique(kinds, axis=1, return_inverse=True)
    require(
        different.shape[1] <= MAX_GROUPS,
        f"{who} has neurons of {different.shape[1]} kinds, each of which becomes a population; at most {MAX_GROUPS} "
        "are possible, so round its parameters",
    )
    chosen = reset or str(node.metadata.get("reset", "zero"))
    groups = []
    for kind in range(different.shape[1]):
        units = np.flatnonzero(member.ravel() == kind)
        own = {field: float(array[units[0]]) for field, array in values.items()}
        try:
            fields, scale = _CONVERTERS[type(node)](own, dt_ms, method)
            scales = scale * values.get("r", np.ones(size))[units] * values.get("w_in", np.ones(size))[units]
            uniform = scales[0] > 0 and bool((scales == scales[0]).all())
            if isinstance(node, LEAKS_AND_FIRES):
                threshold = above(own["v_threshold"]) if chosen == "zero" else own["v_threshold"]
                fields |= {"v_threshold": threshold, "v_reset": own["v_reset"], "reset": chosen}
            neuron = Neuron(**fields, r=float(scales[0]) if uniform else 1.0)
        except InputError as error:
            raise InputError(f"{who}: {error}") from error
        groups.append(Group(units, neuron, None if uniform else scales))
    return groups


def memoryless(dt_ms: float) -> Neuron:
    """A neuron that never spikes and whose membrane is the sum of what arrives in the tick."""
    tau_ms = NEGLIGIBLE * dt_ms
    return Neuron("lif", tau_m_ms=tau_ms, tau_syn_ms=tau_ms, v_threshold=UNREACHABLE, reset="zero")


def _parameters(name: str, node: nir.NIRNode) -> dict[str, np.ndarray]:
    """A node's numbers as float64."""
    fields = ("tau", "tau_mem", "tau_syn", "r", "w_in", "v_leak", "v_threshold", "v_reset", "threshold")
    try:
        return {field: np.asarray(getattr(node, field), np.float64) for field in fields if hasattr(node, field)}
    except (TypeError, ValueError) as error:
        raise InputError(f"node {name!r} ({type(node).__name__}) has parameters that are not numbers") from error


def _tau_ms(tau: float, dt_ms: float, method: str) -> float:
    """Time constant in ms whose exact decay over a tick is the method's."""
    tau_ms = 1000 * tau
    if method == "exact":
        return tau_ms
    left = 1 - dt_ms / tau_ms
    return -dt_ms / math.log(left) if left > 1e-9 else NEGLIGIBLE * dt_ms


def _integrating(own: dict[str, float], dt_ms: float, method: str) -> tuple[dict[str, Any], float]:
    """IF and I."""
    return {"model": "if", "v_threshold": UNREACHABLE, "reset": "zero"}, dt_ms / 1000


def _leaky(own: dict[str, float], dt_ms: float, method: str) -> tuple[dict[str, Any], float]:
    """LIF and LI."""
    tau_ms = _tau_ms(own["tau"], dt_ms, method)
    fields = {"model": "lif", "tau_m_ms": tau_ms, "v_leak": own["v_leak"], "v_threshold": UNREACHABLE, "reset": "zero"}
    if tau_ms < dt_ms / 100:  # the synaptic time constant has no effect, but would be far from the membrane's
        fields["tau_syn_ms"] = tau_ms
    return fields, -math.expm1(-dt_ms / tau_ms)


def _current_based(own: dict[str, float], dt_ms: float, method: str) -> tuple[dict[str, Any], float]:
    """CubaLIF and CubaLI."""
    tau_ms, tau_syn_ms = (_tau_ms(own[field], dt_ms, method) for field in ("tau_mem", "tau_syn"))
    fastest = dt_ms / tau_ms
    require(fastest < 500, f"a tick of {dt_ms:g} ms is {fastest:g} membrane time constants; shorten dt_ms")
    fields = {"model": "cuba_lif", "tau_m_ms": tau_ms, "tau_syn_ms": tau_syn_ms, "v_leak": own["v_leak"]}
    fields |= {"v_threshold": UNREACHABLE, "reset": "zero"}
    scale = dt_ms / (1000 * own["tau_syn"])
    if method == "euler":
        neuron = Neuron("cuba_lif", tau_m_ms=tau_ms, tau_syn_ms=tau_syn_ms)
        scale *= dt_ms / (1000 * own["tau_mem"]) / neuron.kappa(dt_ms)
    return fields, scale


def _comparing(own: dict[str, float], dt_ms: float, method: str) -> tuple[dict[str, Any], float]:
    """Threshold: a membrane without memory."""
    threshold = above(own["threshold"])
    reset = threshold - max(1.0, abs(threshold))
    tau_ms = NEGLIGIBLE * dt_ms
    fields = {"model": "lif", "tau_m_ms": tau_ms, "tau_syn_ms": tau_ms, "v_threshold": threshold, "v_reset": reset}
    return fields | {"reset": "zero"}, 1.0


_CONVERTERS: dict[type, Callable[[dict[str, float], float, str], tuple[dict[str, Any], float]]] = {
    nir.IF: _integrating,
    nir.I: _integrating,
    nir.LIF: _leaky,
    nir.LI: _leaky,
    nir.CubaLIF: _current_based,
    nir.CubaLI: _current_based,
    nir.Threshold: _comparing,
}
