"""Weights for chip tools come back to the bit."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import neurofa as nf
from neurofa.exchange import read_weights, write_weights
from neurofa.spec.hardware import Hardware, Levels


def weights(precision="float32", seed=0):
    return nf.lower(nf.Network.dense((4, 3, 2)), nf.rules.DFA, seed, precision=precision).params


def same(got, params):
    assert set(got) == set(params)
    for key, value in params.items():
        assert got[key].dtype == value.dtype
        assert got[key].tobytes() == np.ascontiguousarray(value).tobytes()


@pytest.mark.parametrize("name", ["w.npz", "w.csv", "folder"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_round_trip_is_exact(tmp_path, name, precision):
    params = weights(precision)
    write_weights(tmp_path / name, params, "loihi")
    same(read_weights(tmp_path / name), params)


@given(st.data(), st.sampled_from(["float32", "float64"]), st.sampled_from(["w.npz", "w.csv", "folder"]))
@settings(max_examples=25)
def test_any_finite_number_comes_back(tmp_path_factory, data, precision, name):
    finite = st.floats(allow_nan=False, allow_infinity=False, width=32 if precision == "float32" else 64)
    # pi makes clear which precision it is
    params = {
        "layers.0.W": data.draw(arrays(precision, (3, 2), elements=finite)),
        "layers.0.b": np.full(2, np.pi, precision),
    }
    path = tmp_path_factory.mktemp("w") / name
    write_weights(path, params)
    same(read_weights(path), params)


def on_grid():
    rng = np.random.default_rng(1)
    params = {"layers.0.W": (rng.integers(-8, 8, (4, 3)) / 16).astype(np.float32)}
    return params | {"layers.0.b": np.array([0.5, -40000 / 16, 0.1], np.float32)}


def test_levels_are_whole_numbers_of_steps(tmp_path):
    params, grids = on_grid(), {"layers.0.W": (1 / 16, -8)}
    hardware = Hardware("mine", weights=Levels(-8, 7))
    write_weights(tmp_path / "w.npz", params, hardware, grids=grids)
    with np.load(tmp_path / "w.npz") as archive:
        levels = archive["levels.layers.0.W"]
        assert levels.dtype == np.int16
        np.testing.assert_array_equal(levels * archive["step.layers.0.W"], params["layers.0.W"])
        assert json.loads(str(archive["hardware"]))["name"] == "mine"
        assert "levels.layers.0.b" not in archive.files
    write_weights(tmp_path / "folder", params, hardware, grids=grids)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "folder/layers.0.W.levels.csv", delimiter=","), levels)
    index = json.loads((tmp_path / "folder/index.json").read_text())
    assert (index["hardware"]["name"], index["arrays"]["layers.0.W"]["step"]) == ("mine", 1 / 16)
    same(read_weights(tmp_path / "folder"), params)
    wide = {"layers.0.W": np.full((1, 1), 40000.0)}
    write_weights(tmp_path / "wide.npz", wide, grids={"layers.0.W": (1.0, 0)})
    with np.load(tmp_path / "wide.npz") as archive:
        assert archive["levels.layers.0.W"].dtype == np.int32


def test_the_table_has_a_row_for_each_synapse(tmp_path):
    params, spiking = weights(), nf.Spiking(delay_ms=(1.0, 4.0))
    params["layers.0.W"][...] = np.round(params["layers.0.W"] * 8) / 8
    write_weights(tmp_path / "w.csv", params, grids={"layers.0.W": (0.125, -128)}, spiking=spiking)
    with open(tmp_path / "w.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["array", "layer", "pre", "post", "weight", "level", "delay_ticks"]
    assert len(rows) == sum(value.size for value in params.values())
    found = {(row["array"], row["layer"], row["pre"], row["post"]): row for row in rows}
    row = found["W", "0", "2", "1"]
    assert float(row["weight"]) == 0.125 * int(row["level"]) == params["layers.0.W"][2, 1]
    assert row["delay_ticks"] == "1"
    assert (found["W", "1", "2", "1"]["delay_ticks"], found["W", "1", "2", "1"]["level"]) == ("4", "")
    assert found["b", "1", "-1", "0"]["delay_ticks"] == "1"
    assert np.float32(found["B", "0", "1", "2"]["weight"]) == params["layers.0.B"][1, 2]


def test_refusals(tmp_path):
    params = weights()
    for given_, options, match in (
        (params, {"path": "w.txt"}, "suffix '.txt'"),
        ({}, {}, "there are no weights"),
        ({"W": np.zeros((1, 1))}, {}, "'W'] is no parameter"),
        (params | {"layers.x.W": np.zeros((1, 1))}, {}, "'layers.x.W'] is no parameter"),
        ({"layers.0.W": np.zeros(3)}, {}, "layers.0.W has shape"),
        ({"layers.0.W": np.full((1, 1), np.inf)}, {}, "layers.0.W is NaN or infinite"),
        (params, {"grids": {"layers.0.W": (0.25, -128)}}, "no whole number of 0.25"),
        (params, {"grids": {"layers.9.W": (0.25, -128)}}, "layers.9.W"),
        ({"layers.0.W": np.full((1, 1), -2.0)}, {"grids": {"layers.0.W": (0.5, -3)}}, "level -4, below the lowest"),
        (params | {"layers.0.b": np.zeros(3)}, {"path": "w.csv"}, "of types float32, float64"),
    ):
        with pytest.raises(nf.InputError, match=match):
            write_weights(tmp_path / options.pop("path", "w.npz"), given_, **options)
    assert list(tmp_path.iterdir()) == []
    write_weights(tmp_path / "w.csv", params)
    lines = (tmp_path / "w.csv").read_text().splitlines()
    (tmp_path / "w.csv").write_text("\n".join(lines[:3] + lines[4:]))
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    for name, text in (("list", '{"arrays": []}'), ("number", '{"arrays": {"layers.0.W": 3}}'), ("cut", '{"arr')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.json").write_text(text)
    (tmp_path / "long.csv").write_text(lines[0] + "\n" + "9" * 200_000 + "\n")
    (tmp_path / "far.csv").write_text(lines[0] + f"\nW,0,{10**15},0,1.0,,1\n")
    for name, match in (
        *((name, "is damaged or holds no weights") for name in ("list", "number", "cut", "long.csv", "far.csv")),
        ("w.csv", "not all of them"),
        ("bad.npz", "bad.npz is truncated or not an .npz file"),
        ("empty", "has no index.json"),
        ("absent.npz", "does not exist"),
    ):
        with pytest.raises(nf.InputError, match=match):
            read_weights(tmp_path / name)
