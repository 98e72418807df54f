"""The config files that ship with the package: those of configs/, by name from any folder."""

import os
from pathlib import Path

from cvae_jax.errors import UserError, did_you_mean

FOLDER = Path(__file__).parents[1] / "configs"  # in a checkout a link to the top level's


def names() -> list[str]:
    """Returns what `--config=` takes for a config that ships, for instance "dsprites"."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def find(text: str) -> Path:
    """Returns the config file that a text names: a file that is there, else one that ships.

    Args:
      text: a path, or a config that ships: "dsprites" or "configs/dsprites.py".

    Raises:
      UserError: there is neither.
    """
    path = Path(os.path.expanduser(text))
    if path.is_file():
        return path
    if path in (Path(path.stem), Path("configs", path.stem + ".py")) and path.stem in names():
        return FOLDER / f"{path.stem}.py"
    raise UserError(
        f"there is no config file {text}; {did_you_mean(text, names())}those that ship are "
        f"{', '.join(names())}"
    )
