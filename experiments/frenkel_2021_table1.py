"""Frenkel et al. 2021, Tables 1 and S1: test error on MNIST of fully-connected networks without dropout.

Protocol: 784-500-10 and 784-500-500-10, tanh and sigmoid, binary cross-entropy, Adam with the rates of
Table 3, batches of 60, 100 epochs; the test error is the mean over the last 10 epochs. The paper has 10 trials,
this script 2 unless told otherwise. Every run is checkpointed and goes on where it was stopped. Rows of the
table are kept if they were made by this version of neurofa from the same description, and made anew otherwise.

    python experiments/frenkel_2021_table1.py --seeds 2 --workers 2
    python experiments/frenkel_2021_table1.py --quick
"""

import argparse
import csv
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
COLUMNS = (
    "network", "rule", "seed", "epochs", "test_error_percent", "seconds", "date", "cpu", "neurofa", "threads", "spec",
)  # fmt: skip
QUICK_EPOCHS = 2
TOLERANCE_POINTS = 0.15  # or three of the paper's standard deviations, whichever is larger


def description(network: str, rule: str) -> str:
    """Hash of all that a model says of a rule's run: network, protocol, rule and data."""
    import neurofa as nf
    from neurofa.io.config import spec_hash

    model = nf.load_model(network)
    return spec_hash(model.for_rule(nf.rules.named(rule)), model.data)


def reusable(rows: list[dict], paper: dict) -> list[dict]:
    """The rows that this version of neurofa would make again."""
    from neurofa import __version__

    known = [row for row in rows if row["rule"] in paper.get(row["network"], {})]
    return [
        row
        for row in known
        if (row["neurofa"], row.get("spec")) == (__version__, description(row["network"], row["rule"]))
    ]


def one(network: str, rule: str, seed: int, epochs: int | None, out: Path, overwrite: bool) -> dict:
    """Train one network by one rule with one seed, and return its row of the table."""
    import neurofa as nf
    from neurofa.io.results import environment

    folder = out / f"{network}-{rule}-{seed}"
    model = nf.load_model(network)
    data = nf.load_data(model.data, seed=seed)
    resume = not overwrite and (folder / "checkpoint.safetensors").exists()
    run = nf.train(
        model, nf.rules.named(rule), data, seed=seed, epochs=epochs, threads=1, probe_every=0,
        out=folder, resume=resume, overwrite=overwrite,
    )  # fmt: skip
    about = environment()
    return {
        "network": network, "rule": rule, "seed": seed, "epochs": run.history.sizes["epoch"],
        "test_error_percent": round(100 * run.test_error, 4), "seconds": round(run.seconds, 1),
        "date": str(about["date"])[:10], "cpu": about["cpu"], "neurofa": about["neurofa"], "threads": 1,
        "spec": description(network, rule),
    }  # fmt: skip


def report(rows: list[dict], paper: dict) -> str:
    """The paper's table with ours beside it, in Markdown."""
    lines = [
        "| network | rule | paper, % | ours, % | seeds | epochs | difference | allowed | within |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for network, rules in paper.items():
        for rule, (value, deviation) in rules.items():
            mine = [row for row in rows if row["network"] == network and row["rule"] == rule]
            if not mine:
                continue
            errors = [float(row["test_error_percent"]) for row in mine]
            spread = f" ± {stdev(errors):.2f}" if len(errors) > 1 else ""
            allowed = max(3 * deviation, TOLERANCE_POINTS)
            difference = mean(errors) - value
            epochs = "/".join(sorted({str(row["epochs"]) for row in mine}))
            lines.append(
                f"| {network.removeprefix('frenkel_2021_mnist_')} | {rule} | {value:.2f} ± {deviation:.2f} "
                f"| {mean(errors):.2f}{spread} | {len(errors)} | {epochs} | {difference:+.2f} | {allowed:.2f} "
                f"| {'yes' if abs(difference) <= allowed else 'no'} |"
            )
    return "\n".join(lines) + "\n"


def write(rows: list[dict], paper: dict, stem: Path) -> None:
    """Write the tidy CSV and the report beside it."""
    from neurofa.io.atomic import atomic_path
    from neurofa.io.results import write_table

    rows = sorted(rows, key=lambda row: (row["network"], row["rule"], int(row["seed"])))
    write_table(stem.with_suffix(".csv"), rows, COLUMNS)
    machines = sorted({f"{row['cpu']}, {row['threads']} thread a run" for row in rows})
    dates = sorted({row["date"] for row in rows})
    text = (
        "# MNIST test error, Frenkel et al. 2021, Tables 1 and S1\n\n"
        "Made by `python experiments/frenkel_2021_table1.py`. Protocol of the paper: Adam, batch 60, rates of "
        "Table 3, mean test error of the last 10 epochs; paper: 10 trials. "
        f"Machine: {'; '.join(machines)}. Date: {' to '.join(sorted({dates[0], dates[-1]}))}. "
        f"neurofa {rows[0]['neurofa']}. Seeds: {', '.join(sorted({str(row['seed']) for row in rows}))}. "
        "The paper has Adam with its default parameters; here the hidden layers of dfa, sdfa and drtp have a smaller "
        "epsilon, since the authors' code leaves their signals undivided by the batch (and the outputs). "
        "Allowed: three of the paper's standard deviations or 0.15 points, whichever is larger.\n\n"
    )
    with atomic_path(stem.with_suffix(".md")) as temporary:
        temporary.write_text(text + report(rows, paper), encoding="utf-8")


def main() -> int:
    from neurofa import InputError

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="trials of each rule (the paper has 10)")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, a thread each")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EPOCHS} epochs, one seed, the small network")
    parser.add_argument("--full", action="store_true", help="the paper's 10 seeds")
    parser.add_argument("--runs", type=Path, default=HERE / "runs", help="folder of the checkpoints")
    parser.add_argument("--overwrite", action="store_true", help="train anew where a checkpoint is another run's")
    options = parser.parse_args()
    paper = tomllib.loads((HERE / "frenkel_2021_table1.toml").read_text())
    epochs, seeds = (QUICK_EPOCHS, 1) if options.quick else (None, 10 if options.full else options.seeds)
    networks = list(paper)[:1] if options.quick else list(paper)
    out = options.runs / ("quick" if options.quick else "full")
    stem = (options.runs if options.quick else HERE / "results") / "frenkel_2021_table1"
    stem.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    if not options.quick and stem.with_suffix(".csv").exists():
        with stem.with_suffix(".csv").open() as file:
            rows = reusable(list(csv.DictReader(file)), paper)
    finished = {(row["network"], row["rule"], int(row["seed"])) for row in rows}
    jobs = [(n, r, s) for s in range(seeds) for n in networks for r in paper[n] if (n, r, s) not in finished]
    failed = 0
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(one, *job, epochs, out, options.overwrite): job for job in jobs}
        for future in as_completed(futures):
            try:
                rows.append(future.result())
            except InputError as error:
                failed += 1
                print(f"{' '.join(map(str, futures[future]))}: {error}", file=sys.stderr)
                continue
            write(rows, paper, stem)
            row = rows[-1]
            print(
                f"{row['network']} {row['rule']} seed {row['seed']}: {row['test_error_percent']} % "
                f"in {row['seconds']} s ({len(rows)} of {len(finished) + len(jobs)})",
                flush=True,
            )
    if failed:
        return 2
    print(stem.with_suffix(".md").read_text())
    if options.quick:
        errors = {row["rule"]: row["test_error_percent"] for row in rows}
        ordered = max(errors["bp"], errors["fa"], errors["dfa"]) < errors["drtp"] < errors["shallow"]
        print("error of shallow > drtp > bp, fa, dfa:", ordered)
        return 0 if ordered else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
