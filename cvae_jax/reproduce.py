"""The paper's tables and figures: `python -m cvae_jax.reproduce --figure=12 --scale=half`.

Trains what is missing, one run after the other, goes on with what was cut, and gathers what is
there. A run that has ended is kept as a record in results/ and is not made again.
"""

import argparse
import logging
import subprocess
import sys
import time
from pathlib import Path

from cvae_jax import command_line
from cvae_jax.command_line import Stopped
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.reproduction import paper, runs, show, tuning
from cvae_jax.reproduction.tables import Found
from cvae_jax.train import stop_requests
from cvae_jax.workdir import in_use

log = logging.getLogger("cvae_jax.reproduce")  # not __main__, which nobody listens to

SEEDS = {"quick": 2, "half": 3, "paper": 3}


def plan(name: str, scale: str, seeds: int) -> list[runs.Run]:
    """The runs of an experiment, seed by seed: whatever is cut, each method has about as many."""
    if name == "tuning":
        return tuning.planned()
    experiment = paper.EXPERIMENTS[name]
    return [
        runs.Run(scale, data, method, seed)
        for seed in range(seeds)
        for data, method in experiment.runs
    ]


def _missing_data(run) -> str:
    """Why the run's data can't be had, in the words of their builder; "": they are here."""
    config = runs.config(run)
    try:
        pipeline.load(config.data.name, config.data.size, config.data.dir)
    except UserError as error:
        return f"needs its data: {error}"
    return ""


def _train(run, workdir) -> str:
    """Trains a run as a program of its own; returns what went wrong, "": nothing.

    Raises:
      Stopped: a signal has asked this program to stop; the run has saved.
      UserError: the run is at work already, in a program that an earlier kill left alone.
    """
    if in_use(workdir):
        raise UserError(f"a run is at work in {workdir}: stop it, or wait for its end")
    with stop_requests() as requests:
        # In our process group: Ctrl-Z and a closed terminal reach it as they reach us.
        child = subprocess.Popen(runs.program(run, workdir))
        try:
            while child.poll() is None:
                if requests:
                    child.terminate()  # a Ctrl-C has reached it; another signal only us
                    child.wait()
                time.sleep(0.2)
        finally:
            child.terminate()  # a second Ctrl-C has brought us here
            child.wait()
    if requests:
        raise Stopped(requests[0])
    if not child.returncode:
        return ""
    command = " ".join(["python", *run.command, f"--workdir={workdir}"])
    return f"it ended with code {child.returncode}; why, says: {command}"


def _left(todo, records) -> str:
    """How long the runs to do will take, by those of the same method that have ended."""
    took = {run: r["training_seconds"] + r["evaluation_seconds"] for run, r in records.items()}
    if not took:
        return ""
    mean = sum(took.values()) / len(took)
    total = 0
    for run in todo:
        like = [s for r, s in took.items() if (r.data, r.method) == (run.data, run.method)]
        total += sum(like) / len(like) if like else mean
    return f", about {int(total // 3600)}:{int(total % 3600 // 60):02} hours left"


def _run_all(planned, records, folders, results):
    """Trains what has no record yet; adds to records.

    Returns:
      {run: why it has no record}, and the runs that failed.
    """
    reasons, failed, no_data = {}, [], {}
    todo = [run for run in planned if run not in records]
    for i, run in enumerate(todo):
        if run.data not in no_data:
            no_data[run.data] = _missing_data(run)
        reason = no_data[run.data]
        if not reason:
            done = f"{len(records)} of {len(planned)} runs done"
            log.info("%s%s; now %s", done, _left(todo[i:], records), run.key)
            reason = _train(run, folders / run.key)
            failed += [run] if reason else []
        if reason:
            reasons[run] = reason
            log.warning("%s: %s", run.key, reason)
        else:
            records[run] = runs.write_record(results, run, folders / run.key)
    return reasons, failed


def _found(planned, records, reasons) -> Found:
    """By method: records of each seed, or why there are none."""
    grouped = Found({}, {})
    for run in planned:
        what = (run.data, run.method, run.changes)
        by_seed = grouped.records.setdefault(what, {})
        if run in records:
            by_seed[run.seed] = records[run]
        else:
            missing = "the same command without --gather makes it, or says why not"
            grouped.reasons.setdefault(what, reasons.get(run, missing))
    return grouped


def main(argv) -> None:
    """Reproduce as the command line asks."""
    parser = argparse.ArgumentParser(
        prog="python -m cvae_jax.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    numbers = {
        kind: [n.removeprefix(kind) for n in paper.EXPERIMENTS if n.startswith(kind)]
        for kind in ("table", "figure")
    }
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", choices=numbers["table"])
    what.add_argument("--figure", choices=numbers["figure"])
    what.add_argument(
        "--tuning", action="store_true", help="the settings that each method was tried with"
    )
    parser.add_argument("--scale", choices=[*SEEDS], help=f"see {runs.CONFIG}; default: quick")
    parser.add_argument("--seeds", type=int, help=f"by default {SEEDS}")
    parser.add_argument("--gather", action="store_true", help="train nothing, show what is there")
    parser.add_argument("--runs", default="runs/paper", help="folder of the runs themselves")
    parser.add_argument("--results", default="results", help="folder of what is kept")
    args = parser.parse_args(argv[1:])
    if args.tuning and (args.scale or args.seeds is not None):
        raise UserError("--tuning has a scale and a seed of its own: leave out --scale and --seeds")
    if args.seeds is not None and args.seeds < 1:
        raise UserError(f"--seeds is {args.seeds}: it must be at least 1")
    scale = "tuning" if args.tuning else args.scale or "quick"
    name = f"table{args.table}" if args.table else f"figure{args.figure}"
    name = "tuning" if args.tuning else name
    planned = plan(name, scale, args.seeds or SEEDS.get(scale))
    results, folders = Path(args.results), Path(args.runs)
    records = {run: runs.read_record(results, run) for run in planned}
    records = {run: record for run, record in records.items() if record}
    for run, record in records.items():
        if runs.has_more(record, folders / run.key):
            records[run] = runs.write_record(results, run, folders / run.key)
    reasons, failed = ({}, []) if args.gather else _run_all(planned, records, folders, results)
    found = _found(planned, records, reasons)
    paths = show.write(name, scale, found, results)
    log.info("%s\n%s", paths[0].read_text(), "  ".join(map(str, paths)))
    if failed:
        raise UserError(f"{len(failed)} of {len(planned)} runs failed: {reasons[failed[0]]}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, sys.argv))
