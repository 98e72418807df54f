"""An extension, not in the paper: a reward for the edges of a structure that are used.

The cascade's KL takes away dependence that the structure forbids and never asks for any that it
allows. This term asks for it: a lower bound of sum_j I(z_hat_j ; Pa_j), parents among z_hat.
"""

import jax
import jax.numpy as jnp

from cvae_jax.networks import Critic
from cvae_jax.objectives import rows
from cvae_jax.objectives.base import Objective
from cvae_jax.objectives.density_ratio import base_key, named_key
from cvae_jax.structures import Structure

_SCORER = Critic(layers=2, width=64)


def information_bound(scores, rows_of):
    """Computes InfoNCE, a lower bound of I(x; y), in nats (van den Oord et al. 2018, 1807.03748).

        log B + mean_i ( f(x_i, y_i) - log sum_k exp f(x_i, y_k) )

    Args:
      scores: f(x_i, y_k) of any function f, [n, B].
      rows_of: which of the B columns is each row's own, int [n].

    Returns:
      The bound, at most log B.
    """
    own = jnp.take_along_axis(scores, rows_of[:, None], axis=1)[:, 0]
    return jnp.log(scores.shape[1]) + jnp.mean(own - jax.nn.logsumexp(scores, axis=1))


def edge_reward(objective: Objective, structure: Structure, weight: float) -> Objective:
    """Adds -weight * (lower bound of sum_j I(z_hat_j ; Pa_j)) to the loss of a cascade, in nats.

    The function f of each node is a small network of its own under params.model: it maximises the
    same bound as encoder and decoder do, so no player opposes it. It is at most log B per node.

    Args:
      objective: a `cascade`; its samples hold z_hat.
      structure: the same Bayesian network; its edges between z_hat nodes are rewarded.
      weight: nats per nat.

    Returns:
      An `Objective` with the metric edge_information, the bound itself.

    Raises:
      ValueError: the structure has no edges between z_hat nodes.
    """
    nodes = [j for j in range(structure.latents) if structure.z_hat_parents(j)]
    if not nodes:
        raise ValueError("the structure has no edges between z_hat nodes to reward")

    def init(rng, images):
        params = objective.init(base_key(rng, "edges"), images)
        scorers = {}
        for j in nodes:
            inputs = jnp.zeros((1, len(structure.z_hat_parents(j)) + 1))
            node_rng = jax.random.fold_in(named_key(rng, "edges"), j)
            scorers[f"z_hat_{j + 1}"] = _SCORER.init(node_rng, inputs)["params"]
        return params._replace(model={**params.model, "edges": scorers})

    def information(params, z_hat, axis_name):
        """Computes the bound, mean over local rows; negatives are all rows of the global batch."""
        everyone = rows.all_rows(z_hat, axis_name)  # [B, d]
        own = rows.local_rows(jnp.arange(len(everyone)), axis_name)  # [n]
        total = 0.0
        for j in nodes:
            x = z_hat[:, structure.z_hat_parents(j)]  # [n, p]
            n, p = x.shape
            x = jnp.broadcast_to(x[:, None], (n, len(everyone), p))
            y = jnp.broadcast_to(everyone[None, :, j, None], (n, len(everyone), 1))
            scorer = {"params": params.model["edges"][f"z_hat_{j + 1}"]}
            pairs = jnp.concatenate([x, y], axis=-1).reshape(-1, p + 1)  # [n B, p + 1]
            total += information_bound(_SCORER.apply(scorer, pairs).reshape(n, -1), own)
        return total

    def model_loss(params, images, rng, step, axis_name=None):
        loss, (metrics, samples) = objective.model_loss(params, images, rng, step, axis_name)
        bound = information(params, samples["cascade"]["z_hat"], axis_name)
        return loss - weight * bound, ({**metrics, "edge_information": bound}, samples)

    return objective._replace(init=init, model_loss=model_loss)
