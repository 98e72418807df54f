"""What a run is besides its config: its data and its own parts, in few words that can be compared.

A path, a file's name and a config say neither which images an array held nor which networks a
program passed. What began the run is kept in data.json and parts.json.
"""

import json
from pathlib import Path

from cvae_jax.config import methods
from cvae_jax.datasets import OWN
from cvae_jax.runs import parts
from cvae_jax.runs.data_record import digest
from cvae_jax.runs.workdir import read_json

# What scores must share to compare: the fields of a config, then the names that `identity` gives.
OF_DATA = (
    *("data.size", "data.correlate", "data.hold_out"),
    *("source", "images", "scored_on_other_data"),
)
_SHORT = 8  # of a digest's letters


def title(config, own: dict) -> str:
    """Returns what a run's method is called; own: the content of its parts.json."""
    if "objective" in own:
        return "an objective of its own"
    name = methods.title(config)
    return f"{name}, networks of its own" if own else name


def identity(workdir, results) -> tuple:
    """Returns (name, value) of what tells a run's scores from others of the same config.

    Args:
      workdir: the run's folder.
      results: the content of its results.json.

    Raises:
      UserError: data.json or parts.json is damaged.
    """
    found, path = [("source", results["data"]["source"])], Path(workdir) / "data.json"
    described = read_json(path) if path.exists() else {}
    data = described.get("data", {}) if isinstance(described, dict) else {}
    if isinstance(data, dict):
        known = {name: data[name] for name in ("content", "labels", "shape") if name in data}
        mean = data.get("mean_value")
        if "content" not in known and isinstance(mean, int | float):
            known["mean_value"] = f"{mean:.0f}"  # coarse: decoders of pictures round differently
        # Of the others name and source say which they are.
        if known and str(results["data"]["name"]).partition(":")[0] in (*OWN, "tfds"):
            text = json.dumps(known, sort_keys=True)
            found.append(("images", digest(text.encode())[:_SHORT]))
    if own := parts.recorded(workdir):
        text = json.dumps(own, sort_keys=True)
        found.append(("parts", digest(text.encode())[:_SHORT]))
    if "changed" in results["data"]:
        found.append(("scored_on_other_data", str(results["data"]["changed"])))
    return tuple(found)
