"""Machine code compiled from other sources is not used again."""

import importlib.util

from numba import config

from neurofa.kernels.freshness import STAMP, forget_stale


def cached(folder):
    cache = folder / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "a.f-1.py311.nbi").write_text("index")
    (cache / "a.f-1.py311.1.nbc").write_text("code")
    return cache


def test_a_change_in_any_module_forgets_all(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.py").write_text("x = 1")
    cache = cached(tmp_path)
    assert forget_stale(tmp_path)
    assert [path.name for path in cache.iterdir()] == [STAMP]
    cached(tmp_path)
    assert not forget_stale(tmp_path)
    assert len(list(cache.iterdir())) == 3
    (tmp_path / "b.py").write_text("x = 2")
    assert forget_stale(tmp_path)
    assert [path.name for path in cache.iterdir()] == [STAMP]


def test_a_cache_in_a_folder_of_its_own_is_forgotten_too(tmp_path, monkeypatch):
    """Where Numba puts it, by the name of a real function."""
    sources = tmp_path / "kernels"
    sources.mkdir()
    (sources / "a.py").write_text("from numba import njit\n\n\n@njit(cache=True)\ndef one():\n    return 1\n")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("kernels_of_a_test", sources / "a.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.one() == 1
    assert len(list((tmp_path / "cache").rglob("*.nbi"))) == 1
    assert forget_stale(sources)
    assert not list((tmp_path / "cache").rglob("*.nb?"))
    assert not forget_stale(sources)


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "__pycache__").write_text("no folder")
    assert not forget_stale(tmp_path)
