"""KL(q || p) from samples by a critic, the density-ratio trick: the paper's Eq. 6.

A classifier D trained to separate samples of q (label 1) from samples of p (label 0) has, at its
optimum, the logit log q(v) - log p(v); so KL(q || p) = E_q[logit].
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from cvae_jax.objectives.base import Objective, at_step, base_key, named_key


def classification_loss(q_logits, p_logits):
    """Returns the critic's loss and accuracy, with equal weight on q (label 1) and p (label 0).

    Args:
      q_logits: [n] of samples of q.
      p_logits: [m] of samples of p.

    Returns:
      (loss, accuracy): cross entropy in nats, log 2 for a critic that knows nothing; the share
      of samples classified correctly, 0.5 for such a critic.
    """
    # softplus(-l) = -log sigmoid(l), without the rounding of sigmoid to 0 or 1
    loss = 0.5 * (jnp.mean(jax.nn.softplus(-q_logits)) + jnp.mean(jax.nn.softplus(p_logits)))
    accuracy = 0.5 * (jnp.mean(q_logits > 0) + jnp.mean(p_logits <= 0))
    return loss, accuracy


def slope_penalty(logit_of, v):
    """Computes half the mean over rows of ||d logit(v) / dv||^2, logit_of: v [n, k] -> [n].

    Added to a critic's loss with a small weight it keeps two players from circling round their
    solution (Mescheder et al. 2018, arXiv:1801.04406, who take it at samples of one law).
    """
    slopes = jax.grad(lambda v: jnp.sum(logit_of(v)))(v)  # [n, k]
    return 0.5 * jnp.mean(jnp.sum(slopes**2, axis=1))


def add_density_ratio(
    base: Objective,
    *,
    name: str,
    weight,
    critic: nn.Module,
    extend: Callable,
    q_rows: Callable,
    p_rows: Callable,
    smoothness: float = 0.0,
) -> Objective:
    """Adds weight * KL(q || p) to the model's loss, and the critic that estimates it.

    Args:
      base: the objective to wrap; its keys are folded with a name of their own (`base_key`).
      name: of the critic and of its metrics NAME_kl, NAME_critic_loss, NAME_critic_accuracy.
      weight: of the KL, in nats per nat: a number, or a function of the step.
      critic: a linen module, v [n, k] -> logits [n], a row's logit from that row alone.
      extend: (params, images, samples, rng, axis_name) -> samples, with what q_rows and p_rows
        need; differentiable in params.
      q_rows: samples -> v [n, k], local rows that follow q.
      p_rows: (samples, rng, axis_name) -> v [n, k], local rows that follow p.
      smoothness: weight of the critic's `slope_penalty` at samples of both; 0: none.

    Returns:
      An `Objective` with one critic more. Its init raises ValueError if the base has one of the
      name, which two would train on two laws.
    """

    def logit_of(params, v):
        return critic.apply({"params": params.critic[name]}, v)

    def logits_of(params, q, p):
        """Computes both at once, in either loss: XLA sees that both losses need the same."""
        logits = logit_of(params, jnp.concatenate([q, p]))
        return logits[: len(q)], logits[len(q) :]

    def extended(params, images, rng, step, axis_name):
        """Returns the base's loss and metrics, and its samples with what `extend` adds."""
        base_rng = base_key(rng, name)
        loss, (metrics, samples) = base.model_loss(params, images, base_rng, step, axis_name)
        return loss, metrics, extend(params, images, samples, named_key(rng, name), axis_name)

    def init(rng, images):
        params = base.init(base_key(rng, name), images)
        if name in params.critic:
            raise ValueError(f"the objective has a critic {name!r} already: wrap it in one {name}")
        # For the shape of the critic's input; no key is used, as nothing is computed.
        v = jax.eval_shape(lambda: q_rows(extended(params, images, rng, 0, None)[2]))
        new = critic.init(named_key(rng, name), jnp.zeros(v.shape, v.dtype))["params"]
        return params._replace(critic={**params.critic, name: new})

    def model_loss(params, images, rng, step, axis_name=None):
        loss, metrics, samples = extended(params, images, rng, step, axis_name)
        q = q_rows(samples)
        p = jax.lax.stop_gradient(p_rows(samples, named_key(rng, f"p of {name}"), axis_name))
        kl = jnp.mean(logits_of(params, q, p)[0])
        samples = {**samples, f"{name}_critic": (q, p)}
        return loss + at_step(weight, step) * kl, ({**metrics, f"{name}_kl": kl}, samples)

    def critic_loss(params, samples, rng, step, axis_name=None):
        base_rng = base_key(rng, name)
        base_loss, metrics = base.critic_loss(params, samples, base_rng, step, axis_name)
        q, p = samples[f"{name}_critic"]
        loss, accuracy = classification_loss(*logits_of(params, q, p))
        new = {f"{name}_critic_loss": loss, f"{name}_critic_accuracy": accuracy}
        if smoothness:
            v = jnp.concatenate([q, p])
            loss += smoothness * slope_penalty(functools.partial(logit_of, params), v)
        return base_loss + loss, {**metrics, **new}

    return base._replace(init=init, model_loss=model_loss, critic_loss=critic_loss)
