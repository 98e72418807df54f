"""A trained run or an exported model, loaded to encode and decode."""

import functools
import logging
import os
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp

from cvae_jax.config import build, checks
from cvae_jax.errors import UserError, did_you_mean
from cvae_jax.files import expanded
from cvae_jax.objectives.base import Players
from cvae_jax.runs import checkpoints, parts, weights
from cvae_jax.runs.identity import title
from cvae_jax.runs.model import Model
from cvae_jax.runs.workdir import CONFIG, WEIGHTS, damaged, is_exported, read_config, read_json
from cvae_jax.step import create_train_state

log = logging.getLogger(__name__)

MODELS = Path(__file__).parents[1] / "models"  # those that ship, NAME/ as `export` writes it


def _data_info(path, size):
    """What data.json says about images with a side of `size` pixels."""
    try:  # the others are for a run that resumes, see data_record
        content = read_json(path, finite=True)
        found = {k: v for k, v in content.items() if k not in ("data", "version", "origin")}
        info = build.DataInfo(**found)
    except (TypeError, AttributeError) as error:
        raise damaged(path, str(error).removeprefix("DataInfo.__new__() ")) from None
    for name, value in info._asdict().items():
        if type(value) is not int or value < 1:
            raise damaged(path, f"{name} is {value!r}")
    if info.size != size or info.channels not in (1, 3):
        raise damaged(path, f"no run has images of {info.size} pixels, {info.channels} channels")
    return info


def checked_config(path: Path):
    """Returns the config of a run's or exported model's folder.

    Raises:
      UserError: it is not there, or damaged.
    """
    config = read_config(path)
    try:
        checks.check(config, 1, begins=False)
    except UserError as error:
        raise damaged(path / CONFIG, error) from None
    return config


def _described(path: Path, own):
    """Returns (config, DataInfo, `parts.Built`) of a run's or exported model's folder."""
    config = checked_config(path)
    if config.num_seeds > 1:
        raise UserError(
            f"{path} holds {config.num_seeds} runs: name one of them, {path}/seed_{config.seed} to "
            f"seed_{config.seed + config.num_seeds - 1}"
        )
    info = _data_info(path / "data.json", config.data.size)
    return config, info, parts.load(path, config, info, **own)


def folder(name) -> Path:
    """Returns the folder that `load` reads: a path, else that of the shipped model of this name.

    Raises:
      UserError: there is neither; it names the models that ship.
    """
    if not isinstance(name, str | os.PathLike):
        raise UserError(
            f"{name!r} is no path: name the folder of a run or an exported model, or a model that "
            "ships"
        )
    path = expanded(name)
    names = sorted(p.name for p in MODELS.glob("*") if is_exported(p))
    if path.exists():
        return path
    if str(name) in names:
        return MODELS / name
    shipped = f"; {did_you_mean(name, names)}models that ship: {', '.join(names)}" if names else ""
    raise UserError(f"there is no folder {name} of a run or an exported model{shipped}")


@functools.lru_cache(maxsize=8)
def _state_shapes(objective, optimizers, shape):
    """The shapes of a run's state; images of a batch have `shape`."""
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(
        lambda rng, images: create_train_state(rng, objective, optimizers, images),
        jax.random.key(0),
        images,
    )


@functools.lru_cache(maxsize=8)
def _model_shapes(objective, shape):
    """The shapes of a model's parameters; images of a batch have `shape`."""
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(objective.init, jax.random.key(0), images).model


def _batch_shape(config, info):
    return config.batch_size, info.size, info.size, info.channels


def restore(workdir, **own):
    """Returns (config, DataInfo, objective, state) of a run's last checkpoint, on one device.

    Args:
      workdir: the run's folder.
      **own: networks or objective, see `load`.

    Raises:
      UserError: see `load`.
    """
    path = Path(workdir)
    config, info, built = _described(path, own)
    objective = built.objective
    shapes = _state_shapes(objective, built.optimizers, _batch_shape(config, info))
    one_device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    state = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one_device), shapes
    )
    with checkpoints.open_checkpoints(path, read_only=True) as manager:
        restored = checkpoints.restore(manager, state)
    if restored is None:
        raise UserError(
            f"{path} holds no checkpoint yet: run its command again, python -m cvae_jax.main "
            f"--config=... {shlex.quote(f'--workdir={path}')}"
        )
    return config, info, objective, restored


def load(name, **own) -> Model:
    """Returns the model of a run's last checkpoint, or one that was exported.

    Args:
      name: a run's --workdir, a folder that `python -m cvae_jax.export` wrote, or the name of a
        model that ships with the package.
      **own: networks=, a `networks.Networks`, or objective=, an `Objective`, of a run that was
        trained with one that its config does not name.

    Raises:
      UserError: there is none, it holds no checkpoint, or a file of it is damaged; later, when it
        is given something that is no batch of its images or latents.
    """
    path = folder(name)
    if not is_exported(path):
        config, info, objective, state = restore(path, **own)
        known = info.channels, info.num_examples, title(config, parts.recorded(path))
        return Model(config, objective, state.params, int(state.step), *known)
    config, info, built = _described(path, own)
    objective = built.objective
    shapes = _model_shapes(objective, _batch_shape(config, info))
    model, step = weights.read(path / WEIGHTS, shapes)
    model = jax.device_put(model, jax.local_devices()[0])
    params = Players(model=model, critic={})
    known = info.channels, info.num_examples, title(config, built.record)
    return Model(config, objective, params, step, *known)


def params_like(workdir, several: list[Players], **own) -> list[Players]:
    """Returns the parameters of several seeds with another model's weights.

    Each seed's own critics stay where the other has none, or one of other shapes: an exported model
    has none, and a critic of another input judges something else. A line says so.

    Raises:
      UserError: a parameter of the model is missing or has another shape; it is named.
    """
    path = folder(workdir)
    loaded = load(path, **own).params
    kept = {}
    for name, fresh in several[0].critic.items():
        other = {} if is_exported(path) else loaded.critic.get(name, {})
        if jax.tree.map(jnp.shape, other) == jax.tree.map(jnp.shape, fresh):
            kept[name] = other
        else:
            log.info("the critic %r is not that of %s: it starts with random weights", name, path)
    return [_filled(path, loaded._replace(critic=x.critic | kept), x) for x in several]


def _filled(path, loaded, params):
    """The parameters of one seed with those of the same names, see `params_like`."""
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
