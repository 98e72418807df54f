"""Which of several runs to trust, without labels: by how alike their latents are."""

import logging

import numpy as np

from cvae_jax import datasets, metrics
from cvae_jax.datasets import filters
from cvae_jax.errors import UserError
from cvae_jax.evaluation.active_latents import encode_some, nats_of_latents, prior_of
from cvae_jax.runs import data_record, loading

log = logging.getLogger(__name__)

_IMAGES = 10_000
DEFINITION = f"UDR (Duan et al. 2020), Spearman, {_IMAGES:,} images at most"


def _said(data) -> str:
    return ", ".join([f"{data.name} of size {data.size}", *filters.words(data)])


def _identity(data):
    return datasets.kind_of(data.name), data.size, data.correlate, data.hold_out


def rank(workdirs, data_dir="", data="") -> dict:
    """Returns the UDR of each run by its folder, best first.

    Args:
      workdirs: folders of two runs or more on the same data.
      data_dir: where data are kept; "": the first run's.
      data: name of the runs' data where they are now; "": as the first run's config names them.

    Raises:
      UserError: fewer than two runs, or runs on different data.
    """
    once = {}  # a run that is named twice counts once
    for workdir in workdirs:
        once.setdefault(loading.folder(workdir).resolve(), workdir)
    if len(once) < 2:
        raise UserError("runs are ranked by comparing them: name two folders or more")
    models = {workdir: loading.load(workdir) for workdir in once.values()}
    first = next(iter(models.values())).config
    for workdir, model in models.items():
        of = model.config.data
        if _identity(of) != _identity(first.data):
            raise UserError(
                f"{workdir} has data {_said(of)}, and {workdirs[0]} {_said(first.data)}: rank runs "
                "on the same data"
            )
    dataset = filters.load(first.data, data, data_dir)
    for workdir in models:
        if changed := data_record.differences(loading.folder(workdir), dataset):
            raise UserError(
                f"{workdir} was trained on other data than {dataset.name} ({changed}): rank runs "
                "on the same data"
            )
    codes, nats = [], []
    for workdir, model in models.items():
        log.info("encoding %s images by %s", f"{min(_IMAGES, dataset.num_images):,}", workdir)
        _, mean, logvar = encode_some(model, dataset, 0, _IMAGES)
        codes.append(mean)
        nats.append(nats_of_latents(mean, logvar, prior_of(model.config)))
    scores = metrics.udr(codes, nats)
    order = np.argsort(-scores, kind="stable")
    return {str(list(models)[i]): float(scores[i]) for i in order}
