"""What experiments leave: rows, verdicts and a figure each, the scoreboard of all, the gallery."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import __version__
from ..io.atomic import atomic_path, remove
from ..io.results import write_table
from ..plot import save_figure, styled
from .rows import OVER_SEEDS, compute_seconds, not_run, of_jobs, read_rows, reusable
from .scripts import Row, Script, bundled_scripts
from .verdicts import Verdict, duration, lines_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    "experiment", "item", "paper", "paper_std", "ours", "ours_std", "seeds", "difference", "tolerance", "within",
    "protocol", "seconds", "date", "neurofa", "machine", "command",
)  # fmt: skip
WITHIN = (
    "A number is within if it differs from the paper's by at most two combined standard deviations (the root of the "
    "sum of both squares), or by the tolerance that the script names where that is more; a script may name what is "
    "allowed in place of both."
)
DRAWN = (
    "In the figure lines are means over seeds, on a logarithmic axis medians; bands reach from the smallest to the "
    "largest seed. A line without a band has one seed, or is drawn without."
)
MISSES = IndexError, KeyError, ValueError  # what a script meets that looks for jobs which have not run
SUMMARY = (
    "| experiment | numbers within | findings that hold | protocol | compute |",
    "| --- | --- | --- | --- | --- |",
)


def protocol(script: Script, rows: Sequence[Row], mode: str = "") -> tuple[str, list[Row], str]:
    """The most complete mode that the rows cover, the rows of it, and its protocol in words.

    Parameters
    ----------
    mode
        The mode, if it is known.
    """
    seeds = sorted({int(row["seed"]) for row in rows})
    if not mode:
        partial = of_jobs(rows, script.jobs("default", seeds))  # none, if full has other jobs
        incomplete = not_run(rows, script.jobs("full", range(script.seeds("full"))))
        mode = "default" if partial and incomplete else "full"
    mine = of_jobs(rows, script.jobs(mode, seeds))
    missing = len(not_run(mine, script.jobs(mode, range(script.seeds(mode)))))
    words = f"{script.module.PROTOCOL[mode]}; {len({row['seed'] for row in mine})} of {script.seeds('full')} seeds"
    return mode, mine, words + (f"; {missing} jobs of this protocol have not run yet" if missing else "")


def has_whole_seed(script: Script, mine: Sequence[Row], mode: str) -> bool:
    """Whether all jobs of at least one seed have run."""
    return any(not not_run(mine, script.jobs(mode, [seed])) for seed in {int(row["seed"]) for row in mine})


def judged(script: Script, mine: Sequence[Row], mode: str) -> list[Verdict]:
    """The verdicts on rows of a mode; findings only if there is a whole seed, since they compare jobs."""
    whole = has_whole_seed(script, mine, mode)
    try:
        found = script.module.verdicts(mine, script.paper)
    except MISSES:
        if whole:
            raise
        return []
    return [verdict for verdict in found if verdict is not None and (whole or not verdict.is_finding)]


def command_of(script: Script, mode: str) -> str:
    """The command that makes an experiment in a mode."""
    return f"neurofa experiments run {script.name}" + ("" if mode == "default" else f" --{mode}")


class Outcome(NamedTuple):
    """What an experiment has come to: its verdicts, the rows of the protocol that they are on, which, and how made."""

    verdicts: list[Verdict]
    rows: list[Row]
    protocol: str
    command: str


def write_outcome(script: Script, rows: Sequence[Row], results: Path, mode: str = "") -> Outcome:
    """Judge the rows of an experiment, and write verdicts, page and figure into a folder."""
    mode, mine, words = protocol(script, rows, mode)
    verdicts, command = judged(script, mine, mode), command_of(script, mode)
    known: dict[str, Any] = {
        "experiment": script.name, "protocol": words, "neurofa": rows[0]["neurofa"], "command": command,
    }  # fmt: skip
    write_table(results / f"{script.name}_verdicts.csv", [known | verdict.row() for verdict in verdicts], COLUMNS)
    figure = drawn(script, mine, mode)
    picture = results / f"{script.name}.png"
    if figure is None:
        remove(picture)  # one of other rows
    else:
        save_figure(figure, picture)
    _write(results / f"{script.name}.md", _page(script, mine, verdicts, words, command, figure))
    return Outcome(verdicts, mine, words, command)


def drawn(script: Script, mine: Sequence[Row], mode: str) -> "Figure | None":
    """The figure of an experiment, or None where too few of its jobs have run for one."""
    try:
        with styled():
            return script.module.draw(mine, script.paper)
    except MISSES:
        if has_whole_seed(script, mine, mode):
            raise
        return None


def _page(
    script: Script, rows: Sequence[Row], verdicts: Sequence[Verdict], words: str, command: str, figure: "Figure | None"
) -> str:
    """One experiment in Markdown: what it is, how it was made, its verdicts, a table of its own, its figure."""
    dates = sorted({str(row["date"]) for row in rows})
    own = [script.module.table(rows), ""] if hasattr(script.module, "table") else []
    if figure is None:
        shown = ["Too few of its jobs have run for a figure."]
    else:
        curves = any(line.get_gid() == OVER_SEEDS for ax in figure.axes for line in ax.lines)
        shown = [*([DRAWN, ""] if curves else []), f"![{script.title}]({script.name}.png)"]
    lines = [
        f"# {script.title}", "", f"Made by `{command}`. Protocol: {words}.",
        f"Machine: {'; '.join(sorted({str(row['cpu']) for row in rows}))}, one thread a job, "
        f"{duration(compute_seconds(rows))} of compute. Date: {' to '.join(sorted({dates[0], dates[-1]}))}. "
        f"neurofa {rows[0]['neurofa']}.", "", _body(script), "", WITHIN, "", *_table(verdicts), "", *own,
        *shown, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _body(script: Script) -> str:
    """The docstring of a script without its first line."""
    return script.doc.partition("\n")[2].strip()


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    return lines_of(verdicts) if verdicts else ["Too few of its jobs have run for a verdict."]


def report(results: Path, scoreboard: Path, gallery: Path) -> list[str]:
    """Judge and draw all stored rows again, and write the scoreboard and the gallery.

    Parameters
    ----------
    results
        Folder of the tables.
    scoreboard, gallery
        Files to write: a table of all experiments and one row for each published number; the figures of all.

    Returns
    -------
    list of str
        What could not be judged, in a line each.
    """
    notes, summary, sections, pictures = [], [], [], []
    numbers: list[Verdict] = []
    for script in bundled_scripts():
        page = results / f"{script.name}.md"
        link = os.path.relpath(page, scoreboard.parent)
        stored = read_rows(results / f"{script.name}.csv")
        rows = reusable(script, stored, __version__)
        if len(rows) < len(stored):
            notes.append(
                f"{script.name}: {len(stored) - len(rows)} rows are of another version or description, left out"
            )
        if not rows:
            notes.append(f"{script.name}: no rows; neurofa experiments run {script.name}")
            summary.append(f"| {script.title} | not run | | `neurofa experiments run {script.name}` | |")
            continue
        verdicts, mine, words, command = write_outcome(script, rows, results)
        numbers += verdicts
        compute = duration(compute_seconds(mine))
        about = f"`{command}`: {words}. {compute} of compute. [Its page]({link})."
        summary.append(f"| [{script.title}]({link}) | {' | '.join(_counts(verdicts))} | {words} | {compute} |")
        sections += [f"## {script.title}", "", about, "", _body(script), "", *_table(verdicts), ""]
        picture = os.path.relpath(results / f"{script.name}.png", gallery.parent)
        pictures += [f"## {script.title}", "", f"`{command}`", "", f"![{script.title}]({picture})", ""]
    _write(scoreboard, "\n".join([*_opening(numbers), *SUMMARY, *summary, "", *sections]))
    _write(
        gallery,
        "\n".join(["# Gallery", "", "Figures of the experiments, each with the command that made it.", "", *pictures]),
    )
    return notes


def _counts(verdicts: Sequence[Verdict]) -> list[str]:
    """How many published numbers are within, and how many findings hold; empty where there are none."""
    kinds = [[v.within for v in verdicts if v.is_finding == of_findings] for of_findings in (False, True)]
    return [f"{sum(kind)} of {len(kind)}" if kind else "" for kind in kinds]


def _opening(verdicts: Sequence[Verdict]) -> list[str]:
    """What is in the scoreboard, and how many of all are within."""
    within, hold = _counts(verdicts)
    return [
        "# Results", "", "Made by `neurofa experiments report` from the rows in `results/`. "
        f"{within or 'None'} published numbers are within, {hold or 'none'} findings hold.", "", WITHIN, "",
        "Compute is wall time of the jobs added up, one thread each. With one or two seeds a standard deviation says "
        "little; each section says how many seeds its full protocol has.", "",
    ]  # fmt: skip


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
