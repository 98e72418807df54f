"""A run as one page with sliders: `cvae report runs/dsprites-quick`. Several runs are compared.

Writes report.html into the run's folder: scores in plain words, plots, the config, and the
explorer, in which the decoder itself runs. It opens from the disk, without a network.
`cvae report runs/a runs/b` writes comparison.html: how the runs differ, scores, curves and plots.
"""

if __name__ == "__main__":  # as `cvae report`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["report", *sys.argv[1:]]))

from cvae_jax import cli
from cvae_jax.report import compared, comparison
from cvae_jax.report.explorer import explorer
from cvae_jax.report.run_page import write

__all__ = ["explorer", "main", "write"]


@cli.command
def main(argv) -> None:
    """Writes a report as the command line asks."""
    parser = cli.Parser("report", __doc__.splitlines()[0])
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        type=cli.path,
        help="a trained run or an evaluated export, or several to compare",
    )
    parser.add_argument("--workdir", metavar="RUN", type=cli.path, help="the same, of one run")
    parser.add_data_dir("where data are kept; default: the run's")
    parser.add_data("the run's data set, where it is now")
    parser.add_argument(
        "--out",
        default="",
        type=cli.path,
        help="the file; default: report.html in the run's folder, of several comparison.html here",
    )
    args = parser.parse_args(argv[1:])
    if args.runs and args.workdir:
        parser.error(f"name runs, not {args.runs[0]} and --workdir={args.workdir}")
    runs = args.runs or [args.workdir] * bool(args.workdir)
    if not runs:
        parser.error(f"name a run's folder: {parser.prog} RUN")
    if len(compared.distinct(runs)) > 1:
        if args.data or args.data_dir:
            parser.error("runs are compared by what they recorded: leave out the data")
        cli.show(str(comparison.write(runs, args.out or "comparison.html")))
        return
    cli.keep_programs()
    cli.show(str(write(runs[0], args.data_dir, args.data, out=args.out)))
