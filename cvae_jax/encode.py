"""Latents of images: `cvae encode runs/dsprites --data=folder:PATH`."""

if __name__ == "__main__":  # as `cvae encode`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["encode", *sys.argv[1:]]))

import csv
from pathlib import Path

import numpy as np

from cvae_jax import cli, files
from cvae_jax.errors import UserError


def save(path: Path, dataset, mean, logvar, names=None) -> None:
    """Writes latents and labels: arrays mean, logvar [N, d], factors [N, k] in an .npz, or a .csv.

    Args:
      path: ends in .npz or .csv; a csv has one row per image, its columns named z1, ..., logvar1,
        ... and as the factors.
      dataset: see `datasets.Dataset`.
      mean: posterior means [N, d].
      logvar: log variances [N, d].
      names: of pictures: the array picture [N], the csv's first column.
    """
    named = {} if names is None else {"picture": names}
    binary = path.suffix == ".npz"
    # a path's bytes need not be UTF-8
    text = {} if binary else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with files.replacing(path, "wb" if binary else "w", **text) as file:
        if binary:
            factors = {"factors": dataset.factors, "factor_names": np.array(dataset.factor_names)}
            np.savez(file, mean=mean, logvar=logvar, **factors, **named)
        else:
            writer = csv.writer(file, lineterminator="\n")
            numbers = range(1, mean.shape[1] + 1)
            header = [f"z{j}" for j in numbers] + [f"logvar{j}" for j in numbers]
            writer.writerow([*named, *header, *dataset.factor_names])
            first = [[name] for name in names] if named else [[]] * len(mean)
            parts = (first, mean.tolist(), logvar.tolist(), dataset.factors.tolist())
            for row in zip(*parts, strict=True):
                writer.writerow([value for part in row for value in part])


def _names(data: str) -> list[str] | None:
    """Returns the paths of the pictures of folder:PATH, in that folder; None: other data."""
    kind, _, path = data.partition(":")
    if kind != "folder":
        return None
    from cvae_jax.datasets import folder

    return folder.names(path)


def main(argv) -> None:
    """Encodes as the command line asks."""
    parser = cli.Parser("encode", __doc__)
    parser.add_run("a trained run, or a model as load takes it")
    parser.add_data("a data set or folder:PATH; default: the run's")
    parser.add_data_dir("where data are kept; default: the run's")
    parser.add_argument("--split", default="train", help="of the data set")
    parser.add_argument(
        "--out", default="codes.npz", type=cli.path, help="an .npz or .csv file to write"
    )
    args = parser.parse_run(argv[1:])
    out = Path(args.out)
    if out.suffix not in (".npz", ".csv"):
        raise UserError(f"--out {out} must end in .npz or .csv")
    if out.is_dir() or not out.parent.is_dir():
        reason = "is a folder" if out.is_dir() else f"there is no folder {out.parent}"
        raise UserError(f"--out {out}: {reason}; name a file to write")
    files.require_writable(out)
    import jax  # after the arguments: a wrong one is reported at once

    from cvae_jax import datasets
    from cvae_jax.devices import batches
    from cvae_jax.runs import data_record, loading

    cli.keep_programs()
    model = loading.load(args.run)
    data = model.config.data
    name = args.data or data.name
    names = _names(name)
    dataset = datasets.load(name, data.size, args.data_dir or data.dir, args.split)
    data_record.require_channels(args.run, model, dataset)
    devices = jax.local_devices()
    codes = batches.encode_all(model.objective, model.params, dataset, devices)
    if names != _names(name):
        raise UserError(f"{name} changed while it was encoded: run the same command again")
    count, latents = codes[0].shape
    save(out, dataset, *codes, names)
    cli.show(f"{count:,} images, {latents} latents each: {out}")
