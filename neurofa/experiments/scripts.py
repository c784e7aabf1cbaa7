"""Scripts of experiments: where they are, what they are called, and what they must have."""

import ast
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from ..io.config import spec_hash
from ..io.validation import Where, read_toml
from ..spec.errors import InputError, require, require_choice

MODES = ("quick", "default", "full")
FUNCTIONS = ("jobs", "describe", "one", "verdicts", "draw")
TABLES = ("SEEDS", "PROTOCOL")

Job = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Script:
    """An experiment: a Python file with the paper's values in a TOML file of the same name beside it.

    Parameters
    ----------
    path
        Of the Python file.
    """

    path: Path

    @property
    def name(self) -> str:
        """Such as ``frenkel_2021_table1``."""
        return self.path.stem

    @cached_property
    def source(self) -> ast.Module:
        """The file, parsed but not run."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    @property
    def doc(self) -> str:
        """The docstring of the file."""
        return ast.get_docstring(self.source) or ""

    @property
    def title(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0].rstrip(".")

    @property
    def paper(self) -> dict[str, Any]:
        """The paper's values."""
        return paper_of(self.path)

    @cached_property
    def module(self) -> ModuleType:
        """The script as a module, under its own name.

        Raises
        ------
        InputError
            If one of the functions or tables that a script must have is missing.
        """
        spec = importlib.util.spec_from_file_location(self.name, self.path)
        if spec is None or spec.loader is None:
            raise InputError(f"{str(self.path)!r} is not a Python file; give one of the form of docs/experiments.md")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module  # where its dataclasses look for their module
        if str(self.path.parent) not in sys.path:
            sys.path.append(str(self.path.parent))  # a script may share a module with its neighbours
        spec.loader.exec_module(module)
        missing = [name for name in (*FUNCTIONS, *TABLES, "MEASURED") if not hasattr(module, name)]
        require(not missing, f"{self.path.name} lacks {', '.join(missing)}; docs/experiments.md says what a script has")
        for name in TABLES:
            for mode in MODES:
                require(
                    mode in getattr(module, name), f"{self.path.name}: {name} has no {mode!r}; it has an entry each"
                )
        return module

    def seeds(self, mode: str) -> int:
        """Seeds of each job in a mode."""
        return int(self.module.SEEDS[mode])

    def jobs(self, mode: str, seeds: Sequence[int]) -> list[Job]:
        """All jobs, those of the first seed first; each must have its seed."""
        require_choice("mode", mode, MODES)
        jobs = [job for seed in seeds for job in self.module.jobs(mode, seed)]
        require(all("seed" in job for job in jobs), f"{self.path.name}: a job has no 'seed'")
        require(len({tuple(job) for job in jobs}) <= 1, f"{self.path.name}: jobs have different keys, or another order")
        require(len({key(job) for job in jobs}) == len(jobs), f"{self.path.name}: two jobs are the same")
        return jobs

    def spec(self, job: Job) -> str:
        """Hash of all descriptions that decide what a job's rows are, except its seed."""
        return spec_hash(*self.module.describe(job))


@cache
def paper_of(script: str | Path) -> dict[str, Any]:
    """The paper's values: the TOML file beside a script, which is given by its ``__file__``."""
    path = Path(script).with_suffix(".toml")
    return read_toml(path, Where(str(path)), "give the paper's values in TOML beside the script")


def key(job: Job) -> tuple[tuple[str, str], ...]:
    """What tells a job from the others, as a table has it."""
    return tuple((name, str(value)) for name, value in job.items())


def scripts_folder() -> Path:
    """The folder of the scripts: inside an installed package, beside the package in a source tree."""
    inside = Path(__file__).resolve().parent / "bundled"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "experiments"


def bundled_scripts() -> list[Script]:
    """The experiments, sorted by name: Python files with a TOML file of the same name beside them."""
    return [Script(p) for p in sorted(scripts_folder().glob("*.py")) if p.with_suffix(".toml").is_file()]


def load_script(name: str) -> Script:
    """One of `bundled_scripts` by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    found = {script.name: script for script in bundled_scripts()}
    require_choice("experiment", name, found, listed_by="see `neurofa experiments list`")
    return found[name]


def results_folder() -> Path:
    """Where results are kept: in a source tree beside the scripts; elsewhere in the current folder."""
    folder = scripts_folder()
    return Path("neurofa-experiments/results") if folder.name == "bundled" else folder / "results"
