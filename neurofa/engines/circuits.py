"""Circuits: populations of spiking neurons joined by projections, and when two of them are equal."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..rules import Integers
from ..spec import Neuron, PostFactor
from ..spec.errors import require, require_kind, require_number
from ..spec.spiking import MAX_DELAY_TICKS, MAX_TICKS
from ..spec.ticks import nearest_ticks


def same(one: Any, other: Any) -> bool:
    """Whether two descriptions are equal, with equal arrays in them; sparse matrices by their synapses in order."""
    if hasattr(one, "tocsr") != hasattr(other, "tocsr"):
        return False
    if hasattr(one, "tocsr"):
        one, other = ((m.shape, m.indptr, m.indices, m.data) for m in (one.tocsr(), other.tocsr()))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.shape(one) == np.shape(other) and bool(np.all(one == other))
    return bool(one == other)


def same_fields(one: Any, other: Any) -> bool:
    """Whether two dataclasses are of one kind and have the same in all fields."""
    if type(one) is not type(other):
        return False
    return all(same(getattr(one, part.name), getattr(other, part.name)) for part in fields(one))


class Sparse(NamedTuple):
    """Synapses by presynaptic unit (CSR); several of a unit may have one target.

    A `Simulation` or a NIR file checks them, and raises `InputError` where they do not fit.

    Parameters
    ----------
    indptr
        (n_pre + 1,) integers from 0, not descending: synapses of unit i are ``indptr[i]`` to before ``indptr[i + 1]``.
    indices
        (n_synapses,) integers: the postsynaptic unit of each synapse.
    weights
        (n_synapses,) weight of each synapse, in the unit of the membrane.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Population:
    """A row of equal neurons, or an external population whose events are given.

    Parameters
    ----------
    name, size
        What it is called, and how many neurons it has.
    neuron
        The model; None for an external population.
    post
        Post factor of its plastic synapses.
    drive
        Added to the input in every tick: one value, or one for each neuron. In a ``lif`` neuron, what the equation
        tau_m dv/dt = v_leak - v + r I has as a constant current I is a `drive` of I (1 - exp(-dt / tau_m)). In
        ``cuba_lif`` it enters the synaptic current (docs/usage.md has the factor).
    v_init
        Initial membrane: one value, or one for each neuron; `v_leak` if None.
    integers
        Integer state, as docs/hardware.md has it; None: real numbers.
    """

    name: str
    size: int
    neuron: Neuron | None = None
    post: PostFactor = field(default_factory=PostFactor)
    drive: float | np.ndarray = 0.0
    v_init: float | np.ndarray | None = None
    integers: Integers | None = None

    def __post_init__(self) -> None:
        require_kind(f"population {self.name!r} neuron", self.neuron, Neuron, optional=True)
        require_kind(f"population {self.name!r} post", self.post, PostFactor)
        require_kind("population name", self.name, str)
        require(
            isinstance(self.size, Integral) and self.size >= 1,
            f"population {self.name!r} has size {self.size!r}; it must be a whole number of at least 1",
        )
        for what, value in (("drive", self.drive), ("v_init", 0.0 if self.v_init is None else self.v_init)):
            given = np.asarray(value)
            numbers = given.dtype.kind in "iuf" and given.shape in ((), (self.size,))
            require(
                numbers and bool(np.isfinite(given).all()),
                f"population {self.name!r}: {what} must be a finite number, or one for each of its {self.size} neurons",
            )
        idle = self.neuron is None and (np.any(self.drive) or self.v_init is not None)
        require(
            not idle,
            f"population {self.name!r} is external: drive and v_init have no effect; leave them out, or give a neuron",
        )

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)


@dataclass(frozen=True, eq=False)
class Connection:
    """A projection from one population to another, or to itself.

    Parameters
    ----------
    pre, post
        Names of populations.
    weights
        (n_pre, n_post) for all-to-all; a `Sparse`, or any matrix of scipy.sparse, otherwise.
    delay_ms
        The nearest whole number of ticks, 1 to 255; None for one tick.
    learning_rate
        Of plastic synapses, which change at presynaptic spikes by -learning_rate * post factor * modulator; None:
        static, and never written to.
    name
        ``pre->post`` unless given.
    sends_all
        Whether every spike passes every synapse, whatever the circuit's transmission is.
    """

    pre: str
    post: str
    weights: Any
    delay_ms: float | None = None
    learning_rate: float | None = None
    name: str = ""
    sends_all: bool = False

    def __post_init__(self) -> None:
        for end in ("pre", "post"):
            require_kind(f"connection {end}", getattr(self, end), str, hint="the name of a population")
        object.__setattr__(self, "name", self.name or f"{self.pre}->{self.post}")
        rate, delay_ms = self.learning_rate, self.delay_ms
        for what, value in (("learning_rate", rate), ("delay_ms", delay_ms)):
            require_number(f"connection {self.name!r} {what}", value, optional=True)
        require(
            delay_ms is None or 0 < delay_ms < math.inf,
            f"connection {self.name!r} has delay_ms {delay_ms}; it must be positive and finite, or None for a tick",
        )
        require(
            rate is None or 0 < rate < math.inf,
            f"connection {self.name!r} has learning_rate {rate}; it must be positive and finite, or None for static",
        )

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)


@dataclass(frozen=True, eq=False)
class Circuit:
    """Populations and their connections.

    Parameters
    ----------
    populations, connections
        Names must be unique.
    dt_ms
        Length of a tick.
    transmission
        Probability that a synapse passes a spike on.
    """

    populations: tuple[Population, ...]
    connections: tuple[Connection, ...] = ()
    dt_ms: float = 1.0
    transmission: float = 1.0

    def __post_init__(self) -> None:
        for name, kind in (("populations", Population), ("connections", Connection)):
            given = getattr(self, name)
            listed = [given] if isinstance(given, kind) else list(given) if isinstance(given, Iterable) else [given]
            for one in listed:
                require_kind(f"one of the circuit's {name}", one, kind)
            object.__setattr__(self, name, tuple(listed))
        require_number("circuit dt_ms", self.dt_ms)
        require_number("circuit transmission", self.transmission)
        require(0 < self.dt_ms < math.inf, f"circuit dt_ms is {self.dt_ms}; it must be positive and finite")
        require(0 < self.transmission <= 1, f"circuit transmission is {self.transmission}; it must be in (0, 1]")
        require(len(self.populations) > 0, "a circuit needs at least one population")
        for population in self.populations:
            refractory_ms = population.neuron.refractory_ms if population.neuron else 0.0
            require(
                refractory_ms / self.dt_ms <= MAX_TICKS,
                f"population {population.name!r} is refractory for more than {MAX_TICKS} ticks; shorten refractory_ms",
            )
        for what, names in (("population", self.names), ("connection", [c.name for c in self.connections])):
            double = sorted({name for name in names if list(names).count(name) > 1})
            require(not double, f"two {what}s of the circuit are called {', '.join(double)}; rename one")
        for connection in self.connections:
            for name in (connection.pre, connection.post):
                require(
                    name in self.names,
                    f"connection {connection.name!r}: no population {name!r}; the circuit has {', '.join(self.names)}",
                )
            external = self.population(connection.post).neuron is None
            require(not external, f"connection {connection.name!r} ends on {connection.post!r}, which is external")
            ticks = self.delay_ticks(connection)
            require(
                1 <= ticks <= MAX_DELAY_TICKS,
                f"connection {connection.name!r} has a delay of {ticks} ticks of {self.dt_ms:g} ms; it must be 1 to "
                f"{MAX_DELAY_TICKS}, so change delay_ms or dt_ms",
            )

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    @property
    def names(self) -> list[str]:
        """Names of the populations."""
        return [population.name for population in self.populations]

    def population(self, name: str) -> Population:
        """The population of that name.

        Parameters
        ----------
        name
            One of `names`.

        Raises
        ------
        ValueError
            If there is none.
        """
        return self.populations[self.names.index(name)]

    def delay_ticks(self, connection: Connection) -> int:
        """A connection's delay, the nearest whole number of ticks.

        Parameters
        ----------
        connection
            Without a delay of its own: one tick.
        """
        return 1 if connection.delay_ms is None else nearest_ticks(connection.delay_ms, self.dt_ms)
