"""The named data sets as data, and how their files are found, checked and downloaded."""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..spec import InputError
from ..spec.errors import require
from .atomic import atomic_path
from .formats import CIFAR_PIXELS

TIMEOUT_S = 10.0
CIFAR10_BATCH_BYTES = 10_000 * (1 + CIFAR_PIXELS)
CIFAR100_BYTES = 2 + CIFAR_PIXELS
TORONTO = ("https://www.cs.toronto.edu/~kriz/",)


@dataclass(frozen=True)
class File:
    """A file of a data set: its name, and its checksum as ``algorithm:hex`` or its size where known."""

    name: str
    checksum: str = ""
    size_bytes: int | None = None
    optional: bool = False


@dataclass(frozen=True)
class Source:
    """A named data set: its size, and its files in `folder` with the addresses that publish them.

    Without files it is ``bundled`` or ``generated``, as `place` says. Where the publisher has one archive,
    `archive` is it, and the files are in a folder of the same name there.
    """

    description: str
    train: int
    test: int
    features: int
    outputs: int
    task: str = "classification"
    place: str = "files"
    folder: str = ""
    files: tuple[File, ...] = ()
    urls: tuple[str, ...] = ()
    archive: File | None = None


def _idx_files(algorithm: str, *checksums: str) -> tuple[File, ...]:
    """The four files of an MNIST-like set: training images and labels, test images and labels."""
    kinds = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return tuple(File(kind, f"{algorithm}:{digest}") for kind, digest in zip(kinds, checksums, strict=True))


def _mnist_like(description: str, folder: str, files: tuple[File, ...], *urls: str) -> Source:
    return Source(description, 60_000, 10_000, 784, 10, folder=folder, files=files, urls=urls)


SOURCES: dict[str, Source] = {
    "digits": Source("handwritten digits of scikit-learn, 8x8", 1437, 360, 64, 10, place="bundled"),
    "mnist": _mnist_like(
        "handwritten digits, 28x28 (LeCun 1998)",
        "mnist",
        _idx_files(
            "sha256",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion_mnist": _mnist_like(
        "articles of clothing, 28x28 (Xiao 2017)",
        "fashion_mnist",
        _idx_files(
            "md5",
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    "kmnist": _mnist_like(
        "cursive Japanese characters, 28x28 (Clanuwat 2018)",
        "kmnist",
        _idx_files(
            "md5",
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    "cifar10": Source(
        "colour photographs, 10 classes, 32x32 (Krizhevsky 2009)",
        50_000,
        10_000,
        CIFAR_PIXELS,
        10,
        folder="cifar-10-batches-bin",
        files=(
            *(File(f"data_batch_{index}.bin", size_bytes=CIFAR10_BATCH_BYTES) for index in range(1, 6)),
            File("test_batch.bin", size_bytes=CIFAR10_BATCH_BYTES, optional=True),
        ),
        urls=TORONTO,
        archive=File("cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"),
    ),
    "cifar100": Source(
        "colour photographs, 100 classes, 32x32 (Krizhevsky 2009)",
        50_000,
        10_000,
        CIFAR_PIXELS,
        100,
        folder="cifar-100-binary",
        files=(
            File("train.bin", size_bytes=50_000 * CIFAR100_BYTES),
            File("test.bin", size_bytes=10_000 * CIFAR100_BYTES),
        ),
        urls=TORONTO,
        archive=File("cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8"),
    ),
    "svhn": Source(
        "house numbers, cropped digits in colour, 32x32 (Netzer 2011)",
        73_257,
        26_032,
        CIFAR_PIXELS,
        10,
        folder="svhn",
        files=(
            File("train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373"),
            File("test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3"),
        ),
        urls=("http://ufldl.stanford.edu/housenumbers/",),
    ),
    "cosine_regression": Source(
        "ten cosines of a mean (Frenkel 2021)", 5_000, 1_000, 256, 10, "regression", place="generated"
    ),
    "frenkel_classification": Source(
        "clusters around the corners of a hypercube (Frenkel 2021)", 25_000, 5_000, 256, 10, place="generated"
    ),
    "linear_teacher": Source(
        "a random linear map, 30 to 10 (Lillicrap 2016)", 10_000, 1_000, 30, 10, "regression", "generated"
    ),
    "linear_teacher_100_20": Source(
        "a random linear map, 100 to 20 (Lillicrap 2016)", 10_000, 1_000, 100, 20, "regression", "generated"
    ),
    "nonlinear_teacher": Source(
        "a random 30-20-10-10 tanh network (Lillicrap 2016)", 10_000, 1_000, 30, 10, "regression", "generated"
    ),
    "quadratic_teacher": Source(
        "random quadratic forms, 20 to 20 (Lillicrap 2016)", 10_000, 1_000, 20, 20, "regression", "generated"
    ),
    "xor": Source("exclusive or, two classes", 4, 4, 2, 2, place="generated"),
    "xor_scalar": Source("exclusive or, one output (Lillicrap 2016)", 4, 4, 2, 1, "regression", "generated"),
}
SOURCES["mnist_autoencoder"] = replace(
    SOURCES["mnist"], description="MNIST's images as their own targets", outputs=784, task="regression"
)


def roots() -> list[Path]:
    """Folders that are searched, in order; the last one, the user's cache, takes downloads."""
    import pooch

    chosen = os.environ.get("NEUROFA_DATA")
    return ([Path(chosen).expanduser()] if chosen else []) + [Path(pooch.os_cache("neurofa"))]


def locate(source: Source) -> tuple[dict[str, Path], list[File]]:
    """The files that are on this machine, and the required ones that are not."""
    located: dict[str, Path] = {}
    folders = [root / source.folder for root in roots()]
    for file in source.files:
        for folder in folders:
            path = folder / file.name
            if path.is_file():
                located[file.name] = path
                break
    return located, [file for file in source.files if file.name not in located and not file.optional]


def remedy(name: str, what: str = "it") -> str:
    """What to do about a damaged file."""
    return f"delete {what} and run: neurofa data fetch {name}"


def verify(name: str, path: Path, file: File) -> None:
    """Refuse a file that is not the published one."""
    try:
        size = path.stat().st_size
        if file.size_bytes is not None and size != file.size_bytes:
            raise InputError(
                f"{path} is damaged or truncated ({size} bytes instead of {file.size_bytes}); {remedy(name)}"
            )
        if file.checksum:
            algorithm, expected = file.checksum.split(":")
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
            require(
                found == expected,
                f"{path} is damaged or truncated ({size} bytes, {algorithm} {found[:12]}... instead of "
                f"{expected[:12]}...); {remedy(name)}",
            )
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the file") from error


def download(name: str, source: Source, absent: Iterable[File]) -> None:
    """Fetch files into the user's cache; each appears there only when it is whole and its checksum is right."""
    absent = list(absent)
    folder = roots()[-1] / source.folder
    reason = ""
    try:
        if source.archive is None:
            for file in absent:
                _retrieve(source.urls, file, folder)
        else:
            archive = _retrieve(source.urls, source.archive, folder)
            _extract(archive, absent, folder)
            archive.unlink()
    except InputError:
        raise
    except ValueError:
        reason = "what was received has a wrong checksum"
    except (OSError, EOFError, tarfile.TarError, KeyError) as error:
        reason = type(error).__name__
    if reason:
        place = roots()[0] / source.folder
        names = ", ".join(file.name for file in absent)
        raise InputError(
            f"{name} is not on this machine and could not be downloaded ({reason}); put {names} into {place}, "
            f"or set NEUROFA_DATA to the folder that has {source.folder}/"
        )


def _retrieve(urls: Iterable[str], file: File, folder: Path) -> Path:
    """Download one file from the first place that has it."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    failure: Exception = OSError("no address is known")
    for url in urls:
        try:
            return Path(
                pooch.retrieve(
                    url + file.name,
                    known_hash=file.checksum,
                    fname=file.name,
                    path=folder,
                    downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
                )
            )
        except (OSError, ValueError) as error:
            failure = error
    raise failure


def _extract(archive: Path, wanted: Iterable[File], folder: Path) -> None:
    """Take single members out of a tar file, each under a temporary name until it is whole."""
    with tarfile.open(archive) as tar:
        for file in wanted:
            member = tar.extractfile(f"{folder.name}/{file.name}")
            if member is None:
                raise KeyError(file.name)
            with atomic_path(folder / file.name) as temporary, temporary.open("wb") as target:
                shutil.copyfileobj(member, target)
