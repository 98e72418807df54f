"""The paper's tables and figures: `cvae reproduce --figure=12 --scale=half`.

Trains what is missing, one run after the other or several side by side, resumes what was
interrupted, and gathers what is there. A run that has ended is kept as a record in results/ and is
not trained again.
"""

if __name__ == "__main__":  # as `cvae reproduce`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["reproduce", *sys.argv[1:]]))

import argparse
import logging
from pathlib import Path

from cvae_jax import cli, errors
from cvae_jax.datasets import catalogue
from cvae_jax.errors import UserError
from cvae_jax.reproduction import paper, runs, show, trainer, tuning
from cvae_jax.reproduction.tables import Found

log = logging.getLogger(__name__)

SEEDS = {"quick": 2, "half": 3, "paper": 3}


def plan(name: str, scale: str, seeds: int) -> list[runs.Run]:
    """Returns the runs of an experiment, seed by seed: an early end cuts all methods alike."""
    if name == "tuning":
        return tuning.planned()
    experiment = paper.EXPERIMENTS[name]
    return [
        runs.Run(scale, data, method, seed)
        for seed in range(seeds)
        for data, method in dict.fromkeys(experiment.runs)
    ]


def _needs(data: str) -> str:
    """Returns what runs of a data set need, where nobody has tried to train them."""
    source = catalogue.ENTRIES[data].source
    rendered = source.startswith("rendered here")
    first = "" if rendered else f"{data} ({source}; docs/data.md says what goes where) and "
    return f"needs {first}the command above"


def _found(planned, records, reasons) -> Found:
    """Returns by method the records of each seed, or why there are none."""
    grouped = Found({}, {})
    for run in planned:
        what = (run.data, run.method, run.changes)
        by_seed = grouped.records.setdefault(what, {})
        if run in records:
            by_seed[run.seed] = records[run]
        if run not in records or run in reasons:  # an interrupted one may have failed since
            grouped.reasons.setdefault(what, reasons.get(run, _needs(run.data)))
    return grouped


def main(argv) -> None:
    """Reproduces as the command line asks."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = cli.Parser("reproduce", __doc__, formatter_class=raw)
    errors.name_options(data_dir="TFDS_DATA_DIR")
    numbers = {
        kind: [n.removeprefix(kind) for n in paper.EXPERIMENTS if n.startswith(kind)]
        for kind in ("table", "figure")
    }
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", choices=numbers["table"], help="of the paper")
    what.add_argument(
        "--figure",
        choices=numbers["figure"],
        help="of the paper; ours: 12b, given conditionals and a KL that falls; 12c, the fall "
        "alone; 12d, posterior latents",
    )
    what.add_argument(
        "--tuning", action="store_true", help="the settings that each method was tried with"
    )
    parser.add_argument("--scale", choices=[*SEEDS], help=f"see {runs.CONFIG}; default: quick")
    parser.add_argument(
        "--seeds", type=int, help="of each method; default: 2 at quick, 3 at half and paper"
    )
    parser.add_argument(
        "--at_once", action="store_true", help="all seeds in one program, for GPUs and TPUs"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        help="programs side by side, for many cores or a large GPU; default: 1",
    )
    parser.add_argument("--gather", action="store_true", help="train nothing, show what is there")
    parser.add_argument(
        "--runs", default="runs/paper", type=cli.path, help="folder of the runs themselves"
    )
    parser.add_argument(
        "--results", default="results", type=cli.path, help="folder of what is kept"
    )
    args = parser.parse_args(argv[1:])
    if args.tuning and (args.scale or args.seeds is not None):
        raise UserError("--tuning has a scale and a seed of its own: leave out --scale and --seeds")
    for option in ("seeds", "jobs"):
        given = getattr(args, option)
        if given is not None and given < 1:
            raise UserError(f"--{option} is {given}: it must be at least 1")
    if args.gather and (args.at_once or args.jobs):
        raise UserError("--gather trains nothing: leave out --jobs and --at_once")
    if args.tuning and args.at_once:
        raise UserError("--tuning has one seed: leave out --at_once")
    scale = "tuning" if args.tuning else args.scale or "quick"
    name = f"table{args.table}" if args.table else f"figure{args.figure}"
    name = "tuning" if args.tuning else name
    planned = plan(name, scale, args.seeds or SEEDS.get(scale))
    results, folders = Path(args.results), Path(args.runs)
    records = {run: runs.read_record(results, run) for run in planned}
    for run, record in records.items():
        if runs.has_more(run, record, folders / run.key):
            records[run] = runs.write_record(results, run, folders / run.key)
    records = {run: record for run, record in records.items() if record}
    reasons, failed = {}, []
    if not args.gather:
        done = {run: record for run, record in records.items() if not runs.is_cut(record)}
        reasons, failed = trainer.train(
            planned, done, folders, results, args.at_once, args.jobs or 1
        )
        records |= done
    found = _found(planned, records, reasons)
    paths = show.write(name, scale, found, results, args.seeds)
    cli.show(paths[0].read_text())
    log.info("%s", "  ".join(map(str, paths)))
    if failed:
        raise UserError(f"{len(failed)} of {len(planned)} runs failed: {reasons[failed[0]]}")
