"""A trained run, loaded to encode and decode."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from cvae_jax import build, checkpoints, checks
from cvae_jax.errors import UserError
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.step import as_float, create_train_state
from cvae_jax.workdir import CONFIG, damaged, read_config, read_json


class Model(NamedTuple):
    """A trained model: arrays in, arrays out."""

    encode: Callable  # images [B, H, W, C], uint8 or float in [0, 1] -> (mean, logvar), each [B, d]
    decode: Callable  # z [B, d] -> images in [0, 1], [B, H, W, C]
    config: Any
    channels: int  # of its images
    objective: Objective
    params: Players
    step: int  # steps it was trained for


def _data_info(path, size):
    """What data.json says of images that have `size` pixels a side."""
    try:
        info = build.DataInfo(**read_json(path))
    except TypeError as error:
        raise damaged(path, str(error).removeprefix("DataInfo.__new__() ")) from None
    for name, value in info._asdict().items():
        if type(value) is not int or value < 1:
            raise damaged(path, f"{name} is {value!r}")
    if info.size != size or info.channels not in (1, 3):
        raise damaged(path, f"no run has images of {info.size} pixels, {info.channels} channels")
    return info


def restore(workdir):
    """(config, DataInfo, objective, state) of a run's last checkpoint, on the first local device.

    Raises:
      UserError: see `load`.
    """
    path = Path(workdir)
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
    objective = build.objective(config, info)
    optimizers = build.optimizers(config)
    shape = (config.batch_size, info.size, info.size, info.channels)
    state = jax.eval_shape(
        lambda rng, images: create_train_state(rng, objective, optimizers, images),
        jax.random.key(0),
        jax.ShapeDtypeStruct(shape, jax.numpy.float32),
    )
    one_device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    state = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one_device), state
    )
    with checkpoints.open_checkpoints(path, read_only=True) as manager:
        restored = checkpoints.restore(manager, state)
    if restored is None:
        raise UserError(f"{path} holds no checkpoint yet")
    return config, info, objective, restored


def load(workdir) -> Model:
    """The model of a run's last checkpoint.

    Args:
      workdir: the run's folder.

    Raises:
      UserError: it is not a run's folder, holds no checkpoint, or the checkpoint is damaged.
    """
    config, info, objective, state = restore(workdir)
    params = state.params
    encode = jax.jit(lambda params, images: objective.encode(params, as_float(images)))
    decode = jax.jit(lambda params, z: objective.decode(params, z))

    return Model(
        encode=lambda images: encode(params, images),
        decode=lambda z: decode(params, z),
        config=config,
        channels=info.channels,
        objective=objective,
        params=params,
        step=int(state.step),
    )


def params_like(workdir, params: Players) -> Players:
    """Another run's weights for `params`.

    Raises:
      UserError: a parameter is missing or has another shape; it is named.
    """
    loaded = restore(workdir)[-1].params
    found = {jax.tree_util.keystr(k): x for k, x in jax.tree_util.tree_leaves_with_path(loaded)}

    def pick(path, leaf):
        name = jax.tree_util.keystr(path)
        if name not in found or found[name].shape != leaf.shape:
            theirs = f"has shape {found[name].shape}" if name in found else "is missing"
            raise UserError(
                f"config.init_from {workdir}: {name} {theirs}, this run's has {leaf.shape}; the "
                "data size, objective and cascade of both configs must agree"
            )
        return found[name]

    return jax.tree_util.tree_map_with_path(pick, params)
