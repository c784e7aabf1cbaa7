"""Verdicts: a published number beside ours, or a finding that holds or does not."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import hypot, isnan, nan
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from .rows import by_seed, compute_seconds
from .scripts import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEADER = "| item | paper | ours | seeds | difference | allowed | within | compute |"
RULE = "| --- | --- | --- | --- | --- | --- | --- | --- |"


@dataclass(frozen=True)
class Verdict:
    """One published number or finding, and ours.

    Parameters
    ----------
    item
        What it is, in a few words.
    paper, paper_std
        The paper's value and its standard deviation; nan where there is none.
    ours, ours_std, seeds
        Mean over seeds, sample standard deviation (nan with one seed), and how many seeds.
    tolerance
        What the difference may be; nan for a finding.
    within
        Whether it is within, or the finding holds.
    seconds
        Wall time of the jobs that the value comes from, added up; one thread each.
    date, machine
        When (the last day) and on what they ran.
    """

    item: str
    paper: float
    paper_std: float
    ours: float
    ours_std: float
    seeds: int
    tolerance: float
    within: bool
    seconds: float
    date: str
    machine: str

    @property
    def is_finding(self) -> bool:
        """Whether it has no number."""
        return isnan(self.paper)

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        return asdict(self) | {"within": "yes" if self.within else "no", "difference": self.ours - self.paper}


def compare(
    item: str,
    rows: Sequence[Row],
    column: str,
    paper: float,
    paper_std: float = nan,
    tolerance: float = 0.0,
    allowed: float | None = None,
) -> Verdict | None:
    """A published number beside the mean over seeds of a column; None if there are no rows, since nothing has run.

    Parameters
    ----------
    item
        What it is.
    rows
        Those that the value comes from, of all seeds.
    column
        Their column; where a seed has several rows, their mean counts.
    paper, paper_std
        Published value and standard deviation.
    tolerance
        Difference that is allowed even if it is more than two combined standard deviations (the root of the sum of
        both squares; one that is missing counts as 0).
    allowed
        Difference that is allowed instead, where deviations of single runs are not the measure.
    """
    if not rows:
        return None
    values = by_seed(rows, column)
    ours, ours_std = mean(values), stdev(values) if len(values) > 1 else nan
    spread = hypot(*(0.0 if isnan(deviation) else deviation for deviation in (paper_std, ours_std)))
    if allowed is None:
        allowed = max(2 * spread, tolerance)
    within = abs(ours - paper) <= allowed
    return Verdict(item, paper, paper_std, ours, ours_std, len(values), allowed, within, *_provenance(rows))


def finding(item: str, holds: bool, rows: Sequence[Row]) -> Verdict | None:
    """A finding without a number: whether it holds in these rows; None if there are none."""
    if not rows:
        return None
    seeds = len({row["seed"] for row in rows})
    return Verdict(item, nan, nan, nan, nan, seeds, nan, bool(holds), *_provenance(rows))


def _provenance(rows: Sequence[Row]) -> tuple[float, str, str]:
    machines = sorted({str(row["cpu"]) for row in rows})
    return round(compute_seconds(rows), 1), max(str(row["date"]) for row in rows), "; ".join(machines)


def lines_of(verdicts: Iterable[Verdict]) -> list[str]:
    """Verdicts as lines of a Markdown table."""
    return [HEADER, RULE, *map(_line, verdicts)]


def _line(verdict: Verdict) -> str:
    v = verdict
    if v.is_finding:
        fields = [v.item, "finding", "holds" if v.within else "does not hold", f"{v.seeds}", "", ""]
    else:
        digits = _digits(v.paper, v.paper_std, v.tolerance)
        paper, ours = _with_spread(v.paper, v.paper_std, digits), _with_spread(v.ours, v.ours_std, digits)
        difference = f"{v.ours - v.paper:+z.{digits}f}"
        fields = [v.item, paper, ours, f"{v.seeds}", difference, f"{v.tolerance:.{digits}f}"]
    return f"| {' | '.join([*fields, 'yes' if v.within else '**no**', duration(v.seconds)])} |"


def _digits(value: float, spread: float, tolerance: float) -> int:
    """Digits after the point: as many as the published number has, at least one, and one of what is allowed."""
    for digits in range(1, 6):
        small = tolerance == 0 or round(tolerance, digits) > 0
        if small and all(isnan(number) or round(number, digits) == number for number in (value, spread)):
            return digits
    return 6


def _with_spread(value: float, spread: float, digits: int) -> str:
    return f"{value:.{digits}f}" + ("" if isnan(spread) else f" ± {spread:.{digits}f}")


def duration(seconds: float) -> str:
    """Compute time in the unit that suits it."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def differences_of_verdicts(
    ax: "Axes", verdicts: Sequence[Verdict], label: str, *, color: str = "#0072B2", marker: str = "o"
) -> "Axes":
    """Draw how far our values are from the published ones, over these: grey is allowed, open symbols are beyond.

    Bars are both standard deviations together, where they are known.
    """
    from ..plot import styled

    with styled():
        for v in verdicts:
            if v.is_finding:
                continue
            spread = hypot(*(0.0 if isnan(deviation) else deviation for deviation in (v.paper_std, v.ours_std)))
            ax.vlines(v.paper, -v.tolerance, v.tolerance, color="#E4E4E4", linewidth=3, zorder=0)
            ax.errorbar(
                v.paper, v.ours - v.paper, yerr=spread, fmt=marker, markersize=3.5, color=color, elinewidth=0.7,
                markerfacecolor=color if v.within else "white",
            )  # fmt: skip
        ax.axhline(0, color="#777777", linewidth=0.6, zorder=1)
        ax.set_xlabel(f"paper: {label}")
        ax.set_ylabel("ours - paper (points)")
    return ax
