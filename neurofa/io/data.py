"""A data set in memory: training, validation and test arrays that were checked."""

from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from ..spec.errors import InputError, described, require, require_choice
from ..spec.network import TASKS

ROWS = 1024  # rows that a check or a statistic looks at together, so that no temporary array is as large as the data


def _empty() -> np.ndarray:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Training, validation and test samples, row by row.

    Arrays of the right type and layout are kept as they are, without a copy.

    Parameters
    ----------
    x_train, x_test, x_validation
        Inputs (n, features); stored as float32, C-contiguous. Images may come as (n, height, width) or
        (n, channels, height, width): they are flattened and `image_shape` is set. The validation set
        may be left out and then has 0 rows.
    y_train, y_test, y_validation
        Classification: class numbers (n,), stored as int64. Regression: (n, outputs), stored as float32.
    name
        What the data are called in messages and results.
    task
        ``classification`` or ``regression``.
    n_outputs
        Number of classes, or of outputs; 0 counts them in the training set.
    image_shape
        (channels, height, width), or () for data that are not images.
    note
        What differs from the published data set or was done to it, in words; empty if nothing.
    input_mean, input_deviation
        What a normalisation subtracted from and divided each feature by (features,); 0 long if it was not done.

    Raises
    ------
    InputError
        For NaN or infinite values (with their count), for labels outside 0..n_outputs-1 (with the first such
        label), and for arrays that do not fit each other.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    x_validation: np.ndarray = field(default_factory=_empty)
    y_validation: np.ndarray = field(default_factory=_empty)
    name: str = "data"
    task: str = "classification"
    n_outputs: int = 0
    image_shape: tuple[int, ...] = ()
    note: str = ""
    input_mean: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    input_deviation: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))

    def __post_init__(self) -> None:
        require_choice("data task", self.task, TASKS)
        whole = isinstance(self.n_outputs, Integral) and not isinstance(self.n_outputs, bool)
        require(whole, f"n_outputs of {self.name} is {described(self.n_outputs)}; give a whole number")
        require(self.n_outputs >= 0, f"n_outputs of {self.name} is {self.n_outputs}; it must not be negative")
        sides = np.atleast_1d(np.asarray(self.image_shape, object)).tolist()
        require(
            all(isinstance(side, Integral) for side in sides),
            f"image_shape of {self.name} is {described(self.image_shape)}; give (channels, height, width)",
        )
        object.__setattr__(self, "image_shape", tuple(int(side) for side in sides))
        for part in ("train", "test", "validation"):
            self._set_inputs(part)
            self._set_targets(part)
        for name in ("input_mean", "input_deviation"):
            values = np.asarray(getattr(self, name), np.float32)
            require(
                values.shape in ((0,), (self.features,)),
                f"{name} of {self.name} has shape {values.shape}; it must be ({self.features},)",
            )
            object.__setattr__(self, name, values)
        require(
            not self.image_shape or int(np.prod(self.image_shape)) == self.features,
            f"image_shape {self.image_shape} of {self.name} does not fit {self.features} features; "
            "give (channels, height, width)",
        )

    @property
    def features(self) -> int:
        """Number of input features."""
        return int(self.x_train.shape[1])

    def __repr__(self) -> str:
        parts = f"{len(self.x_train)} train, {len(self.x_validation)} validation, {len(self.x_test)} test"
        return f"Data({self.name!r}, {self.task}, {self.features} features, {self.n_outputs} outputs, {parts})"

    def _set_inputs(self, part: str) -> None:
        what = f"x_{part} of {self.name}"
        values = real_array(getattr(self, f"x_{part}"), what)
        if part == "validation" and values.size == 0:
            values = np.empty((0, self.features), np.float32)
        require(values.ndim in (2, 3, 4), f"{what} has shape {values.shape}; it must be (n, features) or images")
        if values.ndim == 4:
            require(
                not (values.shape[3] in (1, 3, 4) and values.shape[1] > 4),
                f"{what} has shape {values.shape}; give images as (n, channels, height, width)",
            )
        if values.ndim > 2:
            shape = (1, *values.shape[1:]) if values.ndim == 3 else values.shape[1:]
            require(
                self.image_shape in ((), shape),
                f"{what} holds images of shape {shape}, not {self.image_shape}; all parts must have the same shape",
            )
            object.__setattr__(self, "image_shape", tuple(shape))
            values = values.reshape(len(values), -1)
        require(
            part == "validation" or (len(values) > 0 and values.shape[1] > 0),
            f"{what} is empty (shape {values.shape}); give at least one sample",
        )
        with np.errstate(over="ignore"):  # an overflow becomes inf, which is counted below
            values = np.ascontiguousarray(values, np.float32)
        if part != "train":
            require(
                values.shape[1] == self.features,
                f"{what} has {values.shape[1]} features and x_train has {self.features}; they must be the same",
            )
        _require_finite(values, what)
        object.__setattr__(self, f"x_{part}", values)

    def _set_targets(self, part: str) -> None:
        what, rows = f"y_{part} of {self.name}", len(getattr(self, f"x_{part}"))
        values = real_array(getattr(self, f"y_{part}"), what)
        if part == "validation" and values.size == 0:
            values = np.empty(0)
            if self.task == "regression":
                values = np.empty((0, self.y_train.shape[1]))
        require(
            values.ndim >= 1 and len(values) == rows,
            f"{what} has {len(values) if values.ndim else 1} rows and x_{part} has {rows}; they must be the same",
        )
        values = self._labels(values, what) if self.task == "classification" else self._outputs(values, what)
        object.__setattr__(self, f"y_{part}", values)

    def _labels(self, values: np.ndarray, what: str) -> np.ndarray:
        require(
            values.size == len(values),
            f"{what} has shape {values.shape}; give class numbers of shape (n,) (of one-hot rows y.argmax(1)), or task "
            "'regression'",
        )
        values = values.reshape(len(values))
        if values.dtype.kind == "f":
            whole = np.isfinite(values) & (values == np.floor(values))
            if not whole.all():
                raise InputError(f"{what} has label {values[~whole][0]}; labels must be whole numbers from 0")
        labels = np.ascontiguousarray(values, np.int64)
        if self.n_outputs == 0:
            classes = int(labels.max()) + 1
            require(classes >= 2, f"{what} has no label above {classes - 1}; give at least 2 classes, numbered from 0")
            object.__setattr__(self, "n_outputs", classes)
            if labels.min() > 0:  # often those of a tool that counts from 1
                said = f"no training sample is of class 0, so that output {classes - 1} of {classes} has the last class"
                object.__setattr__(self, "note", "; ".join(filter(None, [self.note, said])))
        outside = (labels < 0) | (labels >= self.n_outputs)
        if outside.any():
            row = int(outside.argmax())
            raise InputError(
                f"{what} has label {labels[row]} (row {row}; {outside.sum()} such rows), outside "
                f"0..{self.n_outputs - 1}; number the classes from 0"
            )
        return labels

    def _outputs(self, values: np.ndarray, what: str) -> np.ndarray:
        require(values.ndim <= 2, f"{what} has shape {values.shape}; regression targets have shape (n, outputs)")
        with np.errstate(over="ignore"):
            targets = np.ascontiguousarray(values.reshape(len(values), -1) if values.size else values, np.float32)
        if self.n_outputs == 0:
            object.__setattr__(self, "n_outputs", targets.shape[1])
        require(
            targets.shape[1] == self.n_outputs,
            f"{what} has {targets.shape[1]} outputs, not {self.n_outputs}; all parts must have the same number",
        )
        _require_finite(targets, what)
        return targets


def real_array(values: object, what: str) -> np.ndarray:
    """An array of real numbers; refuses what is none, and says how to make one of it."""
    require(not hasattr(values, "tocsr"), f"{what} is a sparse matrix; give {what.split()[0]}.toarray()")
    array = as_array(values, what)
    remedy = "it must hold real numbers"
    if array.dtype.kind in "OSU":
        remedy = "give numbers; of labels in words, np.unique(labels, return_inverse=True)[1]"
    require(array.dtype.kind in "biuf", f"{what} has type {array.dtype}; {remedy}")
    return array


def as_array(values: object, what: str) -> np.ndarray:
    """An array of what was given; refuses rows of different lengths."""
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{what} has rows of different lengths; give a rectangular array") from None


def _require_finite(values: np.ndarray, what: str) -> None:
    """Refuse NaN and infinity, naming how many there are."""
    count = 0
    for start in range(0, len(values), ROWS):
        block = values[start : start + ROWS]
        count += block.size - int(np.count_nonzero(np.isfinite(block)))
    require(count == 0, f"{what} has {count} NaN or infinite values; remove or replace them")
