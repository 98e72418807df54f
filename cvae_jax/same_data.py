"""A run goes on with the data that it began with: what it keeps to tell them by, and the look."""

import hashlib

import numpy as np

from cvae_jax.errors import UserError
from cvae_jax.workdir import damaged, read_json, write_json


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


def require_same(workdir, info: dict) -> None:
    """Refuse other data than the run began with; none yet: keep what they are.

    Args:
      workdir: the run's folder, a Path.
      info: for its data.json: the fields of `build.DataInfo`, and as "data" what `about` says.

    Raises:
      UserError: data.json tells of other data, or is damaged.
    """
    path = workdir / "data.json"
    if not path.exists():
        write_json(path, info)
        return
    old = read_json(path)
    try:
        # Runs of earlier versions lack some fields.
        was, now = info | old, info["data"]
        was["data"] = was_data = now | dict(old.get("data", {}))
        # Rendered anew elsewhere, a pixel may be rounded otherwise.
        close = abs(was_data["mean_value"] - now["mean_value"]) < 0.05
        was_data["mean_value"] = now["mean_value"]
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(path, error) from None
    if not close or was != info:
        raise UserError(
            f"{workdir} began with other data ({was_data['source']}) than there are now "
            f"({now['source']}): put those back, or name another --workdir"
        )
