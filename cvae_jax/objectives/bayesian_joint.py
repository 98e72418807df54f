"""Sampling p_B(z, z_hat) = prod_j p(z_j) prod_j p(z_hat_j | Pa(z_hat_j)), the paper's Eq. 4.

Only rows of the joint q(z, z_hat) are at hand. A sample of p_B is put together from them, node by
node in topological order, so that each node depends on its parents as under q and on nothing else:

* a node without parents is taken from a batch row of its own, one that serves no other root of the
  sample: exact;
* a node whose parents are all that the sample holds of one batch row is taken from that row: exact.
  (Were another node of that row in the sample, copying would keep their forbidden dependence.)
* any other node is drawn by donor resampling with regression adjustment: of the batch rows that
  serve nothing else in the sample, the one with the nearest parents gives its value, moved along
  the batch's regression of the node on its parents by the distance that remains. Exact in the limit
  of a large batch for any q, and without bias in the slopes at any size where q is linear-Gaussian.
"""

import jax
import jax.numpy as jnp

from cvae_jax.structures import Structure

# Relative to the parents' variances: keeps the solve regular when a parent is constant or two
# parents coincide, and shrinks slopes by a thousandth otherwise.
_RIDGE = 1e-3


def rows_needed(structure: Structure) -> int:
    """The number of batch rows that one sample takes, at most: the smallest usable batch."""
    is_marginal = structure == structure.marginal()
    return structure.latents * (1 if is_marginal else 2)


def sample_joint(rng, z, z_hat, structure: Structure, rows=None):
    """Samples of p_B from samples of q, see the module's docstring; gradients are stopped.

    Args:
      rng: a key.
      z: [B, d] roots, the decoder's inputs.
      z_hat: [B, d] in the same rows, the re-encoded codes.
      structure: parents of each z_hat_j. z parents condition on z; a structure without any
        (`Structure.marginal()`) never reads z, and then z_new is independent of z_hat_new.
      rows: which of the B samples to return, int [n] (all of them when None). The samples of
        different rows are the same however they are asked for.

    Returns:
      (z_new, z_hat_new), each [n, d].

    Raises:
      ValueError: the batch has fewer rows than one sample takes (`rows_needed`).
    """
    batch, latents = z.shape
    if batch < rows_needed(structure):
        raise ValueError(
            f"a sample of p_B takes {rows_needed(structure)} rows and the batch has {batch}: raise "
            "batch_size or cascade.prior_batch_size"
        )
    v = jax.lax.stop_gradient(jnp.concatenate([z_hat, z], axis=1))  # [B, 2 d], z_hat first
    rows = jnp.arange(batch) if rows is None else rows
    permutation = jax.random.permutation(rng, batch)
    new = [None] * (2 * latents)  # columns of the samples, each [n]
    source = {}  # node -> (root whose row it was copied from, that row's index [n])
    held = {}  # root -> nodes of its row that the sample holds
    used = jnp.zeros((rows.shape[0], batch), bool)  # rows that already serve in a sample

    def use(index):
        nonlocal used
        used |= index[:, None] == jnp.arange(batch)

    def take(node, root, index):
        new[node] = v[index, node]
        source[node] = (root, index)
        held.setdefault(root, set()).add(node)
        use(index)

    def take_root(node, shift):
        # One permutation, a different cyclic shift a root: no row serves two roots of a sample.
        take(node, node, permutation[(rows + shift) % batch])

    def draw(node, parents):
        x, y = v[:, parents], v[:, node]  # [B, p], [B]
        target = jnp.stack([new[i] for i in parents], axis=1)  # [n, p]
        mean, scale = jnp.mean(x, axis=0), jnp.std(x, axis=0) + 1e-6
        x, target = (x - mean) / scale, (target - mean) / scale
        gram = x.T @ x / batch + _RIDGE * jnp.eye(len(parents))
        slope = jnp.linalg.solve(gram, x.T @ (y - jnp.mean(y)) / batch)  # [p]
        distance = jnp.sum((target[:, None] - x[None]) ** 2, axis=-1)  # [n, B]
        index = jnp.argmin(jnp.where(used, jnp.inf, distance), axis=1)  # [n]
        use(index)
        # Not a value of any batch row: a child of this node can't be copied along with it.
        source[node] = (None, index)
        new[node] = y[index] + jnp.sum((target - x[index]) * slope, axis=1)

    roots = [j for j in range(latents) if not structure.parents[j]]
    roots += range(latents, 2 * latents)
    for shift, node in enumerate(roots):
        take_root(node, shift)
    for j in structure.order:
        parents = [*structure.z_hat_parents(j), *(latents + i for i in structure.z_parents(j))]
        if not parents:
            continue
        root, index = source[parents[0]]
        if held.get(root) == set(parents):
            take(j, root, index)
        else:
            draw(j, parents)
    samples = jnp.stack(new, axis=1)
    return samples[:, latents:], samples[:, :latents]
