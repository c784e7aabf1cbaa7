"""Results: labelled arrays and tables come back as they were."""

import csv
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.io.results import environment, read_results, write_results, write_table
from neurofa.spec import InputError


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    return xarray.Dataset(
        {
            "test_error": (("rule", "seed", "epoch"), rng.random((2, 3, 4)).astype("float32")),
            "alignment_deg": (("rule", "probe"), np.array([[1.0, np.nan], [np.inf, 3.0]])),
            "finished": (("rule",), np.array([True, False])),
            "seconds": ((), 1.25),
        },
        coords={"rule": ["bp", "pseudo_bp"], "seed": [0, 1, 2], "epoch": [1, 2, 3, 4], "probe": [0, 100]},
        attrs={"title": "784-500-10", "chance_error": 0.9, "seed": 2**62, "names": ["a", "b"], "Ångström": "é"},
    )


def test_a_dataset_comes_back(tmp_path, dataset):
    write_results(tmp_path / "results.nc", dataset)
    loaded = read_results(tmp_path / "results.nc")
    xarray.testing.assert_equal(loaded, dataset)
    for name, value in dataset.attrs.items():
        assert np.array_equal(loaded.attrs[name], value)
    for name in dataset.data_vars:
        assert loaded[name].dtype == dataset[name].dtype
    assert [str(rule) for rule in loaded.rule.values] == ["bp", "pseudo_bp"]


def test_the_file_is_closed_and_can_be_replaced(tmp_path, dataset):
    write_results(tmp_path / "results.nc", dataset)
    loaded = read_results(tmp_path / "results.nc")
    write_results(tmp_path / "results.nc", loaded * 2)
    np.testing.assert_array_equal(read_results(tmp_path / "results.nc").test_error, dataset.test_error * 2)
    assert [path.name for path in tmp_path.iterdir()] == ["results.nc"]


def test_empty_dimensions_come_back(tmp_path):
    empty = xarray.Dataset({"alignment_deg": (("probe", "layer"), np.zeros((0, 2)))}, coords={"layer": [0, 1]})
    write_results(tmp_path / "results.nc", empty)
    assert read_results(tmp_path / "results.nc").alignment_deg.shape == (0, 2)


def test_attributes_that_netcdf_lacks_are_translated(tmp_path, dataset):
    odd = {"resumed": True, "schedule": {"at": [1, 2]}, "nothing": None, "path": tmp_path, "mixed": [1, "a"], "no": []}
    dataset.attrs = dict(odd)
    dataset["test_error"].attrs["smoothed"] = False
    write_results(tmp_path / "results.nc", dataset)
    loaded = read_results(tmp_path / "results.nc")
    assert loaded.attrs == {
        "resumed": 1,
        "schedule": '{"at": [1, 2]}',
        "nothing": "",
        "path": str(tmp_path),
        "mixed": '[1, "a"]',
        "no": "[]",
    }
    assert loaded.test_error.attrs["smoothed"] == 0
    assert dataset.attrs == odd, "the user's dataset must not change"


def test_environment_fits_into_attributes(tmp_path, dataset):
    found = environment()
    dataset.attrs = found
    write_results(tmp_path / "results.nc", dataset)
    assert read_results(tmp_path / "results.nc").attrs == found


@pytest.mark.parametrize("content", [b"", b"rule,mode\n", None])
def test_damaged_results_are_named(tmp_path, dataset, content):
    path = tmp_path / "damaged.nc"
    write_results(path, dataset)
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    with pytest.raises(InputError, match=r"damaged\.nc.*restore") as error:
        read_results(path)
    assert "\n" not in str(error.value)


def test_missing_results_are_named(tmp_path):
    with pytest.raises(InputError, match=r"there are no results .*absent\.nc"):
        read_results(tmp_path / "absent.nc")


def test_a_table_is_tidy_and_in_order(tmp_path):
    rows = [
        {"rule": "fa", "seed": 1, "test_error": 0.1, "extra": 5},
        {"rule": "bp", "seed": 0, "test_error": float("nan"), "extra": 6},
        {"rule": "a,b", "seed": None, "test_error": np.float32(0.1), "extra": 7},
    ]
    write_table(tmp_path / "table.csv", rows, ["rule", "test_error", "seed"])
    assert (tmp_path / "table.csv").read_bytes() == b'rule,test_error,seed\nfa,0.1,1\nbp,nan,0\n"a,b",0.1,\n'


def test_columns_default_to_the_first_row(tmp_path):
    write_table(tmp_path / "t.csv", ({"b": i, "a": np.array(i / 2)} for i in range(2)))
    assert (tmp_path / "t.csv").read_text() == "b,a\n0,0.0\n1,0.5\n"


def test_a_table_without_rows_has_its_header(tmp_path):
    write_table(tmp_path / "t.csv", [], ["rule", "mode"])
    assert (tmp_path / "t.csv").read_text() == "rule,mode\n"


@settings(max_examples=50, deadline=None)
@given(value=st.floats(allow_nan=False), narrow=st.floats(allow_nan=False, width=32))
def test_floats_come_back_in_their_precision(tmp_path_factory, value, narrow):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write_table(path, [{"wide": value, "numpy": np.float64(value), "narrow": np.float32(narrow)}])
    with path.open() as file:
        row = next(csv.DictReader(file))
    assert float(row["wide"]) == value
    assert float(row["numpy"]) == value
    assert np.float32(row["narrow"]) == np.float32(narrow)


def test_a_missing_column_is_named_and_the_old_table_stays(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(InputError, match="row 1 of the table has no 'seed'; it has rule"):
        write_table(path, [{"rule": "bp", "seed": 0}, {"rule": "fa"}], ["rule", "seed"])
    assert path.read_text() == "old"


def test_environment_says_what_results_depend_on():
    found = environment()
    assert found["numpy"] == np.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["processors"] >= 1
    assert "threads" not in found  # which is the engine's
    assert found["cpu"]
    assert abs(datetime.fromisoformat(str(found["date"])) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_module_imports_no_heavy_library():
    heavy = ["xarray", "h5netcdf", "safetensors", "matplotlib", "numba", "sklearn"]
    code = f"import sys, neurofa.io.results, neurofa.io.checkpoint; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FULL = """
import resource, signal, sys
import numpy as np, xarray
from neurofa.io.results import write_results
from neurofa.spec import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as where a disk is full: a write fails
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_results(sys.argv[1], xarray.Dataset({"error": ("epoch", np.random.default_rng(0).random(50_000))}))
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of files")
def test_a_full_disk_ends_in_a_line_and_leaves_the_old_results(tmp_path, dataset):
    path = tmp_path / "results.nc"
    write_results(path, dataset)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"cannot write '{path}'")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["results.nc"]
