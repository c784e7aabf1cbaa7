"""Named data sets and the user's files: found, checked, loaded, or refused in one line. Nothing is downloaded here."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pooch
import pytest

from neurofa.io import sources
from neurofa.io.augment import augmenter_for
from neurofa.io.data import Data
from neurofa.io.datasets import GENERATED, READERS, available, fetch, load_data
from neurofa.io.sources import SOURCES
from neurofa.spec import DataSpec, InputError

MNIST = Path(os.environ.get("NEUROFA_DATA", "absent")) / "mnist" / "train-images-idx3-ubyte.gz"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty $NEUROFA_DATA and an empty cache, without a network."""

    def offline(*arguments, **options):
        raise ConnectionError("no network in tests")

    monkeypatch.setenv("NEUROFA_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(pooch, "retrieve", offline)
    return tmp_path / "data"


def idx(array):
    """The compressed bytes of an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def place(monkeypatch, name, folder, contents):
    """Write a data set's files, and make the table expect exactly them."""
    where = folder / SOURCES[name].folder
    where.mkdir(parents=True, exist_ok=True)
    files = []
    for file in SOURCES[name].files:
        content = contents.get(file.name)
        if content is not None:
            (where / file.name).write_bytes(content)
            size = len(content) if file.size_bytes is not None else None
            checksum = "sha256:" + hashlib.sha256(content).hexdigest() if file.checksum else ""
            file = replace(file, size_bytes=size, checksum=checksum)
        files.append(file)
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], files=tuple(files)))
    return where


def mnist_contents(labels=(0, 9, 3)):
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte.gz": idx(rng.integers(0, 256, (3, 28, 28))),
        "train-labels-idx1-ubyte.gz": idx(np.array(labels)),
        "t10k-images-idx3-ubyte.gz": idx(np.full((2, 28, 28), 255)),
        "t10k-labels-idx1-ubyte.gz": idx(np.array([1, 2])),
    }


def refused(*arguments, **options):
    """The message of the refusal, which must be one line."""
    with pytest.raises(InputError) as caught:
        load_data(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# named data sets


def test_digits_have_a_fixed_stratified_split():
    first, other = load_data(), load_data("digits", seed=5)
    assert (first.x_train.shape, first.x_test.shape) == ((1437, 64), (360, 64))
    np.testing.assert_array_equal(first.x_test, other.x_test)
    tested, trained = np.bincount(first.y_test), np.bincount(first.y_train)
    assert np.abs(tested - 360 / 1797 * (tested + trained)).max() <= 1
    assert first.x_train.min() == 0
    assert first.x_train.max() == 1
    assert first.image_shape == (1, 8, 8)
    together = np.concatenate([first.x_train, first.x_test]).sum(axis=0, dtype=np.float64)
    from sklearn.datasets import load_digits

    np.testing.assert_allclose(together, load_digits().data.sum(axis=0) / 16)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_mnist_like_sets(folder, monkeypatch, name):
    place(monkeypatch, name, folder, mnist_contents())
    data = load_data(name)
    assert data.x_train.shape == (3, 784)
    assert data.x_train.dtype == np.float32
    assert data.x_train.flags.c_contiguous
    assert (data.x_test == 1).all()
    assert data.y_train.tolist() == [0, 9, 3]
    assert data.image_shape == (1, 28, 28)
    assert data.n_outputs == 10


def shared(data, part):
    """Whether inputs and targets of a part are the same numbers in the same memory."""
    x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
    return np.shares_memory(x, y) and np.array_equal(x, y)


def test_mnist_autoencoder_has_its_inputs_as_targets(folder, monkeypatch):
    place(monkeypatch, "mnist_autoencoder", folder, mnist_contents())
    place(monkeypatch, "mnist", folder, mnist_contents())
    data, images = load_data("mnist_autoencoder"), load_data("mnist")
    assert (data.name, data.task, data.n_outputs, data.image_shape) == (
        "mnist_autoencoder", "regression", 784, (1, 28, 28),
    )  # fmt: skip
    np.testing.assert_array_equal(data.x_train, images.x_train)
    assert shared(data, "train")
    assert shared(data, "test")
    few = load_data("mnist_autoencoder", train_samples=2, validation=0.5)
    assert (len(few.x_train), len(few.x_validation)) == (1, 1)
    assert all(shared(few, part) for part in ("train", "validation", "test"))
    assert "augment flip alters inputs only" in refused("mnist_autoencoder", augment=("flip",))
    with pytest.raises(InputError, match="augment elastic alters inputs only"):
        augmenter_for(data, ("elastic",))


@pytest.mark.parametrize("kind", ["zscore", "channel", "centred"])
def test_normalisation_leaves_an_autoencoders_targets(folder, monkeypatch, kind):
    place(monkeypatch, "mnist_autoencoder", folder, mnist_contents())
    plain, data = load_data("mnist_autoencoder"), load_data("mnist_autoencoder", normalisation=kind)
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(data, f"y_{part}"), getattr(plain, f"x_{part}"))
    np.testing.assert_allclose(data.x_train * data.input_deviation + data.input_mean, data.y_train, atol=1e-6)
    assert abs(data.x_train.mean()) < 1e-5


@pytest.mark.parametrize("name", ["mnist_autoencoder", "linear_teacher", "quadratic_teacher", "xor_scalar"])
@pytest.mark.parametrize(("option", "value"), [("label_noise", 0.1), ("classes", 2)])
def test_regressions_have_no_labels_to_choose_or_change(folder, monkeypatch, name, option, value):
    place(monkeypatch, "mnist_autoencoder", folder, mnist_contents())
    message = refused(name, **{option: value})
    assert message == f"data {option} needs class labels, and {name} is a regression; leave {option} out"


def test_files_are_found_in_the_cache_too(folder, monkeypatch, tmp_path):
    where = place(monkeypatch, "mnist", folder, mnist_contents())
    cache = tmp_path / "cache" / "neurofa" / "mnist"
    cache.mkdir(parents=True)
    (where / "t10k-labels-idx1-ubyte.gz").rename(cache / "t10k-labels-idx1-ubyte.gz")
    assert len(load_data("mnist").y_test) == 2
    monkeypatch.delenv("NEUROFA_DATA")
    assert "train-images" in refused("mnist")


@pytest.mark.parametrize("damage", ["truncated", "flipped bit"])
def test_damaged_mnist_is_refused_with_the_remedy(folder, monkeypatch, damage):
    path = place(monkeypatch, "mnist", folder, mnist_contents()) / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-100]
    else:
        content[50] ^= 1
    path.write_bytes(content)
    message = refused("mnist")
    assert str(path) in message
    assert message.endswith("delete it and run: neurofa data fetch mnist")
    with pytest.raises(InputError, match="neurofa data fetch mnist"):
        fetch("mnist")


def test_truncated_file_with_a_matching_checksum_names_file_and_remedy(folder, monkeypatch):
    contents = mnist_contents()
    contents["train-images-idx3-ubyte.gz"] = contents["train-images-idx3-ubyte.gz"][:-100]
    place(monkeypatch, "mnist", folder, contents)
    message = refused("mnist")
    assert "train-images-idx3-ubyte.gz is truncated" in message
    assert "neurofa data fetch mnist" in message


def test_labels_out_of_range_in_a_published_file(folder, monkeypatch):
    place(monkeypatch, "mnist", folder, mnist_contents(labels=(0, 12, 3)))
    assert "label 12" in refused("mnist")


def cifar_batch(seed, count=4, label_bytes=1, classes=10):
    rng = np.random.default_rng(seed)
    labels, pixels = rng.integers(0, classes, (count, label_bytes)), rng.integers(0, 256, (count, 3072))
    return np.concatenate([labels, pixels], axis=1).astype(np.uint8)


def cifar10_contents(test=True):
    contents = {f"data_batch_{index}.bin": cifar_batch(index).tobytes() for index in range(1, 6)}
    return contents | ({"test_batch.bin": cifar_batch(6).tobytes()} if test else {})


def test_cifar10(folder, monkeypatch):
    place(monkeypatch, "cifar10", folder, cifar10_contents())
    data = load_data("cifar10")
    assert data.x_train.shape == (20, 3072)
    assert data.image_shape == (3, 32, 32)
    assert data.note == ""
    np.testing.assert_allclose(data.x_train[4:8], cifar_batch(2)[:, 1:] / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.y_test, cifar_batch(6)[:, 0])


def test_cifar10_without_its_test_batch_holds_out_the_fifth(folder, monkeypatch):
    place(monkeypatch, "cifar10", folder, cifar10_contents(test=False))
    data = load_data("cifar10")
    assert len(data.x_train) == 16
    np.testing.assert_array_equal(data.y_test, cifar_batch(5)[:, 0])
    assert "batch 5" in data.note
    assert next(row for row in available() if row.name == "cifar10").found
    with pytest.raises(InputError, match=r"test_batch\.bin"):
        fetch("cifar10")  # the batch is missing all the same


def test_cifar_of_another_size_is_refused(folder, monkeypatch):
    path = place(monkeypatch, "cifar10", folder, cifar10_contents()) / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-3073])
    message = refused("cifar10")
    assert "data_batch_3.bin" in message
    assert "fetch cifar10" in message


def test_cifar100_takes_the_fine_label(folder, monkeypatch):
    batches = {"train.bin": cifar_batch(0, 5, 2, 100), "test.bin": cifar_batch(1, 3, 2, 100)}
    place(monkeypatch, "cifar100", folder, {name: batch.tobytes() for name, batch in batches.items()})
    data = load_data("cifar100")
    np.testing.assert_array_equal(data.y_train, batches["train.bin"][:, 1])
    assert data.n_outputs == 100


def test_svhn(folder, monkeypatch):
    from scipy.io import savemat

    contents = {}
    for name, count in (("train_32x32.mat", 5), ("test_32x32.mat", 3)):
        stream = io.BytesIO()
        labels = np.arange(10 - count, 10)[:, None].astype(np.uint8) + 1
        savemat(stream, {"X": np.full((32, 32, 3, count), 51, np.uint8), "y": labels})
        contents[name] = stream.getvalue()
    place(monkeypatch, "svhn", folder, contents)
    data = load_data("svhn")
    assert data.y_train.tolist() == [6, 7, 8, 9, 0]
    np.testing.assert_allclose(data.x_train, 0.2, rtol=1e-6)
    assert data.image_shape == (3, 32, 32)


def test_published_sizes_and_checksums_are_complete():
    for name, source in SOURCES.items():
        assert (name in READERS) == bool(source.files), name
        assert (name in GENERATED) == (source.place == "generated"), name
        for file in (*source.files, *([source.archive] if source.archive else [])):
            assert file.checksum or file.size_bytes, (name, file)
        downloads = [source.archive] if source.archive else source.files
        for file in downloads:
            algorithm, digest = file.checksum.split(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
            int(digest, 16)


@pytest.mark.skipif(not MNIST.is_file(), reason="$NEUROFA_DATA/mnist is absent")
def test_real_mnist():
    data = load_data("mnist")
    assert (data.x_train.shape, data.x_test.shape) == ((60_000, 784), (10_000, 784))
    assert np.bincount(data.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.x_train.mean(dtype=np.float64) == pytest.approx(0.1306604762738429, abs=1e-7)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert "mnist: 4 files" in fetch("mnist")


# absent data


def test_offline_and_absent_says_which_files_go_where(folder):
    message = refused("mnist")
    for file in SOURCES["mnist"].files:
        assert file.name in message
    assert str(folder / "mnist") in message
    assert "NEUROFA_DATA" in message


def test_offline_names_only_what_is_missing(folder, monkeypatch):
    contents = mnist_contents()
    del contents["t10k-labels-idx1-ubyte.gz"]
    place(monkeypatch, "mnist", folder, contents)
    message = refused("mnist")
    assert "put t10k-labels-idx1-ubyte.gz into" in message


def test_download_of_a_wrong_file_is_refused(folder, monkeypatch):
    def wrong(*arguments, **options):
        raise ValueError("SHA256 hash of downloaded file does not match")

    monkeypatch.setattr(pooch, "retrieve", wrong)
    assert "wrong checksum" in refused("kmnist")


def test_download_tries_every_address_and_extracts_archives(folder, monkeypatch, tmp_path):
    contents = cifar10_contents()
    place(monkeypatch, "cifar10", folder, contents)
    for file in SOURCES["cifar10"].files:
        (folder / "cifar-10-batches-bin" / file.name).unlink()
    monkeypatch.setitem(
        SOURCES, "cifar10", replace(SOURCES["cifar10"], urls=("http://first.invalid/", "http://second.invalid/"))
    )
    asked = []

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append(url)
        assert known_hash == "md5:c32a1d4ab5d03f1284b67883e8d87530"
        if "first" in url:
            raise ConnectionError("down")
        Path(path).mkdir(parents=True, exist_ok=True)
        with tarfile.open(Path(path) / fname, "w:gz") as tar:
            for name, content in contents.items():
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return str(Path(path) / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    data = load_data("cifar10")
    assert data.note == ""  # the test batch came along
    assert len(asked) == 2
    cache = tmp_path / "cache" / "neurofa" / "cifar-10-batches-bin"
    assert sorted(path.name for path in cache.iterdir()) == sorted(contents)  # the archive is gone


def test_archive_without_a_member_is_refused(folder, monkeypatch):
    def retrieve(url, known_hash, fname, path, downloader):
        Path(path).mkdir(parents=True, exist_ok=True)
        tarfile.open(Path(path) / fname, "w:gz").close()
        return str(Path(path) / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert "train.bin" in refused("cifar100")


def test_fetch_of_what_needs_no_file(folder):
    assert "nothing to fetch" in fetch("digits")
    assert "drawn from the seed" in fetch("xor")
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        fetch("mnits")


def test_available_lists_every_set_with_its_place(folder, monkeypatch):
    place(monkeypatch, "mnist", folder, mnist_contents())
    rows = {row.name: row for row in available()}
    assert list(rows) == list(SOURCES)
    assert rows["mnist"].where == str(folder / "mnist")
    assert rows["digits"].where == "bundled"
    assert rows["linear_teacher"].where == "generated"
    assert not rows["kmnist"].found
    assert rows["kmnist"].where == ""
    assert all(row.description and "\n" not in row.description for row in rows.values())


# names and options


def test_unknown_names_and_options(folder):
    message = refused("mnits")
    assert "did you mean 'mnist'" in message
    assert ".npz" in message
    assert "'clases' is unknown (did you mean 'classes'?)" in refused("digits", clases=2)
    assert "seed" in refused("digits", seed=-1)


def test_spec_and_options_are_combined():
    spec = DataSpec("digits", classes=3)
    data = load_data(spec, seed=1, validation=0.25, normalisation="zscore")
    assert data.n_outputs == 3
    assert len(data.x_validation) == round(0.25 * (len(data.x_train) + len(data.x_validation)))
    assert len(data.input_mean) == 64
    assert "classes" in data.note


def test_augment_of_what_is_no_image_is_refused():
    assert "augment flip" in refused("xor", augment=("flip",))
    assert load_data("digits", augment=("flip",)).image_shape == (1, 8, 8)


# the user's file


def save(path, **changes):
    arrays = {
        "x_train": np.linspace(0, 1, 12).reshape(4, 3),
        "y_train": np.array([0, 1, 2, 1]),
        "x_test": np.zeros((2, 3)),
        "y_test": np.array([2, 0]),
    }
    np.savez(path, **(arrays | changes))
    return path


def test_npz(tmp_path):
    path = save(tmp_path / "own.npz")
    data = load_data(path)
    assert data.n_outputs == 3
    assert data.name == str(path)
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    assert load_data(str(path), classes=2).n_outputs == 2


def test_npz_images_and_bytes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), np.uint8)
    data = load_data(save(tmp_path / "a.npz", x_train=pixels, x_test=pixels[:2]))
    assert data.image_shape == (3, 5, 6)
    np.testing.assert_allclose(data.x_train.reshape(pixels.shape), pixels / 255, rtol=1e-6)
    assert "255" in data.note
    binary = save(tmp_path / "b.npz", x_train=np.eye(4, 3, dtype=np.uint8), x_test=np.eye(2, 3, dtype=np.uint8))
    assert load_data(binary).x_train.max() == 1
    grey = load_data(save(tmp_path / "c.npz", x_train=np.ones((4, 7, 8)), x_test=np.ones((2, 7, 8))))
    assert grey.image_shape == (1, 7, 8)


def test_npz_regression(tmp_path):
    targets = {"y_train": np.arange(8.0).reshape(4, 2), "y_test": np.ones((2, 2))}
    data = load_data(save(tmp_path / "a.npz", **targets))
    assert (data.task, data.n_outputs, data.y_train.dtype) == ("regression", 2, np.float32)
    single = load_data(save(tmp_path / "b.npz", y_train=np.ones(4), y_test=np.ones(2)), normalisation="zscore")
    assert single.y_train.shape == (4, 1)


def test_npz_with_a_validation_set(tmp_path):
    rows = {"x_validation": np.full((3, 3), 255, np.uint8), "y_validation": np.array([2, 1, 0])}
    few = {"x_train": np.full((4, 3), 7, np.uint8), "x_test": np.zeros((2, 3), np.uint8)}
    data = load_data(save(tmp_path / "a.npz", **rows, note=np.array("of no use here")))
    assert data.y_validation.tolist() == [2, 1, 0]
    assert data.x_validation.max() == 255  # since the other inputs are no bytes
    assert load_data(save(tmp_path / "b.npz", **rows, **few)).x_validation.max() == 1
    grey = save(tmp_path / "c.npz", **few, x_validation=np.full((3, 3), 0.5), y_validation=rows["y_validation"])
    assert load_data(grey).x_validation.max() == 0.5  # not all are bytes, so that none is divided
    assert "validation set of its own" in refused(tmp_path / "a.npz", validation=0.5)


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"x_validation": np.zeros((3, 3))}, "y_validation"),
        ({"x_val": np.zeros((3, 3))}, "array 'x_val' is unknown; choose one of: .*x_validation"),
        ({"x_train": np.array([[0, np.nan, 1]] * 2 + [[np.inf, 0, 0]] * 2)}, "x_train of .* 4 NaN or infinite"),
        ({"x_test": np.full((2, 3), 1e39)}, "x_test of .* 6 NaN or infinite"),
        ({"y_train": np.array([0, -1, 2, 1])}, r"label -1 \(row 1"),
        ({"y_test": np.array([0, 7])}, r"label 7 .* outside 0\.\.2"),
        ({"y_train": np.array([1, 2, 3, 1]), "y_test": np.array([1, 2])}, "start at 1"),
        ({"y_train": np.array([0, 0, 0, 0])}, "at least 2 classes"),
        ({"y_train": np.eye(4, dtype=int)}, "class numbers"),
        ({"y_train": np.array([0, 1, 2])}, "has 3 rows and x_train has 4"),
        ({"y_train": np.array(1)}, "rows"),
        ({"x_test": np.zeros((2, 4))}, "4 features and x_train has 3"),
        ({"x_train": np.zeros((0, 3)), "y_train": np.zeros(0, int)}, "empty"),
        ({"x_train": np.zeros(4)}, "shape"),
        ({"x_train": np.array([["a", "b", "c"]] * 4)}, "type <U1; give numbers"),
        ({"x_train": np.zeros((4, 8, 8, 3))}, r"\(n, channels, height, width\)"),
        ({"x_train": np.zeros((4, 1, 3)), "x_test": np.zeros((2, 3, 1))}, "same shape"),
        ({"y_train": np.array([0, np.nan, 1, 1]), "y_test": np.ones(2)}, "1 NaN"),
        ({"y_train": np.ones((4, 2)), "y_test": np.ones((2, 3))}, "3 outputs, not 2"),
        ({"y_train": np.array([0, None, 1, 2], object)}, "Python objects"),
    ],
)
def test_unusable_npz_is_refused(tmp_path, changes, culprit):
    with pytest.raises(InputError, match=culprit) as caught:
        load_data(save(tmp_path / "own.npz", **changes))
    assert "\n" not in str(caught.value)


def test_absent_npz(tmp_path):
    assert "does not exist" in refused(tmp_path / "own.npz")


# Data


def test_data_keeps_arrays_that_are_right_and_coerces_others():
    x = np.zeros((3, 2), np.float32)
    data = Data(x, [0, 1, 1], np.asfortranarray(np.ones((2, 2), np.float16)), np.array([[1.0], [0.0]]))
    assert data.x_train is x
    assert data.x_test.flags.c_contiguous
    assert data.y_test.tolist() == [1, 0]
    assert data.x_validation.shape == (0, 2)
    assert data.y_validation.shape == (0,)
    assert data.y_validation.dtype == np.int64
    assert repr(data) == "Data('data', classification, 2 features, 2 outputs, 3 train, 0 validation, 2 test)"


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"task": "clustering"}, "task"),
        ({"image_shape": (1, 2, 2)}, "image_shape"),
        ({"input_mean": np.zeros(3)}, "input_mean"),
        ({"y_train": [0, 0.5, 1]}, "label 0.5"),
        ({"x_validation": np.zeros((2, 2))}, "y_validation of data has 0 rows"),
        ({"n_outputs": 1}, "outside 0..0"),
    ],
)
def test_data_that_do_not_fit_are_refused(options, culprit):
    arrays = {"x_train": np.zeros((3, 2)), "y_train": [0, 1, 1], "x_test": np.zeros((1, 2)), "y_test": [0]}
    with pytest.raises(InputError, match=culprit):
        Data(**(arrays | options))


def test_heavy_packages_are_imported_only_when_needed():
    code = (
        "import sys, neurofa.io.datasets, neurofa.io.augment;"
        "print([name for name in ('sklearn', 'scipy', 'pooch', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_address_ends_in_a_slash():
    assert all(url.endswith("/") for source in SOURCES.values() for url in source.urls)
    assert sources.TIMEOUT_S <= 10
