"""One step of training: two players, their gradients at the same old parameters, two updates."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from cvae_jax.errors import UserError
from cvae_jax.networks.checks import require_range
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.rows import num_devices


class TrainState(NamedTuple):
    """All that training needs to resume."""

    step: Any  # int32, the number of steps taken
    params: Players
    opt_state: Players
    rng: Any  # a typed key; never changes: a step's randomness is fold_in(rng, step)


def as_float(images):
    """Returns images as float in [0, 1]; uint8 is scaled from 0..255.

    Raises:
      UserError: integers of another type, whose range is not known; floats beyond [0, 1], where
        values can be seen; or no images.
    """
    if not images.size:
        raise UserError(f"there are no images: {images.shape}")
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(f"images are {images.dtype}: make them uint8, or floats in [0, 1]")
    require_range(images)
    return images.astype(jnp.float32) / 255.0 if images.dtype == jnp.uint8 else images


def create_train_state(rng, objective: Objective, optimizers: Players, images) -> TrainState:
    """Returns the state before the first step.

    Args:
      rng: a typed key, `jax.random.key(seed)`.
      objective: the method.
      optimizers: `Players` of optax transformations.
      images: a batch [B, H, W, C], uint8 or float in [0, 1], for its shape and range alone.

    Raises:
      UserError: floats are beyond [0, 1], there are no images, the networks are of a kind that is
        not supported, or the optimizers no `Players`.
    """
    if not isinstance(optimizers, Players):
        raise UserError(
            "optimizers are not one for each player: make them cvae_jax.Players(model=..., "
            "critic=...)"
        )
    init_rng, rng = jax.random.split(rng)
    params = objective.init(init_rng, as_float(images))
    opt_state = Players(*(tx.init(p) for tx, p in zip(optimizers, params, strict=True)))
    return TrainState(jnp.zeros((), jnp.int32), params, opt_state, rng)


def train_step(
    state: TrainState, images, *, objective: Objective, optimizers: Players, axis_name=None
):
    """Takes one step; pure: the caller applies jit, pmap, vmap or scan.

    The model's loss is differentiated with respect to params.model alone and the critic's with
    respect to params.critic alone, on the model's samples, stopped; so no gradient of one player's
    loss reaches the other.

    Args:
      state: replicated over the devices of axis_name.
      images: this device's rows [B / devices, H, W, C], uint8 or float in [0, 1].
      objective: the method.
      optimizers: `Players` of optax transformations.
      axis_name: of the pmap or vmap that splits the batch; None on one device.

    Returns:
      (state, metrics): metrics are means over the global batch, at the parameters before the step.
    """
    params = state.params
    images = as_float(images)
    model_rng, critic_rng = jax.random.split(jax.random.fold_in(state.rng, state.step))

    def model_loss(model):
        return objective.model_loss(
            params._replace(model=model), images, model_rng, state.step, axis_name
        )

    def critic_loss(critic):
        return objective.critic_loss(
            params._replace(critic=critic), samples, critic_rng, state.step, axis_name
        )

    (loss, (metrics, samples)), model_grads = jax.value_and_grad(model_loss, has_aux=True)(
        params.model
    )
    samples = lax.stop_gradient(samples)
    (_, critic_metrics), critic_grads = jax.value_and_grad(critic_loss, has_aux=True)(params.critic)

    grads = Players(model_grads, critic_grads)
    metrics = {"loss": loss, **metrics, **critic_metrics}
    if num_devices(axis_name) > 1:  # the mean over one would copy every gradient
        # Mean, never sum: every objective returns the mean over local rows, and pmap and vmap
        # transpose collectives across devices. (Under jit(shard_map) with its default check the
        # gradient with respect to replicated params comes summed already: port with care.)
        grads, metrics = lax.pmean((grads, metrics), axis_name)
    # Of the model alone: the square of each of the critic's five million would take 4 % of a step.
    metrics["model_grad_norm"] = optax.tree.norm(grads.model)

    updates = [
        tx.update(gradient, opt_state, p)
        for tx, gradient, opt_state, p in zip(
            optimizers, grads, state.opt_state, params, strict=True
        )
    ]
    new_params = Players(
        *(optax.apply_updates(p, u) for p, (u, _) in zip(params, updates, strict=True))
    )
    new_opt_state = Players(*(s for _, s in updates))
    return TrainState(state.step + 1, new_params, new_opt_state, state.rng), metrics
