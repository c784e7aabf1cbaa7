"""Linear nodes of NIR as matrices (n_pre, n_post) on flattened signals."""

import math
from typing import Any, NamedTuple

import nir
import numpy as np
from scipy import sparse

from ..spec import InputError
from ..spec.errors import require

LINEAR = (
    nir.Affine,
    nir.Linear,
    nir.Scale,
    nir.Conv1d,
    nir.Conv2d,
    nir.SumPool2d,
    nir.AvgPool2d,
    nir.Flatten,
)
SPATIAL = (nir.Conv2d, nir.SumPool2d, nir.AvgPool2d)
MAX_SYNAPSES = 2**28
Shape = tuple[int, ...]


class Transform(NamedTuple):
    """y = x matrix + bias."""

    matrix: Any  # (n_in, n_out), an array or of scipy.sparse; None: the identity
    bias: np.ndarray | None  # (n_out,)
    shape: Shape  # of y


def transform(name: str, node: nir.NIRNode, shape: Shape) -> Transform:
    """What a linear node does with a signal of a shape.

    Raises
    ------
    InputError
        If the shape does not fit the node, naming it.
    """
    who = f"node {name!r} ({type(node).__name__})"
    dimensions = 2 if isinstance(node, nir.Conv1d) else 3 if isinstance(node, SPATIAL) else 0
    if dimensions and len(shape) == dimensions + 1 and shape[0] == 1:
        shape = shape[1:]  # a batch of one: exporters write the shape of the sample that they were given
    try:
        if isinstance(node, nir.Affine | nir.Linear):
            return _matrix(who, node, shape)
        if isinstance(node, nir.Scale):
            return _scale(who, node, shape)
        if isinstance(node, nir.Flatten):
            return Transform(None, None, _flattened(who, node, shape))
        if isinstance(node, nir.Conv1d):
            return _conv1d(who, node, shape)
        if isinstance(node, nir.Conv2d):
            return _conv(who, shape, _numbers(node.weight), node.stride, node.padding, node.dilation, node.groups,
                         _numbers(node.bias))  # fmt: skip
        return _pool(who, node, shape)
    except (TypeError, AttributeError) as error:
        raise InputError(f"{who} has parameters that cannot be read ({error}); write the graph again") from error


def compose(first: Any, second: Any) -> Any:
    """The matrix of one transform after another; None is the identity."""
    if first is None or second is None:
        return second if first is None else first
    return first.astype(np.float64) @ second.astype(np.float64)


def _numbers(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _matrix(who: str, node: Any, shape: Shape) -> Transform:
    weight = _numbers(node.weight)
    require(weight.ndim == 2, f"{who} has a weight of {weight.ndim} dimensions; give (n_out, n_in)")
    n_out, n_in = weight.shape
    require(math.prod(shape) == n_in, f"{who} takes {n_in} values and receives a signal of shape {shape}")
    bias = None
    if isinstance(node, nir.Affine):
        bias = _numbers(node.bias).ravel()
        require(bias.size in (1, n_out), f"{who} has {bias.size} biases for {n_out} outputs")
        bias = np.broadcast_to(bias, n_out)
    return Transform(np.ascontiguousarray(weight.T), bias, (n_out,))


def _scale(who: str, node: nir.Scale, shape: Shape) -> Transform:
    scale = _numbers(node.scale)
    fits = scale.size in (1, math.prod(shape))
    require(fits, f"{who} has {scale.size} factors and receives a signal of shape {shape}")
    return Transform(sparse.diags_array(np.broadcast_to(scale.ravel(), math.prod(shape))).tocsr(), None, shape)


def _flattened(who: str, node: nir.Flatten, shape: Shape) -> Shape:
    n = len(shape)
    start, end = (int(dim) + n * (dim < 0) for dim in (node.start_dim, node.end_dim))
    if start >= n:  # written with the batch counted as a dimension
        return shape
    require(0 <= start <= end < n, f"{who} flattens dimensions {start} to {end} of a signal of shape {shape}")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _pair(who: str, what: str, value: Any) -> tuple[int, int]:
    """One whole number for both dimensions, or one for each."""
    numbers = np.asarray(value).ravel()
    good = numbers.size in (1, 2) and bool((numbers == numbers.astype(np.int64)).all())
    require(good, f"{who} has {what} {value!r}; give one whole number or two")
    return int(numbers[0]), int(numbers[-1])


def _conv1d(who: str, node: nir.Conv1d, shape: Shape) -> Transform:
    require(len(shape) == 2, f"{who} takes signals of shape (channels, n), and receives one of shape {shape}")
    one = {name: np.asarray(getattr(node, name)).ravel()[0] for name in ("stride", "dilation")}
    padding = node.padding if isinstance(node.padding, str) else (0, int(np.asarray(node.padding).ravel()[0]))
    done = _conv(
        who,
        (shape[0], 1, shape[1]),
        _numbers(node.weight)[:, :, None],
        (1, one["stride"]),
        padding,
        (1, one["dilation"]),
        node.groups,
        _numbers(node.bias),
    )
    return Transform(done.matrix, done.bias, (done.shape[0], done.shape[2]))


def _pool(who: str, node: Any, shape: Shape) -> Transform:
    require(len(shape) == 3, f"{who} takes signals of shape (channels, y, x), and receives one of shape {shape}")
    kernel = _pair(who, "kernel_size", node.kernel_size)
    value = 1.0 if isinstance(node, nir.SumPool2d) else 1.0 / math.prod(kernel)
    weight = np.full((shape[0], 1, *kernel), value)
    return _conv(who, shape, weight, node.stride, node.padding, 1, shape[0], None)


def _padding(who: str, padding: Any, stride: tuple[int, int], reach: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each dimension; `reach` is the kernel's extent less one."""
    if isinstance(padding, bytes):
        padding = padding.decode()
    if isinstance(padding, str):
        require(padding in ("same", "valid"), f"{who} has padding {padding!r}; it must be 'same', 'valid' or numbers")
        require(padding == "valid" or stride == (1, 1), f"{who} has padding 'same' with a stride; give numbers")
        return tuple((n // 2, n - n // 2) if padding == "same" else (0, 0) for n in reach)
    return tuple((n, n) for n in _pair(who, "padding", padding))


def _conv(
    who: str,
    shape: Shape,
    weight: np.ndarray,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    bias: np.ndarray | None,
) -> Transform:
    """A convolution as a sparse matrix; `weight` is (n_out, n_in / groups, y, x)."""
    fits = len(shape) == 3 and weight.ndim == 4
    require(fits, f"{who} takes signals of shape (channels, y, x), and receives one of shape {shape}")
    n_out, per_group, *kernel = weight.shape
    n_groups = int(groups)
    good = n_groups >= 1 and n_out % n_groups == 0 and per_group * n_groups == shape[0]
    require(good, f"{who} has a weight of shape {weight.shape} in {n_groups} groups, and receives shape {shape}")
    steps, apart = _pair(who, "stride", stride), _pair(who, "dilation", dilation)
    require(min(steps + apart) >= 1, f"{who} has a stride or dilation below 1")
    reach = (apart[0] * (kernel[0] - 1), apart[1] * (kernel[1] - 1))
    zeros = _padding(who, padding, steps, reach)
    out = tuple((shape[1 + k] + sum(zeros[k]) - reach[k] - 1) // steps[k] + 1 for k in (0, 1))
    require(min(out) >= 1, f"{who} has a kernel larger than its input of shape {shape}")
    total = n_out * per_group * math.prod(kernel) * math.prod(out)
    require(total <= MAX_SYNAPSES, f"{who} makes {total} synapses; at most {MAX_SYNAPSES} are possible")
    outputs = np.arange(n_out)[:, None]
    inputs = (outputs // (n_out // n_groups)) * per_group + np.arange(per_group)  # (n_out, per_group)
    rows, columns, values = [], [], []
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y = np.arange(out[0]) * steps[0] + ky * apart[0] - zeros[0][0]
            x = np.arange(out[1]) * steps[1] + kx * apart[1] - zeros[1][0]
            inside = ((y >= 0) & (y < shape[1]))[:, None] & ((x >= 0) & (x < shape[2]))
            at = np.flatnonzero(inside)
            pixel = (y[:, None] * shape[2] + x).ravel()[at]
            shape3 = (n_out, per_group, len(at))
            rows.append(np.broadcast_to(inputs[:, :, None] * (shape[1] * shape[2]) + pixel, shape3).ravel())
            columns.append(np.broadcast_to(outputs[:, :, None] * math.prod(out) + at, shape3).ravel())
            values.append(np.broadcast_to(weight[:, :, ky, kx][:, :, None], shape3).ravel())
    size = (math.prod(shape), n_out * math.prod(out))
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.coo_array(entries, shape=size).tocsr()
    if bias is not None:
        require(bias.size in (1, n_out), f"{who} has {bias.size} biases for {n_out} channels")
        bias = np.repeat(np.broadcast_to(bias.ravel(), n_out), math.prod(out))
    return Transform(matrix, bias, (n_out, *out))
