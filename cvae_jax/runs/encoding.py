"""Latents of images in a file: a run's model encodes them, and their labels and names go beside.

JAX and what needs it are imported by the function: the command names a wrong argument at once.
"""

import csv
from pathlib import Path

import numpy as np

from cvae_jax import files
from cvae_jax.errors import UserError


def encode(workdir, out: Path, data="", data_dir="", split="train") -> tuple[int, int]:
    """Encodes images and saves their latents; returns how many images, and latents of each.

    Args:
      workdir: the run's folder, or a model as `loading.load` takes it.
      out: the file, see `save`.
      data: name of the data set; "": the run's.
      data_dir: where data are kept; "": the run's.
      split: of the data set.

    Raises:
      UserError: there is no such model or data set, its images are not of the model's kind, or the
        pictures changed meanwhile.
    """
    import jax

    from cvae_jax import datasets
    from cvae_jax.devices import batches
    from cvae_jax.runs import data_record, loading

    model = loading.load(workdir)
    of = model.config.data
    name = data or of.name
    names = _names(name)
    dataset = datasets.load(name, of.size, data_dir or of.dir, split)
    data_record.require_channels(workdir, model, dataset)
    devices = jax.local_devices()
    mean, logvar = batches.encode_all(model.objective, model.params, dataset, devices)
    if names != _names(name):
        raise UserError(f"{name} changed while it was encoded: run the same command again")
    save(out, dataset, mean, logvar, names)
    return mean.shape


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
