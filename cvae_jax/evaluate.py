"""Scores and plots of a run: `cvae evaluate runs/dsprites`.

The end of training does the same with the metrics that take seconds.
"""

if __name__ == "__main__":  # as `cvae evaluate`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["evaluate", *sys.argv[1:]]))

from pathlib import Path

from cvae_jax import cli
from cvae_jax.config import checks
from cvae_jax.datasets import filters
from cvae_jax.errors import UserError
from cvae_jax.evaluation.run import evaluate_run
from cvae_jax.evaluation.subject import Options
from cvae_jax.metrics import groups
from cvae_jax.runs import data_record, loading


@cli.command
def main(argv) -> None:
    """Evaluates as the command line asks."""
    parser = cli.Parser("evaluate", __doc__.splitlines()[0])
    parser.add_run("a trained run or exported model")
    parser.add_argument(
        "--metrics",
        default="",
        help="names with commas, or all; default: the run's eval.metrics, and the plots. "
        f"There are {', '.join(groups.METRICS)}",
    )
    parser.add_argument(
        "--num_samples", type=int, help="images for FID, KID and inception score; default: 10,000"
    )
    parser.add_argument(
        "--inception", default="", type=cli.path, help="pytorch-fid's file of weights"
    )
    parser.add_data("the run's data set where it is now, such as folder:PATH")
    parser.add_data_dir("where data are kept; default: the run's")
    args = parser.parse_run(argv[1:])
    cli.keep_programs()
    cli.compute_in_calling_thread()
    names = groups.named(args.metrics) if args.metrics else None
    checks.metrics(names or ())
    if args.num_samples is not None and args.num_samples < 100:
        raise UserError(f"--num_samples is {args.num_samples}: it must be at least 100")
    model = loading.load(args.run)
    if not Path(args.run).exists():
        ships = loading.folder(args.run)
        raise UserError(f"results are written beside the model: copy {ships} and name the copy")
    config = model.config
    _refuse_idle(args, names or groups.named(config.eval.metrics))
    if args.data_dir:
        config.data.dir = args.data_dir
    recorded, config.data.name = config.data.name, args.data or config.data.name
    dataset = filters.load(config.data)
    if args.data:
        dataset = data_record.as_recorded(args.run, recorded, dataset)
    options = Options(args.num_samples or Options().num_samples, args.inception)
    evaluate_run(model, Path(args.run), dataset, names, options)


def _refuse_idle(args, names) -> None:
    """Refuses options that none of the metrics reads, and weights that are not there."""
    if args.inception and "inception" not in names:
        raise UserError(
            "--inception names weights that no metric here reads: ask for --metrics=inception"
        )
    if args.inception and not Path(args.inception).is_file():
        raise UserError(f"--inception: there is no file {args.inception}")
    if args.num_samples is not None and not {"inception", "classifier"} & set(names):
        raise UserError(
            "--num_samples counts images of FID, KID and inception score, and no metric here has "
            "them: ask for --metrics=inception or classifier"
        )
