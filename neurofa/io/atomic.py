"""Files that are either written completely or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..spec import InputError
from ..spec.errors import first_line


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to `path` when the block ends well.

    The file under `path` is the old one or the whole new one, never a part: the temporary file lies
    beside it, is flushed to the disk, and replaces it in one step. If the block fails or is interrupted,
    the temporary file is removed and `path` stays as it was. Missing folders are made.

    Parameters
    ----------
    path
        Where the file shall be. A link stays a link: the file that it points to is replaced.

    Yields
    ------
    pathlib.Path
        The temporary path, with the suffix of `path`; the block writes and closes this file.

    Raises
    ------
    InputError
        If the operating system refuses (no permission, disk full, `path` is a folder).

    Examples
    --------
    >>> with atomic_path("notes.txt") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("whole or not at all")
    """
    # a link to a file in another folder would otherwise be replaced by the file
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.stem}.{os.getpid()}-{secrets.token_hex(4)}.tmp{target.suffix}")
    try:
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder", str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if not temporary.exists():
            raise RuntimeError(f"nothing was written to the temporary file of {str(path)!r}")
        if target.exists():
            shutil.copymode(target, temporary)
        else:  # as `open` would have made it; some libraries write files that their owner alone can read
            os.umask(mask := os.umask(0))
            temporary.chmod(0o666 & ~mask)
        _flush(temporary)
        os.replace(temporary, target)
        _flush_folder(target.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {str(path)!r}: {first_line(error)}; make room and permit writing there, or choose another "
            "place"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder that is written to later, so that hours of work need not be done to find that it cannot be.

    Raises
    ------
    InputError
        If it cannot be made, or not be written to.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(path)!r}: {error.strerror}; choose another one") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write into {str(path)!r}; permit it, or choose another folder")


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file if it is there.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If the operating system refuses.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot remove {os.fspath(path)!r}: {first_line(error)}; permit writing there, or choose another place"
        ) from error


def _flush(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until a rename in a folder is on the disk, where the system can do that for folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
