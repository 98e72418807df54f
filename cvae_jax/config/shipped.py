"""Config files by path, or by name those that ship with the package: configs/."""

import importlib.util
import os
from pathlib import Path

import ml_collections

from cvae_jax.errors import UserError, did_you_mean, first_line

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


def load(given: str) -> ml_collections.ConfigDict:
    """Returns the config that a text names, as `--config=` takes it: "dsprites:quick".

    Raises:
      UserError: there is none, its file fails, or it has no such variant.
    """
    name, colon, variant = given.partition(":")
    path = find(name)
    try:
        spec = importlib.util.spec_from_file_location("config_file", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        config = module.get_config(variant) if colon else module.get_config()
    except Exception as error:  # whatever the file itself raises
        raise UserError(f"{given}: {first_line(error)}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        kind = type(config).__name__
        raise UserError(f"get_config of {given} returns a {kind}: it must return a ConfigDict")
    return config
