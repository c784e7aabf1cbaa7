"""Running a script: its options, jobs side by side with checkpoints, and what is written while they finish."""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator, Sequence, Set
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from filelock import FileLock

from .. import __version__
from ..exits import BAD_INPUT, FAILED, INTERRUPTED, complain
from ..io.atomic import require_folder
from ..io.results import environment, processors, write_table
from ..side_by_side import side_by_side
from ..spec.errors import InputError, require, require_choice
from .report import write_outcome
from .rows import PROVENANCE, as_text, in_order, not_run, of_jobs, read_rows, reusable
from .scripts import Job, Row, Script, results_folder
from .verdicts import duration, lines_of

if TYPE_CHECKING:
    from ..io.data import Data
    from ..run import Run
    from ..spec import Model, Rule


def run_script(path: str | Path, arguments: Sequence[str] | None = None) -> int:
    """Run an experiment as a command: read its options, run what is missing, write rows, verdicts and figure.

    Parameters
    ----------
    path
        Of the script: its ``__file__``.
    arguments
        In place of those of the command line.

    Returns
    -------
    int
        0; 1 if a finding does not hold in a quick run; 2 on bad input, or if a job failed; 130 on Ctrl-C.
    """
    script = Script(Path(path).resolve())
    try:
        options = _options(script, arguments)
    except InputError as error:
        return complain(script.name, str(error))
    mode = "quick" if options.quick else "full" if options.full else "default"
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(script, mode, options)
    except InputError as error:
        return complain(script.name, str(error))
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept, and the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


class _Parser(argparse.ArgumentParser):
    """One line of error, as all commands have it, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see --help)")


def _options(script: Script, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog=script.path.name, description=script.doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--quick", action="store_true", help="under two minutes; fails if a finding does not hold")
    modes.add_argument("--full", action="store_true", help="the paper's protocol with all its seeds")
    parser.add_argument("--seeds", type=int, help="seeds of each job, in place of the mode's")
    parser.add_argument(
        "--only", action="append", default=[], metavar="COLUMN=VALUE[,VALUE]",
        help="only the jobs with one of these values, as in --only rule=fa,dfa --only seed=1",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="list the jobs and which have run, and run none")
    parser.add_argument("--workers", type=int, default=processors(), help="jobs side by side, a thread each")
    parser.add_argument("--results", type=Path, default=results_folder(), help="folder of tables and figures")
    parser.add_argument("--runs", type=Path, help="folder of checkpoints and of quick runs (beside the results)")
    parser.add_argument("--overwrite", action="store_true", help="run anew what is there already")
    options = parser.parse_args(arguments)
    for name in ("seeds", "workers"):
        if (value := getattr(options, name)) is not None and value < 1:
            parser.error(f"--{name} is {value}; give at least 1")
    return options


def _run(script: Script, mode: str, options: argparse.Namespace) -> int:
    runs: Path = options.runs or options.results.parent / "runs"
    results: Path = runs / "quick" if mode == "quick" else options.results
    jobs = _chosen(script.jobs(mode, range(options.seeds or script.seeds(mode))), options.only)
    require(len(jobs) > 0, f"{script.path.name}: there are no jobs")
    table = results / f"{script.name}.csv"
    # a check that has been made does not say that it would be passed again
    fresh = options.overwrite or mode == "quick"
    stored = [] if mode == "quick" else read_rows(table)
    rows = reusable(script, stored, __version__)
    usable = {id(row) for row in rows}
    left_out = {as_text(row) for row in stored if id(row) not in usable}
    if left_out:
        print(f"note: {len(left_out)} stored rows are of another version or description, left out", file=sys.stderr)
    missing = jobs if fresh else not_run(rows, jobs)
    if options.list:
        to_run = {id(job) for job in missing}
        print("\n".join(f"{_words(job)}: {'to run' if id(job) in to_run else 'has run'}" for job in jobs))
        return 0
    if missing and hasattr(script.module, "ready"):
        script.module.ready(mode)
    for folder in (results, runs):
        require_folder(folder)  # now, and not when hours of work are to be written
    if mode == "quick":
        table.unlink(missing_ok=True)
    if left_out and missing:
        aside = runs / time.strftime(f"{script.name}_left_out_%Y-%m-%d_%H%M%S.csv")
        write_table(aside, [row for row in stored if id(row) not in usable])
        print(f"note: they are in {aside} from now on", file=sys.stderr)
    done, failed = len(jobs) - len(missing), 0
    folders = runs / ("quick" if mode == "quick" else "jobs") / script.name
    with closing(_results(script, missing, folders, fresh, options.workers)) as finished:
        for job, made, said in finished:
            if made is None:
                failed += 1
                print(f"{_words(job)}: {said}", file=sys.stderr, flush=True)
                continue
            _store(table, runs / f"{script.name}.lock", job, made, left_out)
            shutil.rmtree(_folder(job, folders, str(made[0]["spec"])), ignore_errors=True)  # it is needed no more
            done += 1
            print(f"{_words(job)}: {duration(float(made[0]['seconds']))} ({done} of {len(jobs)})", flush=True)
    rows = [row for row in read_rows(table) if as_text(row) not in left_out]
    if not rows:
        return BAD_INPUT
    verdicts = write_outcome(script, rows, results, "quick" if mode == "quick" else "").verdicts
    print("\n".join(lines_of(verdicts)))
    print(f"{results / script.name}: .csv, .md, .png, _verdicts.csv")
    if failed:
        return BAD_INPUT
    broken = [verdict.item for verdict in verdicts if verdict.is_finding and not verdict.within]
    if mode == "quick" and broken:
        print(f"{script.name}: not found: {'; '.join(broken)}", file=sys.stderr)
        return FAILED
    return 0


def _chosen(jobs: list[Job], only: Sequence[str]) -> list[Job]:
    """The jobs that all of the conditions ``column=value,value`` are true of."""
    chosen = jobs
    for condition in only:
        column, _, values = condition.partition("=")
        require(values != "", f"--only {condition!r} has no value; give COLUMN=VALUE, such as seed=0")
        require_choice("column", column, jobs[0])
        for value in values.split(","):
            require_choice(column, value, dict.fromkeys(str(job[column]) for job in jobs))
        chosen = [job for job in chosen if str(job[column]) in values.split(",")]
    require(len(chosen) > 0, f"no job has all of: {' '.join(only)}; --list shows the jobs")
    return chosen


def _store(table: Path, lock: Path, job: Job, made: Sequence[Row], left_out: Set[tuple[str, ...]]) -> None:
    """Put the rows of a job into the table, in place of those it had; other commands may do so at the same time."""
    with FileLock(lock):
        kept = [row for row in read_rows(table) if as_text(row) not in left_out]
        before = {id(row) for row in of_jobs(kept, [job])}
        rows = in_order([*(row for row in kept if id(row) not in before), *made], list(job))
        write_table(table, rows, list(made[0]))


def _results(
    script: Script, jobs: Sequence[Job], folders: Path, fresh: bool, workers: int
) -> Generator[tuple[Job, list[Row] | None, str], None, None]:
    """Each job with its rows, as they finish; None and a message for one that cannot be done."""
    work = [(str(script.path), job, str(folders), fresh) for job in jobs]
    with closing(side_by_side(_work, work, workers)) as finished:
        for number, made, said in finished:
            yield jobs[number], made, said


def _work(path: str, job: Job, folders: str, fresh: bool) -> list[Row]:
    """Run one job in a worker, and return its rows with where they come from."""
    return _rows(Script(Path(path)), job, Path(folders), fresh)


def _folder(job: Job, folders: Path, spec: str) -> Path:
    """Where a job has its checkpoint: nothing is taken up that another version or description has left."""
    return folders / f"{'-'.join(str(value) for value in job.values())}-{spec[:8]}-{__version__}"


def _rows(script: Script, job: Job, folders: Path, fresh: bool) -> list[Row]:
    spec = script.spec(job)
    folder = _folder(job, folders, spec)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    measured = script.module.one(job, folder)
    about = environment()
    provenance = {
        "seconds": round(time.perf_counter() - began, 1), "date": str(about["date"])[:10], "cpu": about["cpu"],
        "neurofa": about["neurofa"], "threads": 1, "spec": spec,
    }  # fmt: skip
    require(len(measured) > 0, f"{script.path.name}: one() gave no rows")
    rows = [{**job, **provenance, **row} for row in measured]
    columns = (*job, *script.module.MEASURED, *PROVENANCE)
    for row in rows:
        wrong = sorted(set(columns) ^ set(row))
        require(not wrong, f"{script.path.name}: columns that MEASURED and one() do not share: {', '.join(wrong)}")
    return [{name: row[name] for name in columns} for row in rows]


def described_run(model: "Model | str", rule: str, *more: Any) -> tuple[Any, ...]:
    """What a script's `describe` returns of a run of a model by a rule.

    Parameters
    ----------
    model
        The model, or its name.
    rule
        A preset's name.
    more
        Whatever else decides the job's rows.
    """
    from ..io.config import load_model
    from ..rules import named

    model = load_model(model) if isinstance(model, str) else model
    return *model.for_rule(named(rule)), model.data, *more


def trained(
    folder: Path | None,
    model: "Model",
    rule: "Rule",
    data: "Data",
    seed: int,
    probe_every: int | None = 0,
    **options: Any,
) -> "Run":
    """Train as `neurofa.train` does, with one thread and a checkpoint in `folder`, or go on from that checkpoint.

    Without a folder there is no checkpoint, which saves time where an epoch takes less than a millisecond.
    """
    from ..run import CHECKPOINT, train

    resume = folder is not None and (folder / CHECKPOINT).exists()
    return train(model, rule, data, seed=seed, threads=1, probe_every=probe_every, out=folder, resume=resume, **options)


def _words(job: Job) -> str:
    return " ".join(f"{name}={value}" if isinstance(value, int | float) else str(value) for name, value in job.items())


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
