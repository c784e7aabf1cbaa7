"""The record of a training run: what was measured, epoch by epoch and probe by probe."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis.alignment import bin_centres
from .analysis.probes import BY_LAYER, SCALARS

if TYPE_CHECKING:
    import xarray

EPOCH = ("train_loss", "train_error", "validation_loss", "validation_error", "test_loss", "test_error")


class History:
    """Rows that grow as a run goes on, and can be saved and taken up again."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {name: [] for name in (*EPOCH, "learning_rate", "probe")}

    @property
    def epochs(self) -> int:
        """Epochs on record."""
        return len(self.rows["train_loss"])

    def reported_error(self, report_last: int, since_best: int = 0) -> float:
        """The test error that a run reports: a mean over its last epochs, over the last alone if it has fewer.

        Where `report_last` is 0 it is that of the best epoch, `since_best` epochs before the last. Not a number before
        the first epoch.
        """
        errors = self.rows["test_error"]
        if not errors:
            return float("nan")
        if not report_last:
            return float(errors[-1 - since_best])
        return float(np.mean(errors[-averaged_over(len(errors), report_last) :]))

    def add_epoch(self, rates: tuple[float, ...], **values: float) -> None:
        """Put an epoch's losses, errors and learning rates on record."""
        for name in EPOCH:
            self.rows[name].append(values[name])
        self.rows["learning_rate"].append(rates)

    def add_probe(self, updates: int, values: Mapping[str, np.ndarray]) -> None:
        """Put a probe on record, made after that many updates."""
        self.rows["probe"].append(updates)
        for name, value in values.items():
            self.rows.setdefault(name, []).append(value)

    def arrays(self, lengths: Mapping[str, int] | None = None) -> dict[str, np.ndarray]:
        """All rows as arrays, or the first so many of each name in `lengths`, for a checkpoint."""
        lengths = {name: len(rows) for name, rows in self.rows.items()} if lengths is None else lengths
        return {name: np.array(self.rows[name][:length], np.float64) for name, length in lengths.items()}

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray]) -> "History":
        """The history that `arrays` returned these of."""
        history = History()
        history.rows |= {name: list(values) for name, values in arrays.items()}
        return history

    def dataset(self, n_layers: int, attributes: Mapping[str, Any]) -> "xarray.Dataset":
        """The record as a dataset: dims ``epoch`` (from 1), ``layer``, ``probe`` (updates made), ``bin``."""
        import xarray

        arrays = self.arrays()
        variables: dict[str, Any] = {name: ("epoch", arrays[name]) for name in EPOCH}
        if np.isnan(arrays["validation_loss"]).all():
            del variables["validation_loss"], variables["validation_error"]
        variables["learning_rate"] = (("epoch", "layer"), arrays["learning_rate"].reshape(-1, n_layers))
        coords: dict[str, Any] = {
            "epoch": np.arange(1, self.epochs + 1),
            "layer": np.arange(n_layers),
            "probe": arrays["probe"].astype(np.int64),
        }
        if self.rows["probe"]:
            variables |= {name: (("probe", "layer"), arrays[name]) for name in BY_LAYER}
            variables |= {name: ("probe", arrays[name]) for name in SCALARS}
            variables["activation_histogram"] = (("probe", "layer", "bin"), arrays["activation_histogram"])
            coords["bin_centre"] = ("bin", bin_centres())
        dataset = xarray.Dataset(variables, coords, dict(attributes))
        units = {name: "degree" for name in BY_LAYER if name.endswith("_deg")} | {"probe": "updates", "epoch": "epochs"}
        for name, unit in units.items():
            if name in dataset:
                dataset[name].attrs["units"] = unit
        return dataset


def averaged_over(epochs: int, report_last: int) -> int:
    """Epochs whose mean is reported: the first epochs of a short run, in which most is learned, are not."""
    return report_last if report_last <= epochs else 1


def final_note(epochs: int, report_last: int) -> str:
    """Which epochs the reported test error is of, in words (0 to report: the best); empty if nothing was trained."""
    last = averaged_over(epochs, report_last)
    if epochs and not report_last:
        return "best epoch"
    return "" if not epochs else f"mean of last {last} epochs" if last > 1 else "last epoch"
