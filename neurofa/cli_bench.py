"""The commands that measure speed."""

from pathlib import Path
from typing import Annotated

import typer

bench_app = typer.Typer(help="Measure speed.", no_args_is_help=True)


@bench_app.command("rate")
def bench_rate(
    network: Annotated[
        str | None, typer.Option(help="Widths, such as 784-1000-10; the standard set unless given.")
    ] = None,
    rule: Annotated[str, typer.Option(help="Rules, separated by commas.")] = "bp,drtp",
    batch: Annotated[int | None, typer.Option(min=1, help="Samples an update.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adam, sgd, ...")] = None,
    pairs: Annotated[int, typer.Option(min=3, help="Timings of each; medians are printed.")] = 7,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads, at most 8; all cores unless given.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file for the table.")] = None,
) -> None:
    """Time training in rate mode; paired with PyTorch where it is installed.

    Example: neurofa bench rate --network 784-1000-10
    """
    from .bench.rate import run_benchmark

    run_benchmark(network, rule.split(","), batch, optimiser, pairs, threads, out)


@bench_app.command("spiking")
def bench_spiking(
    workload: Annotated[str, typer.Option(help="w1, w2, loop or memory.")] = "loop",
    size: Annotated[int | None, typer.Option(min=1, help="Milliseconds of w1, samples of w2 and loop.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Timings; medians are printed.")] = 7,
    peer: Annotated[
        bool, typer.Option("--peer", help="In turn with Brian2 C++ standalone (needs a compiler).")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the table.")] = None,
) -> None:
    """Time the spiking engine on one core.

    Example: neurofa bench spiking --workload w2
    """
    from .bench.spiking import run_spiking_benchmark

    run_spiking_benchmark(workload, size=size, pairs=pairs, peer=peer, out=out)
