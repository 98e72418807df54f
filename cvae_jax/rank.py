"""Which of several runs to trust, without labels: `cvae rank runs/a runs/b runs/c`.

Runs of one method and data set with different seeds, or of a sweep. Each is scored by how alike its
latents are to those of the others (`metrics.udr`), best first.
"""

if __name__ == "__main__":  # as `cvae rank`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["rank", *sys.argv[1:]]))

from pathlib import Path

from cvae_jax import cli, files
from cvae_jax.evaluation.ranking import DEFINITION, rank
from cvae_jax.runs.workdir import write_json

__all__ = ["main", "rank"]


@cli.command
def main(argv) -> None:
    """Ranks as the command line asks."""
    parser = cli.Parser("rank", __doc__.splitlines()[0])
    parser.add_argument(
        "workdirs", nargs="+", metavar="RUN", type=cli.path, help="folders of trained runs"
    )
    parser.add_data("the runs' data set, where it is now")
    parser.add_data_dir("where data are kept")
    parser.add_argument("--out", default="", type=cli.path, help="a .json file to write")
    args = parser.parse_args(argv[1:])
    if args.out:
        files.require_writable(Path(args.out))
    cli.keep_programs()
    scores = rank(args.workdirs, args.data_dir, args.data)
    for workdir, value in scores.items():
        cli.show(f"{value:.3f}  {workdir}")
    if args.out:
        write_json(Path(args.out), {"definition": DEFINITION, "scores": scores})
