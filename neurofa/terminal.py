"""What people see in a terminal: progress with the time left, and tables."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from .exits import SIGNALS

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_EVERY_S = 10.0


class Reporter:
    """Shows how far a job is: a bar on a terminal, a line now and then elsewhere (on stderr).

    `opening` is said once, when the job has got through its checks and shows the first progress.
    """

    def __init__(self, total: int, bar: "Progress | None", opening: str = "") -> None:
        self.total, self.bar, self.opening = total, bar, opening
        self.said = time.monotonic()
        self.first: tuple[float, float] | None = None
        self.task = bar.add_task("", total=total) if bar is not None else None

    def show(self, done: float, text: str) -> None:
        """Say that `done` of `total` is done, and what is going on."""
        if SIGNALS:
            raise KeyboardInterrupt
        if self.opening:
            print(self.opening, file=sys.stderr, flush=True)
            self.opening = ""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done, description=text)
            return
        now = time.monotonic()
        if self.first is None:
            self.said = now
        # what came before the first progress, such as compiling, does not tell how long the rest takes
        began, before = self.first = self.first or (now, done)
        if now - self.said >= PLAIN_EVERY_S:
            self.said = now
            left = (now - began) * (self.total - done) / (done - before) if done > before else float("nan")
            print(f"{100 * done / self.total:3.0f} %  {text}  {clock(left)} left", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours where there are any."""
    if not seconds < float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def reporting(total: int, opening: str = "") -> Iterator[Reporter]:
    """A `Reporter` for a job of `total` parts."""
    if not sys.stderr.isatty():
        yield Reporter(total, None, opening)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Reporter(total, bar, opening)


def show_table(rows: Sequence[dict[str, object]], title: str = "", right: Sequence[str] = ()) -> None:
    """Print rows as a table; the keys of the first are the columns, those in `right` are aligned to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    # on a pipe the width of a table is what its content needs
    wide = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)
    if title:  # not the table's own, which is padded to its width
        wide.print(title, style="italic", soft_wrap=True)
    wide.print(table)
