"""Archives of arrays: what is in them comes back, and nothing that can be wrong with them escapes as another error."""

import io
import re
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurofa.exchange import read_weights
from neurofa.io.archives import read_arrays
from neurofa.io.events import read_events
from neurofa.io.formats import read_npz
from neurofa.spec import InputError

# the readers of archives, each with arrays that it takes
READERS: dict[str, tuple[Callable, dict[str, np.ndarray]]] = {
    "data": (
        read_npz,
        {"x_train": np.eye(4), "y_train": np.arange(4), "x_test": np.eye(4), "y_test": np.arange(4)},
    ),
    "events": (lambda path: read_events(path, 1.0), {"time_ms": np.arange(40.0), "unit": np.arange(40)}),
    "weights": (
        read_weights,
        {"layers.0.W": np.linspace(0, 1, 12).reshape(4, 3), "layers.0.b": np.arange(3.0), "comment": np.array("mine")},
    ),
}
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"  # headers of a member, beside it and in the list at the end


def archive(arrays, method=zipfile.ZIP_DEFLATED):
    """The bytes of an archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    return bytearray(content.getvalue())


def headers(content):
    """Offsets of flags and of the compression method in each header."""
    for mark, at in ((LOCAL, 6), (CENTRAL, 8)):
        yield from (found.start() + at for found in re.finditer(re.escape(mark), bytes(content)))


def refused(read, path):
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reader", READERS)
def test_whole_archives_are_read(tmp_path, reader, method):
    read, arrays = READERS[reader]
    path = tmp_path / "a.npz"
    path.write_bytes(archive(arrays, METHODS[method]))
    read(path)


def test_names_or_a_pattern_choose_arrays(tmp_path):
    arrays = {"a.0": np.arange(3), "b": np.eye(2, dtype=np.float32), "a.1": np.array(7)}
    path = tmp_path / "a.npz"
    np.savez(path, **arrays, objects=np.array([None]))
    for names, chosen in ((("b", "a.1"), ["b", "a.1"]), (re.compile(r"a\.\d"), ["a.0", "a.1"]), ((), [])):
        found = read_arrays(path, names, "a.0 and so on")
        assert list(found) == chosen
        for name in chosen:
            assert found[name].dtype == arrays[name].dtype
            np.testing.assert_array_equal(found[name], arrays[name])
    for names, said in (
        (("b", "c", "d"), "no c and no d; write a.0 and so on with"),
        (re.compile("c"), "no arrays with such names; write a.0 and so on with"),
        (("objects",), "Python objects"),
    ):
        assert said in refused(lambda path, names=names: read_arrays(path, names, "a.0 and so on"), path)


@pytest.mark.parametrize("reader", READERS)
def test_encrypted_arrays_are_refused(tmp_path, reader):
    read, arrays = READERS[reader]
    content, path = archive(arrays), tmp_path / "a.npz"
    for at in headers(content):
        content[at] |= 1
    path.write_bytes(content)
    assert "is encrypted" in refused(read, path)


@pytest.mark.parametrize("reader", READERS)
def test_an_unknown_compression_is_refused(tmp_path, reader):
    read, arrays = READERS[reader]
    content, path = archive(arrays), tmp_path / "a.npz"
    for at in headers(content):
        content[at + 2] = 99
    path.write_bytes(content)
    assert "compression method is not supported" in refused(read, path)


@pytest.mark.parametrize("method", ["stored", "deflated"])  # those of NumPy; the others have bytes that nobody reads
@pytest.mark.parametrize("reader", READERS)
def test_a_flipped_byte_in_an_array_is_refused(tmp_path, reader, method):
    read, arrays = READERS[reader]
    content, path = archive(arrays, METHODS[method]), tmp_path / "a.npz"
    name = f"{next(iter(arrays))}.npy"
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        member = file.getinfo(name)
    start = member.header_offset + 30 + len(name)
    for at in range(start, start + member.compress_size, 7):
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        assert "is damaged" in refused(read, path)


@pytest.mark.parametrize("reader", READERS)
def test_a_member_that_is_no_array_is_refused(tmp_path, reader):
    read, arrays = READERS[reader]
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name in arrays:
            file.writestr(f"{name}.npy", b"text")
    assert "is no array" in refused(read, path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "header",
    [b"{'descr': '<f8', [1]: 2}", b"{(", b"{'descr': '<f8', 'shape': (9" + b"9" * 30 + b",), 'fortran_order': 0}"],
)
def test_a_header_that_nobody_wrote_is_refused(tmp_path, reader, header):
    read, arrays = READERS[reader]
    path = tmp_path / "a.npz"
    header = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as file:
        for name in arrays:
            file.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert "is damaged" in refused(read, path)


@given(data=st.data())
@pytest.mark.parametrize("reader", READERS)
def test_no_damage_escapes_as_another_error(tmp_path_factory, reader, data):
    read, arrays = READERS[reader]
    content = archive(arrays, data.draw(st.sampled_from(list(METHODS.values()))))
    flips = st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255))
    for at, flip in data.draw(st.lists(flips, min_size=1, max_size=6)):
        content[at] ^= flip
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path = tmp_path_factory.mktemp("archive") / "a.npz"
    path.write_bytes(content[:end])
    message = ""
    try:  # a flip may be in what nobody reads, such as a date
        read(path)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
