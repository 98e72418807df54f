"""Checks that a resumed run sees the data set it started with."""

import hashlib
import shlex
from pathlib import Path

import numpy as np

from cvae_jax import __version__
from cvae_jax.datasets import OWN
from cvae_jax.errors import UserError
from cvae_jax.runs.origin import origin
from cvae_jax.runs.workdir import damaged, read_json, write_json

_MOST = 2**28  # bytes of images whose content is looked at
_ROUNDED = 0.5  # of 255, by which an image's mean may differ where another decoder rounds


def digest(content: bytes) -> str:
    """Returns the SHA-256 of the content."""
    return hashlib.sha256(content).hexdigest()


def _some(dataset):
    """The stored pixels of a hundred images."""
    return np.asarray(dataset.pixels[:: max(1, len(dataset.pixels) // 100)])


def _content(dataset) -> str:
    """SHA-256 of all images, or of as many evenly spaced ones as `_MOST` allows."""
    each = max(1, dataset.pixels[:1].nbytes)
    step = -(-dataset.num_images * each // _MOST)
    found = hashlib.sha256()
    for first in range(0, dataset.num_images, 256 * step):
        rows = np.arange(first, min(first + 256 * step, dataset.num_images), step)
        found.update(np.ascontiguousarray(dataset.images(rows)).tobytes())
    return found.hexdigest()


def _kind(dataset) -> str:
    return dataset.name.partition(":")[0]


def about(dataset) -> dict:
    """Returns what is kept of a data set: its source, labels, and the means of a hundred images.

    Of arrays the content too: they are read as they are, while pictures may be decoded with other
    roundings elsewhere.
    """
    rows = np.arange(0, dataset.num_images, max(1, dataset.num_images // 100))
    means = np.mean(dataset.images(rows), axis=(1, 2, 3), dtype=np.float64)
    exact = {"content": _content(dataset)} if _kind(dataset) in ("npz", "array") else {}
    return exact | {
        "source": dataset.source,
        "shape": list(dataset.pixels.shape),
        "factor_names": list(dataset.factor_names),
        "labels": digest(np.ascontiguousarray(dataset.factors).tobytes()),
        "mean_value": float(np.mean(_some(dataset), dtype=np.float64)),
        "means": [round(float(mean), 2) for mean in means],
    }


def fingerprint(dataset) -> str:
    """Returns `about`, and a hundred images to the bit: for processes of one run, at one time."""
    return f"{about(dataset)} {digest(np.ascontiguousarray(_some(dataset)).tobytes())}"


def _described(dataset) -> dict:
    """The content of data.json: the fields of `build.DataInfo`, and `about` it."""
    return {
        "size": dataset.size,
        "channels": dataset.channels,
        "num_examples": dataset.num_images,
        "data": about(dataset),
    }


def _flat(described) -> dict:
    """The fields of a data.json, those of its "data" beside the others."""
    return {k: v for k, v in described.items() if k != "data"} | dict(described.get("data", {}))


def differences(workdir, dataset) -> str:
    """Returns in words how a data set differs from that of the run in workdir; "": in nothing.

    Where images of one's own lie, and what their folder or file is called, makes no difference.

    Raises:
      UserError: data.json is damaged.
    """
    path = Path(workdir) / "data.json"
    if not path.exists():
        return ""
    now, old = _flat(_described(dataset)), read_json(path, finite=True)
    try:
        # An exported model's has no "data", and runs of earlier versions lack some fields.
        was = now | _flat(old)
        # Rendered again elsewhere, a pixel may be rounded differently.
        pixels = abs(was["mean_value"] - now["mean_value"]) > 0.05
        each = np.subtract(was["means"], now["means"]) if was["shape"] == now["shape"] else [0.0]
        pixels |= bool(np.any(np.abs(each) > _ROUNDED))
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(path, error) from None
    free = {"mean_value", "means"} | ({"source"} if _kind(dataset) in OWN else set())
    names = [name for name in now if name not in free and was[name] != now[name]]
    names += ["pixels"] if pixels else []
    return ", ".join(_shown(name, was, now) for name in names)


def _shown(name, was, now) -> str:
    if name in ("labels", "pixels", "content"):
        return f"other {name}"
    return f"{name.replace('_', ' ')} {was[name]} -> {now[name]}"


def require_same(workdir, dataset) -> None:
    """Refuses data that differ from those the run began with.

    Raises:
      UserError: data.json is of other data, or is damaged.
    """
    changed = differences(workdir, dataset)
    if changed:
        raise UserError(
            f"the data differ from those {workdir} began with ({changed}): put those back, or name "
            "another --workdir"
        )


def require_channels(workdir, model, dataset) -> None:
    """Refuses images that a run's model can't take: grey ones for colour, or the other way.

    Args:
      workdir: the run's folder or the model's name, for the message.
      model: see `runs.model.Model`.
      dataset: see `datasets.Dataset`.

    Raises:
      UserError: their channels are not those of the model's images.
    """
    if dataset.channels != model.channels:
        raise UserError(
            f"{workdir} was trained on images of {model.channels} channel(s) and {dataset.source} "
            f"has {dataset.channels}: name images of the same kind"
        )


def as_recorded(workdir, name: str, dataset):
    """Returns a data set under the name and source that a run has of it, if it is the same.

    So scores made where the data have moved stand beside those made before.

    Args:
      workdir: the run's folder.
      name: of the data in the run's config.
      dataset: see `datasets.Dataset`.
    """
    path = Path(workdir) / "data.json"
    if differences(workdir, dataset) or not path.exists():
        return dataset
    source = dict(read_json(path).get("data", {})).get("source", dataset.source)
    return dataset._replace(name=name, source=str(source))


def keep(workdir, dataset, begins: bool = False) -> None:
    """Writes to data.json what a run's data are and what began it when, if it is not there.

    Args:
      workdir: the run's folder.
      dataset: its data.
      begins: whether the run is at step 0, and this version begins it whatever data.json says.
    """
    path = Path(workdir) / "data.json"
    if begins or not path.exists():
        write_json(path, _described(dataset) | {"version": __version__, "origin": origin()})


def require_same_version(workdir) -> None:
    """Refuses to resume a run that another minor version began: its random numbers were others.

    Raises:
      UserError: data.json names another version; one without any is of 0.1.
    """
    path = Path(workdir) / "data.json"
    found = read_json(path)
    if not isinstance(found, dict):
        raise damaged(path, "it describes no data")
    began = str(found.get("version", "0.1"))[:20]
    if began.split(".")[:2] != __version__.split(".")[:2]:
        raise UserError(
            f"{workdir} is half-trained by cvae_jax {began}, whose random numbers are not those of "
            f"{__version__}: resume it with {began}, or start another --workdir with "
            f"--config.init_from={shlex.quote(str(workdir))}"
        )
