"""FID, KID and inception score of a model's samples, by Inception-v3 or the data's classifier."""

import functools
import pathlib

import jax
import numpy as np

from cvae_jax import metrics
from cvae_jax.datasets import sources
from cvae_jax.datasets.torch_file import read
from cvae_jax.devices import batches, placement
from cvae_jax.errors import UserError
from cvae_jax.evaluation import classifier_features
from cvae_jax.networks import inception

WEIGHTS = sources.File(
    name="pt_inception-2015-12-05-6726825d.pth",
    urls=(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
    ),
    digest="sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95_628_359,
)
_BATCH = {"inception": 64, "classifier": 1_000}  # images on a device
_CHUNK = 5_000  # rows that are in float64 at once


def inception_params(path: str, data_dir: pathlib.Path) -> dict:
    """Weights for `inception.InceptionV3` from pytorch-fid's file.

    Args:
      path: the file; "" looks in <data_dir>/downloads/manual/inception, then downloads it.
      data_dir: the folder of the data.

    Raises:
      UserError: it is not to be had, or is another file.
    """
    if path and not pathlib.Path(path).is_file():
        raise UserError(f"there is no file {path}; {WEIGHTS.name} comes from {WEIGHTS.urls[0]}")
    found = sources.Found(pathlib.Path(path), False) if path else None
    found = found or sources.find(WEIGHTS, data_dir, "inception")
    if not (found.published or sources.has_digest(found.path, WEIGHTS.digest)):
        raise UserError(f"{found.path} has not the bytes of {WEIGHTS.urls[0]}: fetch it again")
    try:
        return inception.params_from_torch(read(found.path))
    except ValueError as error:
        raise UserError(f"{found.path}: {error}; fetch {WEIGHTS.urls[0]} again") from error


@jax.jit
def _inception(params, images):
    out, probabilities = inception.InceptionV3().apply({"params": params}, images / 255.0)
    return out, [probabilities]


def inception_network(params, devices):
    """Returns a function: images uint8 -> (features [B, 2048], [probabilities [B, 1008]]).

    Its weights, 95 MB, lie on the devices: host arrays would be sent with every batch.
    """
    return functools.partial(_inception, placement.replicate(params, devices))


def classifier_network(trained: classifier_features.Trained, devices):
    """Returns a function: images uint8 -> (features [B, 256], probabilities of each factor)."""
    params = placement.replicate(trained.params, devices)
    return functools.partial(classifier_features.features, trained.module, params)


def distances(network, real, fake, num_images: int, devices, *, kind: str, seed: int) -> dict:
    """Computes the Fréchet and kernel distances and the inception score of images.

    Args:
      network: images uint8 [b, H, W, C] -> (features [b, p], list of class probabilities [b, c]).
      real: index [b] -> images of the data, uint8.
      fake: index [b] -> images of the model.
      num_images: of each.
      devices: over which the network runs.
      kind: "inception" or "classifier": for the batch size and the progress bar.
      seed: of the subsets of the kernel distance.

    Returns:
      "fid", "kid" (a `metrics.Estimate`), "is" and "is_of_data" (of real images: what the network
      makes of perfect samples). With several factors an inception score is the geometric mean of
      theirs; those with one class say nothing and are left out.
    """
    splits = 10
    _, size, _, channels = real(np.arange(1)).shape
    out = {}
    for name, images in (("data", real), ("samples", fake)):
        out[name] = batches.mapped(
            network,
            images,
            num_images,
            devices,
            size=size,
            channels=channels,
            what=f"{kind}, {name}",
            batch=_BATCH[kind],
        )
    of_data, of_samples = _moments(out["data"][0]), _moments(out["samples"][0])
    fid = metrics.frechet_distance(
        of_data.mean, of_data.covariance, of_samples.mean, of_samples.covariance
    )

    def score(name):
        several = [p for p in out[name][1] if p.shape[1] > 1]  # of one class it is 1
        parts = [metrics.inception_score(p, splits) for p in several or out[name][1]]
        mean = float(np.exp(np.mean([np.log(part.mean) for part in parts])))
        spread = np.sqrt(np.sum([(part.std / part.mean) ** 2 for part in parts])) / len(parts)
        return metrics.Estimate(mean, float(mean * spread))

    return {
        "fid": fid,
        "kid": metrics.kernel_distance(out["data"][0], out["samples"][0], seed=seed),
        "is": score("samples"),
        "is_of_data": score("data"),
    }


def _moments(features):
    """Mean and covariance of features [n, p], `_CHUNK` rows at a time."""
    found = None
    for part in np.array_split(features, -(-len(features) // _CHUNK)):
        found = metrics.add_moments(found, part)
    return found
