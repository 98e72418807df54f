"""A run goes on with the data that it began with: what it keeps to tell them by, and the look."""

import hashlib
import shlex
from pathlib import Path

import numpy as np

from cvae_jax import __version__
from cvae_jax.errors import UserError
from cvae_jax.runs.workdir import damaged, read_json, write_json


def digest(content: bytes) -> str:
    """A name of the content."""
    return hashlib.sha256(content).hexdigest()


def _some(dataset):
    """The stored pixels of a hundred images."""
    return np.asarray(dataset.pixels[:: max(1, len(dataset.pixels) // 100)])


def about(dataset) -> dict:
    """A data set in few words: what it is, its labels, and how bright a hundred images are."""
    return {
        "source": dataset.source,
        "shape": list(dataset.pixels.shape),
        "factor_names": list(dataset.factor_names),
        "labels": digest(np.ascontiguousarray(dataset.factors).tobytes()),
        "mean_value": float(np.mean(_some(dataset), dtype=np.float64)),
    }


def fingerprint(dataset) -> str:
    """`about`, and a hundred images to the bit: for processes of one run, at one time."""
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
    """What a data set has otherwise than the run in workdir began with, in words; "": nothing.

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
        # Rendered anew elsewhere, a pixel may be rounded otherwise.
        pixels = abs(was["mean_value"] - now["mean_value"]) > 0.05
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(path, error) from None
    names = [name for name in now if name != "mean_value" and was[name] != now[name]]
    names += ["pixels"] if pixels else []
    return ", ".join(_shown(name, was, now) for name in names)


def _shown(name, was, now) -> str:
    if name in ("labels", "pixels"):
        return f"other {name}"
    return f"{name.replace('_', ' ')} {was[name]} -> {now[name]}"


def require_same(workdir, dataset) -> None:
    """Refuse other data than the run began with.

    Raises:
      UserError: data.json tells of other data, or is damaged.
    """
    changed = differences(workdir, dataset)
    if changed:
        raise UserError(
            f"{workdir} began with other data than there are now ({changed}): put those back, or "
            "name another --workdir"
        )


def keep(workdir, dataset, begins: bool = False) -> None:
    """Write to data.json what the data of a run are and which version began it, if it is not there.

    Args:
      workdir: the run's folder.
      dataset: its data.
      begins: whether the run is at step 0, and this version begins it whatever data.json says.
    """
    path = Path(workdir) / "data.json"
    if begins or not path.exists():
        write_json(path, _described(dataset) | {"version": __version__})


def require_same_version(workdir) -> None:
    """Refuse to resume a run that another minor version began: its random numbers were others.

    Raises:
      UserError: data.json names another version; one without any is of 0.1.
    """
    began = str(read_json(Path(workdir) / "data.json").get("version", "0.1"))[:20]
    if began.split(".")[:2] != __version__.split(".")[:2]:
        raise UserError(
            f"{workdir} is half-trained by cvae_jax {began}, whose random numbers are not those of "
            f"{__version__}: resume it with {began}, or start another --workdir with "
            f"--config.init_from={shlex.quote(str(workdir))}"
        )
