"""Scores and pictures of a run: `python -m cvae_jax.evaluate --workdir=runs/dsprites`.

The end of training does the same with the metrics that take seconds.
"""

import argparse
import sys
from pathlib import Path

from cvae_jax import cli, datasets
from cvae_jax.config import checks
from cvae_jax.errors import UserError
from cvae_jax.evaluation.run import evaluate_run
from cvae_jax.evaluation.subject import Options
from cvae_jax.metrics import scores
from cvae_jax.runs import data_record, loading


def main(argv) -> None:
    """Evaluate as the command line asks."""
    parser = argparse.ArgumentParser(
        prog="python -m cvae_jax.evaluate", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--workdir", required=True, help="a trained run or exported model")
    parser.add_argument(
        "--metrics",
        default="",
        help="names with commas, or all; default: the run's eval.metrics, and the pictures. "
        f"There are {', '.join(scores.METRICS)}",
    )
    parser.add_argument(
        "--num_samples", type=int, default=10_000, help="images for FID, KID and inception score"
    )
    parser.add_argument("--inception", default="", help="pytorch-fid's file of weights")
    parser.add_argument("--data_dir", default="", help="where data are kept; default: the run's")
    parser.add_argument("--data", default="", help="the run's data set where it is now; see docs")
    args = parser.parse_args(argv[1:])
    cli.keep_programs()
    cli.compute_in_calling_thread()
    names = scores.named(args.metrics) if args.metrics else None
    checks.metrics(names or ())
    if args.num_samples < 100:
        raise UserError(f"--num_samples is {args.num_samples}: it must be at least 100")
    model = loading.load(args.workdir)
    if not Path(args.workdir).exists():
        ships = loading.folder(args.workdir)
        raise UserError(f"results are written beside the model: copy {ships} and name the copy")
    config = model.config
    if args.data_dir:
        config.data.dir = args.data_dir
    recorded, config.data.name = config.data.name, args.data or config.data.name
    dataset = datasets.load(config.data.name, config.data.size, config.data.dir)
    if args.data:
        dataset = data_record.as_recorded(args.workdir, recorded, dataset)
    options = Options(args.num_samples, args.inception)
    evaluate_run(model, Path(args.workdir), dataset, names, options)


if __name__ == "__main__":
    cli.restart_with_tunables()
    sys.exit(cli.run(main, sys.argv))
