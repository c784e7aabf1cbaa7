"""What is recorded while a circuit or a network runs, and the memory that it may take."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .engines.circuits import Circuit
from .engines.layout import Built
from .kernels import circuit as columns
from .kernels.circuit import Cells
from .kernels.neurons import wake
from .kernels.plasticity import Synapses
from .recording import VARIABLES, Trace, chosen_units
from .spec.errors import require, require_choice, require_kind
from .spec.ticks import nearest_ticks

MAX_BYTES = 2**30
MAX_EVENTS = 10_000_000
FOLLOWED = ("v", "current", "threshold_increment", "drive", "post", "clock")  # what `wake` changes


@dataclass(frozen=True)
class Record:
    """Something to record, at the end of a tick (of a membrane: after its reset).

    Parameters
    ----------
    variable
        Of a population: ``spikes``, ``v`` (membrane), ``threshold``, ``current`` (synaptic: 0 in models without one),
        ``drive`` (low-passed) or ``modulator``; of a connection: ``weights``.
    of
        Name of the population or connection.
    units
        Which ones (None: all); of ``weights``, positions in the flattened matrix.
    every_ms
        Interval (None: every tick). Modulators without memory last one tick and are missed by a longer one.
    """

    variable: str
    of: str
    units: Sequence[int] | None = None
    every_ms: float | None = None

    def __post_init__(self) -> None:
        require_choice("record variable", self.variable, ("spikes", *VARIABLES))
        require(
            self.every_ms is None or 0 < self.every_ms < math.inf,
            f"record every_ms is {self.every_ms}; it must be positive and finite, or None",
        )


def as_records(records: Record | Sequence[Record]) -> list[Record]:
    """One record or several as a list; refuses what is none."""
    listed = [records] if isinstance(records, Record | str) or not isinstance(records, Iterable) else list(records)
    for record in listed:
        require_kind("a record", record, Record, hint="nf.Record(VARIABLE, OF), such as nf.Record('v', 'layers.0')")
    return listed


class Recorder:
    """Traces of a run of `n_ticks` ticks, and which units' spikes are wanted; the spikes are noted elsewhere.

    Raises
    ------
    InputError
        If a record names what is not there or the same as another, or the traces would take more than `MAX_BYTES`.
    """

    def __init__(self, circuit: Circuit, built: Built, records: Record | Sequence[Record], n_ticks: int) -> None:
        records = as_records(records)
        self.circuit, self.built, self.taken = circuit, built, []
        self.spikes: dict[str, np.ndarray] = {}  # units by population
        total = 0
        seen = [(record.variable, record.of) for record in records]
        double = sorted({f"{variable} of {name!r}" for variable, name in seen if seen.count((variable, name)) > 1})
        require(not double, f"{', '.join(double)} is to be recorded twice; give one record with all units")
        for record in records:
            names = [c.name for c in circuit.connections] if record.variable == "weights" else circuit.names
            what = "connection" if record.variable == "weights" else "population"
            require_choice(f"recorded {what}", record.of, names)
            index = names.index(record.of)
            size = int(np.diff(built.spans[index])[0]) if what == "connection" else circuit.populations[index].size
            units = np.arange(size) if record.units is None else chosen_units(record.units, record.of, size)
            if record.variable == "spikes":
                require(record.every_ms is None, f"spikes of {record.of!r} have no interval; leave every_ms out")
                self.spikes[record.of] = units
                continue
            if what == "population":
                external = circuit.populations[index].neuron is None
                require(not external, f"{record.of!r} is external and has spikes alone, no {record.variable!r}")
                followed = built.tables.populations[index, columns.POST] == columns.CURRENT
                require(
                    record.variable != "drive" or bool(followed),
                    f"the low-passed drive of {record.of!r} is followed only where plastic synapses end on it and its "
                    "post factor is 'current_window'",
                )
            every = 1 if record.every_ms is None else max(1, nearest_ticks(record.every_ms, circuit.dt_ms))
            rows = -(-n_ticks // every)
            total += rows * len(units) * built.resting.itemsize
            require(
                total <= MAX_BYTES,
                f"recording {record.variable} of {record.of!r} takes more than {MAX_BYTES / 2**30:g} GiB; "
                "give fewer units, a longer every_ms, or run in pieces",
            )
            self.taken.append((record, index, units, every, np.zeros((rows, len(units)), built.resting.dtype)))
        self.every = math.gcd(*(taken[3] for taken in self.taken)) if self.taken else 0

    def chosen(self, name: str, ticks: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of a population's spikes those of the units that were asked for."""
        if len(self.spikes[name]) == self.circuit.population(name).size:
            return ticks, units
        mine = np.isin(units, self.spikes[name])
        return ticks[mine], units[mine]

    def take(self, cells: Cells, synapses: Synapses, k: int, tick: int) -> None:
        """Record what is due at the end of tick `k` of the run."""
        for record, index, units, every, values in self.taken:
            if k % every == 0:
                values[k // every] = self.read(record, index, units, cells, synapses, tick)

    def read(
        self, record: Record, index: int, units: np.ndarray, cells: Cells, synapses: Synapses, tick: int
    ) -> np.ndarray:
        """The present values of a record."""
        if record.variable == "weights":
            return synapses.weights[self.built.spans[index, 0] + units]
        at = self.built.first[record.of] + units
        if record.variable == "modulator":
            return synapses.modulator[at]
        seen = cells
        if cells.clock[index, columns.ASLEEP]:  # it is brought up to date on a copy: recording changes nothing
            state = {name: getattr(cells, name).copy() for name in FOLLOWED}
            seen = cells._replace(**state)
            wake(self.built.tables, seen, index, tick, False)
        if record.variable == "threshold":
            return self.built.tables.reals[index, columns.THRESHOLD] + seen.threshold_increment[at]
        return {"v": seen.v, "current": seen.current, "drive": seen.drive}[record.variable][at]

    def traces(self) -> dict[tuple[str, str], Trace]:
        """What was recorded."""
        return {
            (record.variable, record.of): Trace(every * np.arange(len(values)), units, values)
            for record, _, units, every, values in self.taken
        }
