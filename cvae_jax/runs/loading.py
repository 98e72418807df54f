"""A trained run or an exported model, loaded to encode and decode."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.config import build
from cvae_jax.runs import checkpoints
from cvae_jax.config import checks
from cvae_jax.runs import weights
from cvae_jax.errors import UserError
from cvae_jax.errors import did_you_mean
from cvae_jax.objectives.base import Objective
from cvae_jax.objectives.base import Players
from cvae_jax.step import as_float
from cvae_jax.step import create_train_state
from cvae_jax.runs.workdir import CONFIG
from cvae_jax.runs.workdir import WEIGHTS
from cvae_jax.runs.workdir import damaged
from cvae_jax.runs.workdir import is_exported
from cvae_jax.runs.workdir import read_config
from cvae_jax.runs.workdir import read_json

_TOLERANCE = 1e-3  # that resizing may have left an image beyond [0, 1]
MODELS = Path(__file__).parents[1] / "models"  # those that ship, NAME/ as `export` writes it


class Model(NamedTuple):
    """A trained model: arrays in, arrays out."""

    encode: Callable  # images [B, H, W, C], uint8 or float in [0, 1] -> (mean, logvar), each [B, d]
    decode: Callable  # z [B, d] -> images in [0, 1], [B, H, W, C]
    config: Any
    channels: int  # of its images
    objective: Objective
    params: Players  # of an exported model without critics
    step: int  # steps it was trained for


def _data_info(path, size):
    """What data.json says of images that have `size` pixels a side."""
    try:  # "data" is for training to go on with the same
        info = build.DataInfo(**{k: v for k, v in read_json(path).items() if k != "data"})
    except (TypeError, AttributeError) as error:
        raise damaged(path, str(error).removeprefix("DataInfo.__new__() ")) from None
    for name, value in info._asdict().items():
        if type(value) is not int or value < 1:
            raise damaged(path, f"{name} is {value!r}")
    if info.size != size or info.channels not in (1, 3):
        raise damaged(path, f"no run has images of {info.size} pixels, {info.channels} channels")
    return info


def _described(path: Path):
    """(config, DataInfo, objective) of a run's or exported model's folder."""
    config = read_config(path)
    try:
        checks.check(config, 1)
    except UserError as error:
        raise damaged(path / CONFIG, error) from None
    if config.num_seeds > 1:
        raise UserError(
            f"{path} holds {config.num_seeds} runs: name one of them, {path}/seed_{config.seed} to "
            f"seed_{config.seed + config.num_seeds - 1}"
        )
    info = _data_info(path / "data.json", config.data.size)
    return config, info, build.objective(config, info)


def folder(name) -> Path:
    """The folder that `load` reads: a path, else that of the shipped model of this name.

    Raises:
      UserError: there is neither; it names the models that ship.
    """
    path, names = Path(name), sorted(p.name for p in MODELS.glob("*") if is_exported(p))
    if path.exists():
        return path
    if str(name) in names:
        return MODELS / name
    shipped = f"; {did_you_mean(name, names)}models that ship: {', '.join(names)}" if names else ""
    raise UserError(f"there is no folder {name} of a run or an exported model{shipped}")


def restore(workdir):
    """(config, DataInfo, objective, state) of a run's last checkpoint, on the first local device.

    Raises:
      UserError: see `load`.
    """
    path = Path(workdir)
    config, info, objective = _described(path)
    optimizers = build.optimizers(config)
    state = jax.eval_shape(
        lambda rng, images: create_train_state(rng, objective, optimizers, images),
        *_example(config, info),
    )
    one_device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    state = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one_device), state
    )
    with checkpoints.open_checkpoints(path, read_only=True) as manager:
        restored = checkpoints.restore(manager, state)
    if restored is None:
        raise UserError(
            f"{path} holds no checkpoint yet: the command that began it, python -m cvae_jax.main "
            f"--config=... {shlex.quote(f'--workdir={path}')}, continues to its first"
        )
    return config, info, objective, restored


def _trained(path: Path):
    """(config, DataInfo, objective, params, step) of a run or an exported model."""
    if not is_exported(path):
        *described, state = restore(path)
        return *described, state.params, int(state.step)
    config, info, objective = _described(path)
    like = jax.eval_shape(objective.init, *_example(config, info))
    model, step = weights.read(path / WEIGHTS, like.model)
    model = jax.device_put(model, jax.local_devices()[0])
    return config, info, objective, Players(model=model, critic={}), step


def _example(config, info):
    """What parameters are initialised from: a key, and the shape of a batch."""
    shape = (config.batch_size, info.size, info.size, info.channels)
    return jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32)


def load(name) -> Model:
    """The model of a run's last checkpoint, or one that was exported.

    Args:
      name: a run's --workdir, a folder that `python -m cvae_jax.export` wrote, or the name of a
        model that ships with the package.

    Raises:
      UserError: there is none, it holds no checkpoint, or a file of it is damaged; later, when it
        is given what is no batch of its images or codes.
    """
    config, info, objective, params, step = _trained(folder(name))
    encode = jax.jit(lambda params, images: objective.encode(params, as_float(images)))
    decode = jax.jit(lambda params, z: objective.decode(params, z))

    def encode_images(images):
        images = jnp.asarray(images)
        _require_shape("images", images, (info.size, info.size, info.channels))
        _require_range(images)
        return encode(params, images)

    def decode_codes(z):
        z = jnp.asarray(z)
        _require_shape("codes", z, (config.objective.latents,))
        return decode(params, z)

    return Model(
        encode=encode_images,
        decode=decode_codes,
        config=config,
        channels=info.channels,
        objective=objective,
        params=params,
        step=step,
    )


def _require_shape(what, x, shape):
    if x.shape[1:] != shape:
        wanted = ", ".join(map(str, ("n", *shape)))
        raise UserError(f"{what} have shape {x.shape}; this model takes [{wanted}]")


def _require_range(images):
    """Refuse floats beyond [0, 1], where they can be looked at: 0 to 255 makes codes of nothing."""
    floats = jnp.issubdtype(images.dtype, jnp.floating)
    if not floats or isinstance(images, jax.core.Tracer) or not images.size:
        return
    least, most = float(images.min()), float(images.max())
    if not (least >= -_TOLERANCE and most <= 1 + _TOLERANCE):
        raise UserError(
            f"images are from {least:.3g} to {most:.3g}: make them uint8, or floats in [0, 1]"
        )


def params_like(workdir, params: Players) -> Players:
    """`params` with another model's weights; an exported one has no critics, they stay `params`'s.

    Raises:
      UserError: a parameter is missing or has another shape; it is named.
    """
    path = folder(workdir)
    *_, loaded, _ = _trained(path)
    if is_exported(path):
        loaded = loaded._replace(critic=params.critic)
    found = {jax.tree_util.keystr(k): x for k, x in jax.tree_util.tree_leaves_with_path(loaded)}

    def pick(keys, leaf):
        name = jax.tree_util.keystr(keys)
        if name not in found or found[name].shape != leaf.shape:
            theirs = f"has shape {found[name].shape}" if name in found else "is missing"
            raise UserError(
                f"config.init_from {path}: {name} {theirs}, this run's has {leaf.shape}; the "
                "data size, objective and cascade of both configs must agree"
            )
        return found[name]

    return jax.tree_util.tree_map_with_path(pick, params)
