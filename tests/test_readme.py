"""The Python of README and docs runs as it stands, and the examples of the docstrings give what they say."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

import neurofa as nf

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/rules.md",
    "docs/conventions.md",
    "docs/papers.md",
    "docs/spiking.md",
    "docs/hardware.md",
    "docs/chips.md",
    "docs/exchange.md",
    "docs/usage.md",
)
EXAMPLES = (
    "neurofa",
    "neurofa.run",
    "neurofa.estimator",
    "neurofa.io.settings",
    "neurofa.evaluation",
    "neurofa.simulation",
    "neurofa.spec.rule",
    "neurofa.spec.network",
    "neurofa.rules.presets",
)


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks(page):
        exec(compile(code, page, "exec"), names)
    assert "nf" in names


def test_the_model_of_the_usage_page_is_one(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "usage.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(text)
    assert nf.load_model(tmp_path / "mine.toml").network.sizes == (20, 30, 3)


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_docstrings(name):
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
