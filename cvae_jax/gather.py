"""The runs of a sweep as one table: `cvae gather runs/sweep`.

Runs that differ by their seed alone are one row: mean and standard deviation over seeds.
"""

if __name__ == "__main__":  # as `cvae gather`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["gather", *sys.argv[1:]]))

import logging
from pathlib import Path

from cvae_jax import cli
from cvae_jax.config.checks import one_of
from cvae_jax.errors import UserError
from cvae_jax.studies import record, show
from cvae_jax.studies.ended import ended_runs
from cvae_jax.studies.show import SHOWN
from cvae_jax.studies.table import rows_of, table, write_csv

log = logging.getLogger(__name__)


@cli.command
def main(argv) -> None:
    """Gathers as the command line asks."""
    parser = cli.Parser("gather", __doc__.splitlines()[0])
    parser.add_argument(
        "folders", nargs="+", metavar="RUNS", type=cli.path, help="runs, or folders of runs"
    )
    parser.add_argument(
        "--scores",
        default="",
        help=f"names with commas; default: the study's, or {', '.join(SHOWN)}",
    )
    parser.add_argument("--out", default="", type=cli.path, help="a CSV file with every score")
    parser.add_argument(
        "--plots", default="", type=cli.path, help="a folder for a Markdown table and pictures"
    )
    args = parser.parse_args(argv[1:])
    for folder in args.folders:
        if not Path(folder).is_dir():
            raise UserError(f"there is no folder {folder}")
    runs, unfinished = ended_runs(args.folders)
    rows = rows_of(runs)
    scores = [name.strip() for name in args.scores.split(",") if name.strip()]
    for name in scores:  # of which a row may have none
        one_of("score", name, [*dict.fromkeys(n for row in rows for n in row.values)])
    scores = scores or [name for folder in args.folders for name in record.scores(folder)] or SHOWN
    scores = [*dict.fromkeys(scores)]
    cli.show(table(rows, scores))
    if unfinished:
        log.info("not ended: %s", ", ".join(map(str, unfinished)))
    if args.out:
        write_csv(args.out, rows)
        log.info("all scores: %s", args.out)
    if args.plots:
        log.info("%s", "  ".join(map(str, show.write(runs, scores, args.plots))))
