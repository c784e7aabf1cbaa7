"""Published tables and figures as scripts: jobs side by side, tidy rows, verdicts, figures, a scoreboard.

A script says what its jobs are, runs one of them, compares rows with the paper's values, and draws; all else is here.
docs/experiments.md has the pattern.
"""

from .rows import mean_curves, mean_of, panels, thinned, where
from .running import described_run, run_script, trained
from .scripts import Script, bundled_scripts, load_script, paper_of
from .verdicts import Verdict, compare, differences_of_verdicts, finding

__all__ = [
    "Script",
    "Verdict",
    "bundled_scripts",
    "compare",
    "described_run",
    "differences_of_verdicts",
    "finding",
    "load_script",
    "mean_curves",
    "mean_of",
    "panels",
    "paper_of",
    "run_script",
    "thinned",
    "trained",
    "where",
]
