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
from cvae_jax.errors import UserError
from cvae_jax.reproduction import paper, runs
from cvae_jax.reproduction.reproducing import SEEDS, plan, reproduce

__all__ = ["SEEDS", "main", "plan", "reproduce"]

log = logging.getLogger(__name__)


@cli.command
def main(argv) -> None:
    """Reproduces as the command line asks."""
    errors.name_options(data_dir="TFDS_DATA_DIR")
    args = _parser().parse_args(argv[1:])
    _refuse_idle(args)
    scale = "tuning" if args.tuning else args.scale or "quick"
    name = f"table{args.table}" if args.table else f"figure{args.figure}"
    name = "tuning" if args.tuning else name
    training = None if args.gather else (args.at_once, args.jobs or 1)
    planned, failed, paths = reproduce(
        name, scale, args.seeds, Path(args.runs), Path(args.results), training=training
    )
    cli.show(paths[0].read_text())
    log.info("%s", "  ".join(map(str, paths)))
    if failed:
        first = next(iter(failed.values()))
        raise UserError(f"{len(failed)} of {len(planned)} runs failed: {first}")


def _parser() -> cli.Parser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = cli.Parser("reproduce", __doc__, formatter_class=raw)
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
        "--seeds",
        type=int,
        help="of each method; default: 2 at quick, 3 at half and paper; with --gather all there "
        "are, and at least these",
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
    return parser


def _refuse_idle(args) -> None:
    """Refuses numbers that count nothing, and options that would do nothing."""
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
