"""Graphs of other simulators run as NIR's equations say."""

from dataclasses import replace

import nir
import numpy as np
import pytest
from naive_nir import convolved, spike_table
from naive_nir import run as run_naively

import neurofa as nf
from neurofa.exchange import from_nir, import_nir

N_TICKS = 60


def neurons(kind, n, rng, varied=False):
    """A node with ordinary parameters; `varied` gives two kinds of neurons."""

    def row(value, other):
        return np.where(np.arange(n) % 2, other, value).astype(float) if varied else np.full(n, float(value))

    leak, spikes = {"v_leak": row(0.1, -0.05)}, {"v_threshold": row(1.0, 0.8), "v_reset": row(-0.1, 0.2)}
    tau_mem, tau_syn = row(0.02, 0.012), row(0.005, 0.003)
    r = rng.uniform(0.5, 1.5, n) if varied else row(1.0, 1.0)
    return {
        "IF": lambda: nir.IF(r=800 * r, **spikes),
        "I": lambda: nir.I(r=800 * r),
        "LIF": lambda: nir.LIF(tau=tau_mem, r=25 * r, **leak, **spikes),
        "LI": lambda: nir.LI(tau=tau_mem, r=25 * r, **leak),
        "CubaLIF": lambda: nir.CubaLIF(tau_syn, tau_mem, 25 * r, **leak, **spikes, w_in=row(3.0, 4.0)),
        "CubaLI": lambda: nir.CubaLI(tau_syn, tau_mem, 25 * r, **leak, w_in=row(3.0, 4.0)),
        "Threshold": lambda: nir.Threshold(row(0.4, 0.1)),
    }[kind]()


def check(graph, dt_ms=1.0, method="exact", reset=None, seed=0, rate=0.3, tolerance=1e-9, expect_spikes=True):
    """Every node's spikes and membranes are those of the slow simulator, `lags` ticks later."""
    rng = np.random.default_rng(seed)
    given = {
        name: spike_table(rng, N_TICKS, np.prod(node.input_type["input"]), rate) for name, node in graph.inputs.items()
    }
    shaped = {
        name: table.reshape(N_TICKS, *graph.nodes[name].input_type["input"]) for name, (table, _) in given.items()
    }
    out, membranes = run_naively(graph, shaped, dt_ms / 1000, method, reset or "zero")
    imported = import_nir(graph, dt_ms, method=method, reset=reset)
    simulation = nf.Simulation(imported.circuit, "float64")
    own = [p.name for p in imported.circuit.populations if p.neuron is not None]
    most = max(imported.lags.values())
    recording = simulation.run(
        (N_TICKS + most) * dt_ms,
        {name: events for name, (_, events) in given.items()},
        [nf.Record(variable, name) for variable in ("spikes", "v") for name in own],
    )
    spiked = 0
    for node, places in imported.nodes.items():
        for population, units in places:
            if population not in own:
                continue
            lag = imported.lags[population]
            spikes = np.zeros((N_TICKS + most, len(units)))
            spikes[recording.spikes[population]] = 1
            v = recording.traces["v", population].values
            if type(graph.nodes[node]).__name__ in ("IF", "LIF", "CubaLIF", "Threshold"):
                np.testing.assert_array_equal(spikes[lag : lag + N_TICKS], out[node][:, units], err_msg=node)
                spiked += spikes.sum()
            else:
                assert spikes.sum() == 0
                np.testing.assert_allclose(v[lag : lag + N_TICKS], out[node][:, units], atol=tolerance, err_msg=node)
            if type(graph.nodes[node]).__name__ in ("IF", "LIF", "CubaLIF", "LI", "CubaLI", "I"):
                np.testing.assert_allclose(
                    v[lag : lag + N_TICKS], membranes[node][:, units], atol=tolerance, err_msg=node
                )
    assert not expect_spikes or spiked > 10
    return imported


@pytest.mark.parametrize("varied", [False, True])
@pytest.mark.parametrize("method", ["exact", "euler"])
@pytest.mark.parametrize("kind", ["IF", "LIF", "CubaLIF", "LI", "CubaLI", "I", "Threshold"])
def test_each_neuron_follows_its_equation(kind, method, varied):
    rng = np.random.default_rng(1)
    graph = nir.NIRGraph.from_list(
        nir.Input([5]), nir.Linear(rng.normal(0.1, 0.4, (6, 5))), neurons(kind, 6, rng, varied), nir.Output([6])
    )
    spikes = kind in ("IF", "LIF", "CubaLIF", "Threshold")
    imported = check(graph, method=method, expect_spikes=spikes, tolerance=1e-7 if kind.startswith("Cuba") else 1e-9)
    assert imported.outputs == {"output": kind.lower()}
    assert set(imported.lags.values()) == {0}
    # the two kinds of I and Threshold neurons differ in r, which scales weights, and in the threshold
    assert len(imported.nodes[kind.lower()]) == (2 if varied and kind != "I" else 1)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_the_reset_is_chosen_by_metadata_and_by_argument(reset):
    rng = np.random.default_rng(2)
    cells = neurons("IF", 3, rng)
    graph = nir.NIRGraph.from_list(nir.Input([4]), nir.Linear(rng.normal(0.3, 0.3, (3, 4))), cells, nir.Output([3]))
    check(graph, reset=reset)
    cells.metadata["reset"] = reset
    assert from_nir(graph).population("if").neuron.reset == reset
    assert from_nir(graph, reset="zero").population("if").neuron.reset == "zero"


def test_a_membrane_at_the_threshold_does_not_spike():
    graph = nir.NIRGraph.from_list(
        nir.Input([1]),
        nir.Linear(np.ones((1, 1))),
        nir.IF(r=np.array([1000.0]), v_threshold=np.ones(1)),
        nir.Output([1]),
    )
    for precision in ("float32", "float64"):
        recording = nf.Simulation(from_nir(graph), precision).run(
            6.0, {"input": ([0, 1, 2, 3], [0, 0, 0, 0])}, [nf.Record("spikes", "if")]
        )
        assert recording.spikes["if"][0].tolist() == [1, 3]


def chain(*kinds, bias, rng):
    """Layers of 6 neurons with an affine or linear node before each."""
    nodes = [nir.Input([5])]
    for kind in kinds:
        weight = rng.normal(0.15, 0.5, (6, 5 if len(nodes) == 1 else 6))
        nodes.append(nir.Affine(weight, rng.normal(0.05, 0.1, 6)) if bias else nir.Linear(weight))
        nodes.append(neurons(kind, 6, rng))
    return nir.NIRGraph.from_list(*nodes, nir.Output([6]))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kinds", [("LIF", "IF", "LI"), ("CubaLIF", "LIF", "CubaLI")])
def test_layers_lag_by_one_tick_each_and_biases_are_in_step(kinds, bias):
    imported = check(chain(*kinds, bias=bias, rng=np.random.default_rng(3)), tolerance=1e-6)
    names = [name for name in imported.nodes if name != "input"]
    assert [imported.lags[name] for name in names] == [0, 1, 2]
    assert ("bias" in imported.circuit.names) == bias  # of the layers that lag


@pytest.mark.parametrize("bias", [np.full(6, 0.05), np.linspace(-0.1, 0.2, 6)], ids=["equal", "by neuron"])
def test_a_bias_is_a_drive_and_costs_no_tick(bias):
    rng = np.random.default_rng(4)
    graph = nir.NIRGraph.from_list(
        nir.Input([5]),
        nir.Affine(rng.normal(0.1, 0.4, (6, 5)), bias),
        neurons("LIF", 6, rng),
        nir.Output([6]),
    )
    imported = check(graph)
    np.testing.assert_array_equal(np.full(6, imported.circuit.population("lif").drive), bias)
    assert imported.circuit.names == ["input", "lif"]
    assert set(imported.lags.values()) == {0}


def test_skips_meet_what_they_meet_elsewhere_and_delays_differ_by_neuron():
    rng = np.random.default_rng(5)
    nodes = {
        "in": nir.Input([5]),
        "w1": nir.Linear(rng.normal(0.2, 0.5, (6, 5))),
        "a": neurons("LIF", 6, rng),
        "late": nir.Delay(np.array([0.0, 0.002, 0.005, 0.0, 0.001, 0.002])),
        "w2": nir.Linear(rng.normal(0.1, 0.5, (4, 6))),
        "skip": nir.Affine(rng.normal(0.1, 0.5, (4, 5)), rng.normal(0, 0.1, 4)),
        "b": neurons("CubaLIF", 4, rng, varied=True),
        "out": nir.Output([4]),
    }
    edges = [
        ("in", "w1"),
        ("w1", "a"),
        ("a", "late"),
        ("late", "w2"),
        ("w2", "b"),
        ("in", "skip"),
        ("skip", "b"),
        ("b", "out"),
    ]
    imported = check(nir.NIRGraph(nodes, edges), tolerance=1e-6)
    assert imported.lags["a"] == 0
    assert imported.lags["b[0]"] == 1


@pytest.mark.parametrize("bias", [False, True])
def test_a_population_that_leads_to_itself_is_as_in_other_simulators(bias):
    rng = np.random.default_rng(6)
    back = rng.normal(0, 0.5, (6, 6))
    nodes = {
        "in": nir.Input([5]),
        "w": nir.Linear(rng.normal(0.2, 0.5, (6, 5))),
        "lif": neurons("LIF", 6, rng),
        "back": nir.Affine(back, rng.normal(0, 0.1, 6)) if bias else nir.Linear(back),
        "out": nir.Output([6]),
    }
    edges = [("in", "w"), ("w", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")]
    graph = nir.NIRGraph(nodes, edges)
    imported = import_nir(graph) if bias else check(graph)  # simulators differ in a loop's bias in the first tick
    assert imported.lags["lif"] == 0
    assert [c.name for c in imported.circuit.connections] == ["in->lif", "lif->lif"]
    drive = imported.circuit.population("lif").drive
    np.testing.assert_array_equal(drive, nodes["back"].bias if bias else 0.0)


def test_delays_add_up_and_scales_multiply():
    rng = np.random.default_rng(16)
    graph = nir.NIRGraph.from_list(
        nir.Input([5]),
        nir.Delay(np.full(5, 0.002)),
        nir.Scale(np.full(5, 1.5)),
        nir.Delay(np.array([0.001, 0.0, 0.003, 0.001, 0.0])),
        nir.Linear(rng.normal(0.1, 0.5, (6, 5))),
        neurons("LIF", 6, rng),
        nir.Output([6]),
    )
    delays = [connection.delay_ms for connection in check(graph).circuit.connections]
    assert sorted(delays) == [3.0, 4.0, 6.0]


def test_a_loop_takes_a_tick_for_each_projection_or_its_own_delay():
    rng = np.random.default_rng(17)
    ends = {"in": nir.Input([3]), "out": nir.Output([3])}
    nodes = {**ends, "a": neurons("IF", 3, rng), "b": neurons("LIF", 3, rng), "late": nir.Delay(np.full(3, 0.004))}
    edges = [("in", "a"), ("a", "b"), ("b", "late"), ("late", "a"), ("b", "out")]
    imported = import_nir(nir.NIRGraph(nodes, edges))
    ticks = {connection.name: connection.delay_ms for connection in imported.circuit.connections}
    assert ticks == {"in->a": 1.0, "a->b": 1.0, "b->a": 4.0}
    assert imported.lags == {"in": 0, "a": 0, "b": 0}


def test_subgraphs_are_flattened():
    rng = np.random.default_rng(7)
    w, back, cells = rng.normal(0.2, 0.5, (6, 5)), rng.normal(0, 0.5, (6, 6)), neurons("LIF", 6, rng)
    inner = nir.NIRGraph(
        {"input": nir.Input([6]), "lif": cells, "w_rec": nir.Linear(back), "output": nir.Output([6])},
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )
    graph = nir.NIRGraph(
        {"in": nir.Input([5]), "w": nir.Linear(w), "cell": inner, "out": nir.Output([6])},
        [("in", "w"), ("w", "cell"), ("cell", "out")],
    )
    flat = nir.NIRGraph(
        {"in": nir.Input([5]), "w": nir.Linear(w), "lif": cells, "back": nir.Linear(back), "out": nir.Output([6])},
        [("in", "w"), ("w", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")],
    )
    imported, expected = import_nir(graph), import_nir(flat)
    assert imported.outputs == {"out": "cell.lif"}
    for mine, theirs in zip(imported.circuit.connections, expected.circuit.connections, strict=True):
        np.testing.assert_array_equal(mine.weights, theirs.weights)
        assert mine.delay_ms == theirs.delay_ms
    check(flat)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), ((2, 1), (1, 2), 1, 2), (1, "same", (2, 1), 1), (2, "valid", 1, 2)],
)
def test_convolutions_and_pooling(stride, padding, dilation, groups):
    rng = np.random.default_rng(8)
    conv = nir.Conv2d(
        (8, 9), rng.normal(0.1, 0.5, (4, 2 // groups, 3, 2)), stride, padding, dilation, groups, rng.normal(0, 0.1, 4)
    )
    shape = convolved(np.zeros((2, 8, 9)), conv.weight, stride, padding, dilation, groups).shape
    half = (shape[0], shape[1] // 2, (shape[2] + 2 - 3) // 2 + 1)
    cells = neurons("LIF", int(np.prod(shape)), rng)
    for name in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        setattr(cells, name, getattr(cells, name).reshape(shape))
    nodes = {
        "in": nir.Input([2, 8, 9]),
        "conv": conv,
        "lif": nir.LIF(cells.tau, cells.r, cells.v_leak, cells.v_threshold, cells.v_reset),
        "pool": nir.AvgPool2d(np.array([2, 3]), np.array([2, 2]), np.array([0, 1])),
        "flat": nir.Flatten(np.array(half), 0, -1),
        "w": nir.Linear(rng.normal(0.05, 0.5, (3, int(np.prod(half))))),
        "if": neurons("IF", 3, rng),
        "sum": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "out": nir.Output([3]),
        "pooled": nir.Output([shape[0], shape[1] // 2, shape[2] // 2]),
    }
    edges = [
        ("in", "conv"),
        ("conv", "lif"),
        ("lif", "pool"),
        ("pool", "flat"),
        ("flat", "w"),
        ("w", "if"),
        ("if", "out"),
    ]
    graph = nir.NIRGraph(nodes, [*edges, ("lif", "sum"), ("sum", "pooled")], type_check=False)
    imported = check(graph)
    assert imported.outputs == {
        "out": "if",
        "pooled": "pooled",
    }  # a readout without neurons has a population of its own


def test_scale_and_a_linear_readout():
    rng = np.random.default_rng(9)
    graph = nir.NIRGraph.from_list(
        nir.Input([5]),
        nir.Scale(rng.normal(1, 0.5, 5)),
        nir.Linear(rng.normal(0.2, 0.5, (6, 5))),
        neurons("LIF", 6, rng),
        nir.Affine(rng.normal(0, 1, (2, 6)), rng.normal(0, 1, 2)),
        nir.Output([2]),
    )
    imported = check(graph)
    assert imported.outputs == {"output": "output"}


def test_a_file_gives_the_same_circuit(tmp_path):
    graph = chain("LIF", "LI", bias=True, rng=np.random.default_rng(10))
    nir.write(tmp_path / "g.nir", graph)
    mine, theirs = from_nir(tmp_path / "g.nir"), from_nir(graph)
    assert set(mine.names) == set(theirs.names)
    for name in mine.names:
        got, put = mine.population(name), theirs.population(name)
        assert replace(got, drive=0.0) == replace(put, drive=0.0)
        np.testing.assert_array_equal(got.drive, put.drive)
    expected = {connection.name: connection for connection in theirs.connections}
    assert len(mine.connections) == len(expected) == 3
    for connection in mine.connections:
        np.testing.assert_array_equal(connection.weights, expected[connection.name].weights)
        assert connection.delay_ms == expected[connection.name].delay_ms


def refused(nodes, edges, match, **options):
    with pytest.raises(nf.InputError, match=match) as caught:
        import_nir(nir.NIRGraph(nodes, edges, type_check=False), **options)
    assert "\n" not in str(caught.value)


def test_refusals_name_the_node_and_its_type(tmp_path):
    rng = np.random.default_rng(11)
    ends = {"in": nir.Input([2]), "out": nir.Output([2])}
    w, cells = nir.Linear(np.ones((2, 2))), neurons("LIF", 2, rng)

    class Novel(nir.NIRNode):
        def __init__(self):
            self.input_type = self.output_type = {"x": np.array([2])}

    refused({**ends, "odd": Novel()}, [("in", "odd"), ("odd", "out")], "node 'odd' is of type Novel.*possible are")
    li = neurons("LI", 2, rng)
    refused(
        {**ends, "li": li, "w": w, "lif": cells},
        [("in", "li"), ("li", "w"), ("w", "lif"), ("lif", "out")],
        r"node 'w' \(Linear\) takes the membrane of 'li'",
    )
    refused(
        {**ends, "li": li, "thr": neurons("Threshold", 2, rng)},
        [("in", "li"), ("li", "thr"), ("thr", "out")],
        r"node 'thr' \(Threshold\) takes the membrane of 'li'",
    )
    refused({**ends, "a": w, "b": w}, [("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")], "loop without neurons")
    wrong = nir.Linear(np.ones((2, 3)))
    refused({**ends, "w": wrong}, [("in", "w"), ("w", "out")], r"node 'w' \(Linear\) takes 3 values")
    negative = nir.LIF(-np.ones(2), np.ones(2), np.zeros(2), np.ones(2))
    refused({**ends, "n": negative}, [("in", "n"), ("n", "out")], r"node 'n' \(LIF\) has a tau of -1 s")
    stuck = nir.LIF(np.ones(2), np.ones(2), np.zeros(2), np.ones(2), 2 * np.ones(2))
    refused({**ends, "n": stuck}, [("in", "n"), ("n", "out")], r"node 'n' \(LIF\).*v_reset")
    refused({**ends, "n": cells}, [("in", "n"), ("n", "out")], "Euler", method="euler", dt_ms=50.0)
    refused({**ends, "n": cells}, [("n", "out")], r"nothing leads to node 'n' \(LIF\)")
    refused({"out": ends["out"], "n": cells}, [("n", "out")], "no Input node")
    many = nir.LIF(np.linspace(0.01, 0.02, 99), np.ones(99), np.zeros(99), np.ones(99))
    refused({"in": nir.Input([99]), "n": many}, [("in", "n")], "neurons of 99 kinds")
    late = nir.Delay(np.full(2, 0.3))
    refused({**ends, "d": late, "n": cells}, [("in", "d"), ("d", "n"), ("n", "out")], "301 ticks of delay")
    (tmp_path / "broken.nir").write_bytes(b"no HDF5")
    for path in (tmp_path / "broken.nir", tmp_path / "absent.nir"):
        with pytest.raises(nf.InputError, match=path.name):
            from_nir(path)


def scalar(value):
    return np.array(value, np.float32)


def run_one(cells, weight, dt_ms, method="exact"):
    """Membranes of a node under random spikes, the spikes themselves, and how many came out."""
    nodes = {"in": nir.Input([5]), "0": nir.Linear(weight), "1": cells, "out": nir.Output([len(weight)])}
    graph = nir.NIRGraph(nodes, [("in", "0"), ("0", "1"), ("1", "out")], type_check=False)
    table, events = spike_table(np.random.default_rng(13), N_TICKS, 5, 0.5)
    recording = nf.Simulation(from_nir(graph, dt_ms, method=method), "float64").run(
        N_TICKS * dt_ms, {"in": events}, [nf.Record("v", "1"), nf.Record("spikes", "1")]
    )
    return recording.traces["v", "1"].values, table, len(recording.spikes["1"][0])


def test_nodes_as_snntorch_exports_them_make_its_steps():
    # snntorch 1.0 writes Leaky and Synaptic for steps of 0.1 ms, in single precision, one number for all neurons
    weight, dt = np.random.default_rng(12).normal(0.1, 0.4, (4, 5)).astype(np.float32), 1e-4
    alpha, beta = 0.7, 0.85
    tau = scalar(dt / (1 - beta))
    common = {"v_leak": scalar(0), "v_threshold": scalar(0.5), "v_reset": scalar(0)}
    leaky = nir.LIF(tau, scalar(tau / dt), **common)
    synaptic = nir.CubaLIF(scalar(dt / (1 - alpha)), tau, scalar(tau / dt), **common, w_in=scalar(1 / (1 - alpha)))
    for cells, alpha_ in ((leaky, 0.0), (synaptic, alpha)):
        membranes, table, n_spikes = run_one(cells, weight, 0.1, "euler")
        v, i, expected = np.zeros(4), np.zeros(4), []
        for x in table:  # reset_mechanism="zero", reset_delay=False
            i = alpha_ * i + weight.astype(float) @ x
            v = beta * v + i
            v = np.where(v > 0.5, 0.0, v)
            expected.append(v)
        np.testing.assert_allclose(membranes, expected, atol=1e-5)
        assert n_spikes > 20


def test_nodes_as_norse_exports_them_make_its_steps():
    # norse 1.1 writes tau times its step of 1 ms for a LIFBoxCell, so a step of its graph is 0.001 ms
    weight, rate = np.random.default_rng(14).normal(0.1, 0.4, (4, 5)).astype(np.float32), 100.0
    cells = nir.LIF(np.full(4, 0.001 / rate), np.ones(4), np.zeros(4), np.full(4, 0.02))
    membranes, table, n_spikes = run_one(cells, weight, 0.001, "euler")
    v, expected = np.zeros(4), []
    for x in table:
        v = v + 0.001 * rate * (0.0 - v + weight.astype(float) @ x)
        v = np.where(v > 0.02, 0.0, v)
        expected.append(v)
    np.testing.assert_allclose(membranes, expected, atol=1e-9)
    assert n_spikes > 20


def test_time_constants_in_steps_mean_steps_of_a_second():
    weight = np.random.default_rng(15).normal(0.1, 0.4, (4, 5))
    membranes, table, n_spikes = run_one(nir.IF(r=np.ones(4), v_threshold=np.ones(4)), weight, 1000.0)
    v, expected = np.zeros(4), []
    for x in table:
        v = v + weight @ x
        v = np.where(v > 1, 0.0, v)
        expected.append(v)
    np.testing.assert_allclose(membranes, expected, atol=1e-9)
    assert n_spikes > 5
