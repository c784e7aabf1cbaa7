"""Checkpoints and atomic files: what is written comes back, or nothing changes."""

import os
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.io.atomic import atomic_path
from neurofa.io.checkpoint import DTYPES, load_checkpoint, save_checkpoint
from neurofa.spec import InputError


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    return {
        "layers.0.W": rng.standard_normal((5, 4)).astype("float32"),
        "layers.0.b": rng.standard_normal(4),
        "step": np.array(7, dtype="int64"),
        "state": np.array([2**64 - 1, 3], dtype="uint64"),
        "empty": np.zeros((0, 3), dtype="float32"),
    }


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    return message


def test_arrays_come_back_bit_for_bit(tmp_path, arrays):
    save_checkpoint(tmp_path / "c.safetensors", arrays, {})
    loaded, metadata = load_checkpoint(tmp_path / "c.safetensors")
    assert metadata == {}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_promised_dtype(tmp_path, dtype):
    save_checkpoint(tmp_path / "c", {"a": np.array([[0, 1], [1, 0]], dtype=dtype), "zero": np.array(1, dtype=dtype)})
    loaded, _ = load_checkpoint(tmp_path / "c")
    np.testing.assert_array_equal(loaded["a"], [[0, 1], [1, 0]])
    assert loaded["a"].dtype == dtype
    assert loaded["zero"].shape == ()


@pytest.mark.parametrize("view", [lambda a: a.T, lambda a: a[:, ::2], lambda a: a[::-1], np.asfortranarray])
def test_views_are_stored_by_value(tmp_path, view):
    array = view(np.arange(24.0).reshape(4, 6))
    save_checkpoint(tmp_path / "c", {"a": array})
    np.testing.assert_array_equal(load_checkpoint(tmp_path / "c")[0]["a"], array)


def test_big_endian_arrays_keep_their_values(tmp_path):
    save_checkpoint(tmp_path / "c", {"a": np.arange(5, dtype=">f8")})
    np.testing.assert_array_equal(load_checkpoint(tmp_path / "c")[0]["a"], np.arange(5.0))


def test_loaded_arrays_can_be_changed(tmp_path, arrays):
    save_checkpoint(tmp_path / "c", arrays)
    loaded, _ = load_checkpoint(tmp_path / "c")
    loaded["layers.0.W"] += 1
    again, _ = load_checkpoint(tmp_path / "c")
    assert again["layers.0.W"].tobytes() == arrays["layers.0.W"].tobytes()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(metadata=st.dictionaries(st.text(), json_values, max_size=4))
def test_metadata_come_back(tmp_path_factory, metadata):
    path = tmp_path_factory.mktemp("metadata") / "c"
    try:
        save_checkpoint(path, {"a": np.zeros(1)}, metadata)
    except InputError as error:
        pytest.fail(f"JSON metadata refused: {error}")
    assert load_checkpoint(path)[1] == metadata


def test_the_state_of_a_generator_comes_back(tmp_path):
    rng = np.random.default_rng(11)
    save_checkpoint(tmp_path / "c", {}, {"rng": rng.bit_generator.state, "epoch": np.int64(3), "eta": np.float64(0.1)})
    _, metadata = load_checkpoint(tmp_path / "c")
    other = np.random.default_rng()
    other.bit_generator.state = metadata["rng"]
    assert metadata["epoch"] == 3
    assert metadata["eta"] == 0.1
    np.testing.assert_array_equal(other.random(5), rng.random(5))


def test_equal_checkpoints_are_equal_files(tmp_path, arrays):
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, arrays, {"seed": 1, "rule": "fa"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("keep", [0, 4, 40, -1, -30])
def test_a_truncated_file_is_named(tmp_path, arrays, keep):
    path = tmp_path / "cut.safetensors"
    save_checkpoint(path, arrays, {"seed": 1})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError) as error:
        load_checkpoint(path)
    message = one_line(error)
    assert "cut.safetensors" in message
    assert "truncated" in message
    assert "restore" in message


def test_a_foreign_file_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("these are no weights\n" * 20)
    with pytest.raises(InputError, match=r"notes\.txt.*no checkpoint"):
        load_checkpoint(tmp_path / "notes.txt")


def test_safetensors_of_others_are_named(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors.*not a checkpoint of neurofa"):
        load_checkpoint(tmp_path / "other.safetensors")


def test_a_pickle_is_never_loaded(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"evil\.npy"):
        load_checkpoint(tmp_path / "evil.npy")


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / name)


@pytest.mark.parametrize(
    ("arrays", "metadata", "match"),
    [
        ({"a": np.array(["x"])}, {}, "array 'a' has dtype"),
        ({"a": np.array([None])}, {}, "array 'a' has dtype object"),
        ({"a": np.zeros(2, complex)}, {}, "complex128"),
        ({"__metadata__": np.zeros(2)}, {}, "__metadata__"),
        ({}, {"when": object()}, "object is no JSON value"),
        ({}, {"deep": [{1: "integer key"}]}, "key 1"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_nothing_is_written(tmp_path, arrays, metadata, match):
    with pytest.raises(InputError, match=match) as error:
        save_checkpoint(tmp_path / "c", arrays, metadata)
    one_line(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
def test_a_failed_write_leaves_the_old_file(tmp_path, failure):
    path = tmp_path / "results.nc"
    path.write_text("old")
    with pytest.raises(failure), atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "table.csv"
    for text in ("one", "two"):
        with atomic_path(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == ".csv"
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "one"
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_permissions_of_the_old_file_stay(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    path.chmod(0o640)
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "atomic") as temporary:
        temporary.write_text("")
    save_checkpoint(tmp_path / "checkpoint", {"a": np.zeros(1)})
    for name in ("atomic", "checkpoint"):
        assert (tmp_path / name).stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "new"


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(InputError, match="it is a folder") as error, atomic_path(tmp_path) as temporary:
        temporary.write_text("never")
    one_line(error)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write") as error:
        save_checkpoint(tmp_path / "file" / "c", {"a": np.zeros(1)})
    one_line(error)


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(InputError, match=r"c\.nc.*No space left") as error, atomic_path(tmp_path / "c.nc"):
        raise OSError(28, "No space left on device")
    one_line(error)


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="nothing was written"), atomic_path(tmp_path / "c"):
        assert not (tmp_path / "c").exists()
