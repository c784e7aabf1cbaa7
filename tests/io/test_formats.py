"""Readers of published formats: round trips, and every kind of damage named in one line."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from neurofa.io.formats import read_cifar, read_idx, read_npz, read_svhn
from neurofa.spec import InputError


def write_idx(path, array, kind=8):
    """The bytes of an IDX file by hand."""
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))
    return path


def refused(read, *arguments):
    """The message of the refusal, which must be one line."""
    with pytest.raises(InputError) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=7)))
def test_idx_round_trip(tmp_path_factory, array):
    path = write_idx(tmp_path_factory.mktemp("idx") / "a.gz", array)
    np.testing.assert_array_equal(read_idx(path), array)


def test_truncated_gzip_is_refused(tmp_path):
    path = write_idx(tmp_path / "a.gz", np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8))
    path.write_bytes(path.read_bytes()[:-500])
    message = refused(read_idx, path)
    assert "a.gz" in message
    assert "truncated" in message


def test_corrupt_gzip_is_refused(tmp_path):
    path = write_idx(tmp_path / "a.gz", np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert "a.gz" in refused(read_idx, path)


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip at all", gzip.compress(b"\0\0"), gzip.compress(b"\0\0\x08\x03\0")],
    ids=["empty", "no gzip", "no type", "no size"],  # the compressed ones have the time in them
)
def test_what_is_not_idx_is_refused(tmp_path, content):
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    assert "a.gz" in refused(read_idx, path)


def test_idx_of_another_type_is_refused(tmp_path):
    path = write_idx(tmp_path / "a.gz", np.zeros((2, 2), np.uint8), kind=0x0D)
    assert "unsigned bytes" in refused(read_idx, path)


@pytest.mark.parametrize("extra", [-1, 1])
def test_idx_of_another_length_than_its_header_is_refused(tmp_path, extra):
    body = bytes(6 + extra)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + body))
    assert "promises 6" in refused(read_idx, path)


@pytest.mark.parametrize("label_bytes", [1, 2])
def test_cifar_round_trip(tmp_path, label_bytes):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (5, 3072), np.uint8), rng.integers(0, 100, (5, label_bytes), np.uint8)
    np.concatenate([labels, pixels], axis=1).tofile(tmp_path / "batch.bin")
    read_pixels, read_labels = read_cifar(tmp_path / "batch.bin", label_bytes)
    np.testing.assert_array_equal(read_pixels, pixels)
    np.testing.assert_array_equal(read_labels, labels[:, -1])


@pytest.mark.parametrize("size", [0, 3072, 2 * 3073 + 1])
def test_cifar_of_broken_records_is_refused(tmp_path, size):
    path = tmp_path / "batch.bin"
    path.write_bytes(bytes(size))
    message = refused(read_cifar, path)
    assert str(size) in message
    assert "batch.bin" in message


def test_svhn_round_trip(tmp_path):
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 3, 32, 32), np.uint8)
    savemat(
        tmp_path / "a.mat",
        {"X": images.transpose(2, 3, 1, 0), "y": np.array([[10], [1], [9], [10]], np.uint8)},
        do_compression=True,
    )
    pixels, labels = read_svhn(tmp_path / "a.mat")
    np.testing.assert_array_equal(pixels, images)
    assert labels.tolist() == [0, 1, 9, 0]


def test_damaged_svhn_is_refused(tmp_path):
    from scipy.io import savemat

    path = tmp_path / "a.mat"
    savemat(path, {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)}, do_compression=True)
    whole = path.read_bytes()
    for content in (b"", b"not a mat file", whole[:200], whole[: len(whole) - 20]):
        path.write_bytes(content)
        assert "a.mat" in refused(read_svhn, path)


def test_another_mat_file_is_refused(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "a.mat", {"X": np.zeros((32, 32, 3, 4)), "z": np.ones(3)})
    assert "no array X of unsigned bytes" in refused(read_svhn, tmp_path / "a.mat")


ARRAYS = {
    "x_train": np.ones((3, 2)),
    "y_train": np.array([0, 1, 1]),
    "x_test": np.zeros((1, 2)),
    "y_test": np.array([0]),
}


def test_npz_round_trip_and_other_arrays_ignored(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS, comment=np.array(["x"], object))
    arrays = read_npz(tmp_path / "a.npz")
    assert set(arrays) == set(ARRAYS)
    for key, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[key], values)


def test_npz_lacking_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **{key: ARRAYS[key] for key in ("x_train", "x_test", "y_train")})
    assert "no y_test" in refused(read_npz, tmp_path / "a.npz")


def test_npz_of_objects_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", **{**ARRAYS, "y_train": np.array([0, None, "one"], object)})
    message = refused(read_npz, tmp_path / "a.npz")
    assert "y_train" in message
    assert "Python objects" in message


def test_damaged_npz_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **{**ARRAYS, "x_train": np.random.default_rng(0).random((50, 50))})
    whole = path.read_bytes()
    corrupt = bytearray(whole)
    corrupt[3000] ^= 0xFF
    for content in (b"", b"text", whole[:-30], bytes(corrupt)):
        path.write_bytes(content)
        assert "a.npz" in refused(read_npz, path)


def test_absent_npz_and_single_array_are_refused(tmp_path):
    assert "does not exist" in refused(read_npz, tmp_path / "none.npz")
    np.save(tmp_path / "a.npy", np.ones(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    assert "single array" in refused(read_npz, tmp_path / "a.npz")
    (tmp_path / "folder.npz").mkdir()
    assert "folder.npz" in refused(read_npz, tmp_path / "folder.npz")
