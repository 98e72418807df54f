"""A grid of methods, settings and seeds: `cvae study FILE --out=runs/study`.

Trains and scores what has not ended, resumes what was interrupted, then writes the table and the
pictures of what is there; docs/study.md.
"""

if __name__ == "__main__":  # as `cvae study`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["study", *sys.argv[1:]]))

import logging
from pathlib import Path

from cvae_jax import cli, errors
from cvae_jax.errors import UserError
from cvae_jax.files import locked
from cvae_jax.studies import grid, record, show, train
from cvae_jax.studies.ended import ended_runs
from cvae_jax.studies.table import markdown_table, rows_of, write_csv

log = logging.getLogger(__name__)


@cli.command
def main(argv) -> None:
    """Runs the study that the command line names."""
    parser = cli.Parser("study", __doc__.splitlines()[0])
    parser.add_argument("file", metavar="FILE", type=cli.path, help="of the study, TOML")
    parser.add_argument(
        "--out", default="", type=cli.path, help="its folder; default: runs/ and the file's name"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs side by side, which share the cores"
    )
    parser.add_argument(
        "--at_once", action="store_true", help="the seeds of a setting in one program, for GPUs"
    )
    args = parser.parse_args(argv[1:])
    if args.jobs < 1:
        raise UserError(f"--jobs is {args.jobs}: it must be at least 1")
    errors.name_options(workdir="--out", weights="")
    study = grid.read(Path(args.file))
    out = Path(args.out or Path("runs", Path(args.file).stem))
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / ".study.lock"):
        train.check(study, out, args.at_once)
        record.write(out, study)
        failed = train.train(study, out, args.jobs, args.at_once)
        if len(failed) < len(study.cells):
            _show(study, out)
    for cell, reason in failed.items():
        log.warning("failed: %s: %s", cell.key, reason)
    if failed:
        raise UserError(f"{len(failed)} of {len(study.cells)} runs failed, {_names(failed)}")


def _names(failed) -> str:
    """Returns the names of cells, three at most."""
    names = [str(cell.key) for cell in failed]
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])


def _show(study, out) -> None:
    """Prints the table of what has ended, and writes it with its pictures."""
    runs, _ = ended_runs([out])
    scores = study.scores or show.SHOWN
    cli.show(markdown_table(rows_of(runs), scores))
    write_csv(out / "scores.csv", rows_of(runs))
    paths = [out / "scores.csv", *show.write(runs, scores, out)]
    log.info("%s", "  ".join(map(str, paths)))
