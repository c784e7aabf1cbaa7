"""docs/speed.md is what its tables say, and the benchmarks' scripts can be started."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "benchmarks"


@pytest.fixture
def page(monkeypatch):
    """The module that writes the page, which is a script and no part of the package."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import page

    yield page
    del sys.modules["page"]


def test_page_is_made_of_the_tables(page, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    assert page.write_page().read_text(encoding="utf-8") == (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")


def test_missed_aims_are_said(page):
    rows = page.read(page.SPIKING)
    changed = [row | {"ratio": "1.0"} if row["workload"] == "w1" else row for row in rows]
    assert "| 2.5, missed |" in page.spiking_section(changed)
    assert ("| 2.5 |" in page.spiking_section(rows)) == (float(rows[0]["ratio"]) >= 2.5)


@pytest.mark.slow
def test_training_beside_busy_programs_is_timed(page):
    import busy

    for wide in busy.MODELS.values():
        with busy.busy(1):
            assert 0 < busy.seconds(wide, "1000", epochs=1) < 600
    del sys.modules["busy"]


@pytest.mark.parametrize("name", ["rate", "spiking", "busy"])
def test_benchmarks_have_help(name):
    done = subprocess.run([sys.executable, str(SCRIPTS / f"{name}.py"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "docs/speed.md" in done.stdout
