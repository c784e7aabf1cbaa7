"""Random circuits for the tests of simulations."""

import numpy as np
from hypothesis import strategies as st
from scipy import sparse
from spiking_problems import neurons, posts

import neurofa as nf


def weights_between(kind, n_pre, n_post, scale, rng):
    """Weights with a positive mean; of a `Sparse` several may go to one target, and some units may have none."""
    if kind == "dense":
        return scale * rng.normal(0.3, 1.0, (n_pre, n_post))
    if kind == "csr":
        return sparse.csr_array(scale * rng.normal(0.3, 1.0, (n_pre, n_post)) * (rng.random((n_pre, n_post)) < 0.5))
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 2 * n_post + 1, n_pre))])
    return nf.Sparse(indptr, rng.integers(0, n_post, indptr[-1]), scale * rng.normal(0.3, 1.0, indptr[-1]))


@st.composite
def circuits(draw):
    """Up to two external populations and four of neurons, joined at random, recurrent connections among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    populations = [nf.Population(f"in{k}", draw(st.integers(1, 5))) for k in range(draw(st.integers(1, 2)))]
    for k in range(draw(st.integers(1, 4))):
        size = draw(st.integers(1, 5))
        v_init = draw(st.sampled_from(["none", "one", "each"]))
        populations.append(
            nf.Population(
                f"n{k}",
                size,
                draw(neurons),
                post=draw(posts),
                drive=draw(st.sampled_from([0.0, 0.0, 0.0, 0.0371, -0.0512, rng.normal(0, 0.05, size)])),
                v_init={"none": None, "one": rng.normal(0, 0.4), "each": rng.normal(0, 0.4, size)}[v_init],
            )
        )
    inner = [p for p in populations if p.neuron is not None]
    connections = []
    for k in range(draw(st.integers(1, 6))):
        # the first is from outside, so that something happens
        pre = draw(st.sampled_from(populations if k else [p for p in populations if p.neuron is None]))
        post = draw(st.sampled_from(inner))
        kind, scale = draw(st.sampled_from(["dense", "csr", "repeated"])), draw(st.sampled_from([0.4, 1.0]))
        connections.append(
            nf.Connection(
                pre.name,
                post.name,
                weights_between(kind, pre.size, post.size, scale, rng),
                delay_ms=draw(st.sampled_from([1, 1, 2, 3, 10, 255])) * 0.5,
                learning_rate=draw(st.sampled_from([None, 0.013, 0.11])),
                name=f"c{k}",
            )
        )
    return nf.Circuit(tuple(populations), tuple(connections), dt_ms=0.5), rng


def bursts(circuit, n_ticks, rng):
    """Events that come in bursts with long silences between them, so that populations fall asleep and wake."""
    busy = np.zeros(n_ticks, bool)
    for start in rng.integers(0, n_ticks, 4):
        busy[start : start + rng.integers(1, 25)] = True
    events = {}
    for p in circuit.populations:
        if p.neuron is None:
            ticks, units = np.nonzero(busy[:, None] & (rng.random((n_ticks, p.size)) < 0.4))
            shuffled = rng.permutation(len(ticks))  # events come in any order
            events[p.name] = ticks[shuffled], units[shuffled]
    return events


def piece_of(events, start, stop):
    """The events from tick `start` to before tick `stop`, counted from `start`."""
    inside = {name: (ticks >= start) & (ticks < stop) for name, (ticks, _) in events.items()}
    return {name: (ticks[inside[name]] - start, units[inside[name]]) for name, (ticks, units) in events.items()}


def pairs(recording, name, start=0):
    """Spikes as sorted pairs of tick and unit."""
    ticks, units = recording.spikes[name]
    return sorted(zip((ticks + start).tolist(), units.tolist(), strict=True))
