"""Circuits of spiking neurons, run for as long as one likes: the library behind the learning networks."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from .engines.circuits import Circuit, Connection, Population, Sparse
from .engines.layout import as_sparse, build, joined
from .engines.states import new_cells, new_draw, new_synapses
from .kernels.simulating import Currents, Events, Log, advance, offsets
from .kernels.storing import begin_draws
from .recorder import MAX_BYTES, MAX_EVENTS, Record, Recorder
from .recording import Recording
from .spec.errors import InputError, first_line, require, require_choice, require_kind, require_number
from .spec.seeds import streams
from .spec.ticks import nearest_ticks
from .spec.training import PRECISIONS
from .stimuli import Values, over_time

__all__ = ["Circuit", "Connection", "Population", "Record", "Simulation", "Sparse"]

MOST_TICKS = 10**8  # of one run: an index of events has an entry for each


class Views(dict[str, np.ndarray]):
    """Arrays by name that a simulation works on: assigning to a name writes into its array."""

    def __setitem__(self, name: str, values: object) -> None:
        require_choice("name", name, self)
        try:
            self[name][...] = values
        except (ValueError, TypeError) as error:
            raise InputError(f"{name!r}, of shape {self[name].shape}, cannot be set: {first_line(error)}") from None


class Simulation:
    """A circuit with its state.

    Parameters
    ----------
    circuit
        Populations and connections.
    precision
        ``float32`` or ``float64``.
    seed
        Of the transmission of spikes, where the circuit's is below 1.

    Attributes
    ----------
    weights
        By connection: a view of its weights, a matrix if it is all-to-all, else one value for each synapse;
        read-only if nothing in the circuit is plastic (a lone connection's weights are then the array that was given).
    modulators
        By population: the third factor of its plastic synapses, (size,), which stays what it is set to, as by
        ``simulation.modulators["cells"] = 1.0``.
    spike_counts
        By population: spikes of each neuron so far.

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> cell = nf.Population("cell", 1, nf.Neuron("lif", tau_m_ms=10.0))
    >>> circuit = nf.Circuit((nf.Population("in", 1), cell), (nf.Connection("in", "cell", np.array([[0.6]])),))
    >>> simulation = nf.Simulation(circuit)
    >>> recording = simulation.run(20.0, {"in": ([3, 4], [0, 0])}, record=(nf.Record("spikes", "cell"),))
    >>> recording.spikes["cell"][0].tolist()
    [4]
    """

    def __init__(self, circuit: Circuit, precision: str = "float32", seed: int = 0) -> None:
        require_kind("circuit", circuit, Circuit)
        require_choice("precision", precision, PRECISIONS)
        self.circuit, self.built = circuit, build(circuit, np.dtype(precision))
        draw = None
        if circuit.transmission < 1:
            draw = new_draw(int(streams(seed).rounding.integers(2**63)))
            begin_draws(draw, 0)
        self.cells, self.tick = new_cells(self.built, draw), 0
        rates = [connection.learning_rate or 0.0 for connection in circuit.connections]
        self.synapses = new_synapses(self.built, self.built.weights, rate=np.array(rates, precision))
        self.learning = any(connection.learning_rate is not None for connection in circuit.connections)
        weights = {}
        for connection, (lo, hi) in zip(circuit.connections, self.built.spans, strict=True):
            mine, given = self.built.weights[lo:hi], connection.weights
            by_synapse = hasattr(given, "tocsr") or isinstance(given, Sparse)
            weights[connection.name] = mine if by_synapse else mine.reshape(self._shape(connection))
            weights[connection.name].flags.writeable &= self.learning
        self.weights = Views(weights)
        self.modulators = self._by_population(self.synapses.modulator)
        self.spike_counts = self._by_population(self.cells.emitted)

    def __repr__(self) -> str:
        parts = [f"{p.name} {p.size}" for p in self.circuit.populations]
        return f"Simulation({', '.join(parts)}; {len(self.circuit.connections)} connections, at tick {self.tick})"

    def _shape(self, connection: Connection) -> tuple[int, int]:
        return self.circuit.population(connection.pre).size, self.circuit.population(connection.post).size

    def _by_population(self, values: np.ndarray) -> Views:
        return Views({p.name: values[self.built.first[p.name] :][: p.size] for p in self.circuit.populations})

    def matrix(self, connection: str) -> Any:
        """The present weights of a connection, as a copy.

        Parameters
        ----------
        connection
            Its name.

        Returns
        -------
        numpy.ndarray or scipy.sparse.csr_array
            (n_pre, n_post); sparse if the connection is, where weights of one pair of neurons are added.

        Raises
        ------
        InputError
            If there is no such connection.
        """
        require_choice("connection", connection, self.weights)
        weights, own = self.weights[connection], next(c for c in self.circuit.connections if c.name == connection)
        parts = as_sparse(own, self._shape(own))
        if parts is None:
            return weights.copy()
        matrix = sparse.csr_array((weights.copy(), parts.indices.copy(), parts.indptr.copy()), self._shape(own))
        matrix.sum_duplicates()
        return matrix

    @property
    def synops(self) -> dict[str, int]:
        """Synaptic operations so far, by kind."""
        forward, feedback, update = (int(n) for n in self.cells.operations)
        return {"forward": forward, "feedback": feedback, "update": update}

    def run(
        self,
        duration_ms: float,
        events: Mapping[str, tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]] | None = None,
        record: Record | Sequence[Record] = (),
        *,
        currents: Mapping[str, Values] | None = None,
    ) -> Recording:
        """Go on for a while.

        Parameters
        ----------
        duration_ms
            The nearest whole number of ticks.
        events
            For external populations: ticks (counted from the start of this run) and units.
        record
            What to record: one or several.
        currents
            For populations of neurons: what is added to their inputs in each tick, as `Population.drive` is, and in its
            unit (of the input, a tick), which is not that of I in a differential equation. One number, (size,) for
            each neuron, (ticks, 1) over time, or (ticks, size).

        Returns
        -------
        Recording

        Raises
        ------
        InputError
            For events outside of the run or the population, for currents of another shape or that are not finite, and
            for records that name what is not there or take too much memory.
        """
        require_number("duration_ms", duration_ms)
        require(0 <= duration_ms < np.inf, f"duration_ms is {duration_ms}; it must be finite and not negative")
        asked = duration_ms / self.circuit.dt_ms
        require(
            asked <= MOST_TICKS, f"duration_ms {duration_ms:g} is {asked:.3g} ticks; run in pieces of {MOST_TICKS:,}"
        )
        n_ticks = nearest_ticks(duration_ms, self.circuit.dt_ms)
        tick = f"a tick of {self.circuit.dt_ms:g} ms"
        require(n_ticks > 0 or duration_ms == 0, f"duration_ms {duration_ms:g} is less than half of {tick}; run longer")
        recorder = Recorder(self.circuit, self.built, record, n_ticks)
        require_kind("events", events, Mapping, optional=True, hint="(ticks, units) by population")
        require_kind("currents", currents, Mapping, optional=True, hint="an array by population")
        given, log = self._events(events or {}, n_ticks), self._log(recorder)
        injected = self._currents(currents or {}, n_ticks)
        reserve = sum(p.size for p, wanted in zip(self.circuit.populations, log.wanted, strict=True) if wanted)
        ticks, units, k, total = [], [], 0, 0
        try:
            while k < n_ticks:
                every = recorder.every
                stop = min(n_ticks, -(-k // every) * every + 1) if every else n_ticks  # the next tick that is recorded
                reached = advance(
                    self.built.tables,
                    self.cells,
                    self.synapses,
                    given,
                    injected,
                    log,
                    self.learning,
                    k,
                    stop,
                    self.tick,
                    reserve,
                )
                if reached > k and every and (reached - 1) % every == 0:
                    recorder.take(self.cells, self.synapses, reached - 1, self.tick + reached - 1)
                if reached < stop or reached == n_ticks:
                    n = int(log.filled[0])
                    ticks.append(log.tick[:n].copy())
                    units.append(log.unit[:n].astype(np.int64))
                    log.filled[0], total = 0, total + n
                    if total > MAX_EVENTS:
                        remedy = "record fewer populations, or run in pieces"
                        raise InputError(f"more than {MAX_EVENTS:,} spikes by tick {reached}; {remedy}")
                k = reached
        finally:  # where it was interrupted, the state is that after the ticks it made
            self.tick += int(log.reached[0])
        return self._recording(n_ticks, log, ticks, units, recorder)

    def _events(self, events: Mapping[str, tuple], n_ticks: int) -> Events:
        """Events of all external populations, by tick."""
        ticks, units, places = [], [], []
        for name, pair in events.items():
            external = [p.name for p in self.circuit.populations if p.neuron is None]
            require_choice("population with events", name, external)
            two_rows = f"events of {name!r} must be two rows of whole numbers of one length: ticks and units"
            require(isinstance(pair, tuple | list | np.ndarray) and len(pair) == 2, two_rows)
            require(not any(isinstance(part, Integral) for part in pair), two_rows)
            when, which = pair
            when, which = (np.asarray(part, None if len(part) else np.int64) for part in (when, which))
            size, index = self.circuit.population(name).size, self.circuit.names.index(name)
            require(
                when.shape == which.shape and when.ndim == 1 and when.dtype.kind in "iu" and which.dtype.kind in "iu",
                two_rows,
            )
            inside = not when.size or (
                when.min() >= 0 and when.max() < n_ticks and which.min() >= 0 and which.max() < size
            )
            require(bool(inside), f"events of {name!r} must be in ticks 0 to {n_ticks - 1} and units 0 to {size - 1}")
            ticks.append(np.ascontiguousarray(when, np.int64))
            units.append(np.ascontiguousarray(which, np.int32))
            places.append(np.full(len(when), index, np.int32))
        when, which, place = joined(ticks, np.int64), joined(units, np.int32), joined(places, np.int32)
        ptr = np.empty(n_ticks + 1, np.int64)
        if not offsets(when, place, which, ptr):
            order = np.lexsort((which, place, when))
            when, which, place = when[order], which[order], place[order]
            require(offsets(when, place, which, ptr), "two events of one unit fall into one tick; give each once")
        return Events(ptr, place, which)

    def _currents(self, currents: Mapping[str, Values], n_ticks: int) -> Currents:
        """Currents of all populations that receive one, side by side."""
        parts, units = [], []
        for name, current in currents.items():
            require_choice("population with a current", name, [p.name for p in self.circuit.populations if p.neuron])
            size = self.circuit.population(name).size
            parts.append(over_time(f"current of {name!r}", current, n_ticks, size))
            units.append(self.built.first[name] + np.arange(size))
        rows = 0 if not parts else 1 if all(len(part) == 1 for part in parts) else n_ticks
        size = rows * sum(part.shape[1] for part in parts) * self.built.resting.itemsize
        require(size <= MAX_BYTES, f"currents take more than {MAX_BYTES / 2**30:g} GiB; run in pieces")
        whole = [np.zeros((rows, 0)), *(np.broadcast_to(part, (rows, part.shape[1])) for part in parts)]
        places = np.array([self.circuit.names.index(name) for name in currents], np.int64)
        values = np.concatenate(whole, axis=1, dtype=self.built.resting.dtype, casting="same_kind")
        return Currents(values, joined(units, np.int64), places)

    def _log(self, recorder: Recorder) -> Log:
        wanted = np.array([name in recorder.spikes for name in self.circuit.names])
        room = sum(p.size for p, is_wanted in zip(self.circuit.populations, wanted, strict=True) if is_wanted)
        room = max(2 * room, 1_000_000) if room else 0
        return Log(wanted, np.zeros(room, np.int64), np.zeros(room, np.int32), *np.zeros((2, 1), np.int64))

    def _recording(
        self, n_ticks: int, log: Log, ticks: list[np.ndarray], units: list[np.ndarray], recorder: Recorder
    ) -> Recording:
        when = np.concatenate([*ticks, np.zeros(0, np.int64)])
        which = np.concatenate([*units, np.zeros(0, np.int64)])
        spikes = {}
        for population, wanted in zip(self.circuit.populations, log.wanted, strict=True):
            if wanted:
                first = self.built.first[population.name]
                mine = (which >= first) & (which < first + population.size)
                spikes[population.name] = recorder.chosen(population.name, when[mine], which[mine] - first)
        none = np.zeros(0, np.int64)
        sizes = {p.name: p.size for p in self.circuit.populations}
        return Recording(self.circuit.dt_ms, n_ticks, spikes, {}, recorder.traces(), none, none, sizes)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the simulation needs to go on from here, as copies; weights if there are plastic ones."""
        arrays = {f"cells.{name}": np.array(value) for name, value in self.cells._asdict().items()}
        for name in ("weights", "modulator") if self.learning else ():
            arrays[f"synapses.{name}"] = np.array(getattr(self.synapses, name))
        tables = self.built.tables  # whose units and connections the arrays are of
        parts = {
            "populations": tables.populations,
            "projections": tables.projections,
            "reals": tables.reals,
            "constant": tables.constant,
        }
        arrays |= {f"circuit.{name}": table.copy() for name, table in parts.items()}
        return arrays | {"tick": np.array(self.tick)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a saved state.

        Parameters
        ----------
        state
            What `state` gave, of the same circuit and precision.

        Raises
        ------
        InputError
            If an array is missing or has another shape.
        """
        for key, value in self.state().items():
            fits = key in state and state[key].shape == value.shape and state[key].dtype == value.dtype
            same = fits and (not key.startswith("circuit.") or np.array_equal(state[key], value))
            require(same, f"{key!r} is missing from the state, or is of another circuit or precision")
        for part, name in (key.split(".") for key in self.state() if key.startswith(("cells.", "synapses."))):
            getattr(self.cells if part == "cells" else self.synapses, name)[...] = state[f"{part}.{name}"]
        self.tick = int(state["tick"])
