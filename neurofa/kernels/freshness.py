"""Cached machine code that is older than any kernel's source is forgotten.

Numba compares a cached function with the file that it stands in, and not with the files of what it calls: after a
change in one kernel module, callers in the others would go on with the code that they were linked with.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from numba import config

STAMP = "kernels.sha256"


def forget_stale(folder: Path | None = None) -> bool:
    """Remove the folder's cached kernels if they were compiled from other sources than these.

    Returns whether there was anything to forget. Nothing is done in a folder that cannot be written to: Numba then
    caches elsewhere, and an installation renews all files at once.
    """
    folder = folder or Path(__file__).parent
    sources = sorted(folder.glob("*.py"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    cache = _cache_of(folder)
    stamp = cache / STAMP
    stale: list[Path] = []
    with suppress(OSError):
        if stamp.exists() and stamp.read_text() == state:
            return False
        stale = [*cache.glob("*.nbi"), *cache.glob("*.nbc")]
        for path in stale:
            path.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        stamp.write_text(state)
    return bool(stale)


def _cache_of(folder: Path) -> Path:
    """Where Numba keeps what it compiles of a folder: beside the sources, or in the folder of ``NUMBA_CACHE_DIR``."""
    elsewhere = getattr(config, "CACHE_DIR", "")
    if not elsewhere:
        return folder / "__pycache__"
    source = str(folder.absolute())
    return Path(elsewhere, f"{folder.name}_{hashlib.sha1(source.encode()).hexdigest()}")
