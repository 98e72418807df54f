"""Sampling p_B(z, z_hat) = prod_j p(z_j) prod_j p(z_hat_j | Pa(z_hat_j)), the paper's Eq. 4.

Only rows of the joint q(z, z_hat) are at hand. A sample of p_B is put together from them, node by
node in topological order, so that each node depends on its parents as under q and on nothing else:

* a node without parents is taken from a batch row of its own, one that serves no other root of the
  sample: exact;
* a node whose parents are all that the sample holds of one batch row is taken from that row: exact.
  (Were another node of that row in the sample, copying would keep their forbidden dependence.)
* any other node is drawn by donor resampling with regression adjustment: of the rows set aside for
  this node, the one with the nearest parents gives its value, moved along the batch's regression of
  the node on its parents by the distance that remains. Exact in the limit of a large batch for any
  q; where q is linear-Gaussian, slopes and variances are without bias at any size.

Every drawn node has a random share of the rows to itself. Two nodes of a sample must not share a
donor, and forbidding the second one what the first one took would bias it: the rows taken are those
that resemble the sample most, in forbidden respects too.
"""

import jax
import jax.numpy as jnp

from cvae_jax.structures import Structure

# Relative to the parents' variances: keeps the solve regular when a parent is constant or two
# parents coincide, and shrinks slopes by a thousandth otherwise.
_RIDGE = 1e-3


def parents_of(structure: Structure, node: int) -> tuple:
    """Parents of a node of v = (z_hat_1..d, z_1..d), as nodes of v; z nodes have none."""
    d = structure.latents
    if node >= d:
        return ()
    return (*structure.z_hat_parents(node), *(d + i for i in structure.z_parents(node)))


def plan(structure: Structure) -> list[tuple]:
    """How each node of v is sampled, in order: (node, "root" | "copy" | "draw", root).

    For a copy, root is the node whose batch row it is copied from.
    """
    d = structure.latents
    steps, root_of, held = [], {}, {}  # node -> root of its row; root -> nodes of its row in use
    for node in (*structure.order, *range(d, 2 * d)):
        if not parents_of(structure, node):
            steps.append((node, "root", node))
            root_of[node], held[node] = node, {node}
    for node in structure.order:
        parents = parents_of(structure, node)
        if not parents:
            continue
        root = root_of.get(parents[0])
        if root is not None and held[root] == set(parents):
            steps.append((node, "copy", root))
            root_of[node] = root
            held[root].add(node)
        else:
            # Not a value of any row afterwards: its children can't be copied along with it.
            steps.append((node, "draw", None))
    return steps


def rows_needed(structure: Structure) -> int:
    """The number of batch rows that one sample takes, at most: the smallest usable batch."""
    return structure.latents * (1 if structure.is_marginal else 2)


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
    steps = plan(structure)
    num_draws = sum(action == "draw" for _, action, _ in steps)
    permutation = jax.random.permutation(rng, batch)
    new, row_of = {}, {}  # node -> its values in the samples [n]; root -> the rows they come from
    shift, share = 0, 0
    for node, action, root in steps:
        if action == "root":
            # One permutation, a different cyclic shift a root: no row serves two roots of a sample.
            row_of[node] = permutation[(rows + shift) % batch]
            shift += 1
            new[node] = v[row_of[node], node]
        elif action == "copy":
            new[node] = v[row_of[root], node]
        else:
            parents = parents_of(structure, node)
            taken = jnp.stack([*row_of.values()])[..., None] == jnp.arange(batch)  # [roots, n, B]
            allowed = (permutation % num_draws == share) & ~jnp.any(taken, axis=0)  # [n, B]
            share += 1
            target = jnp.stack([new[i] for i in parents], axis=1)  # [n, p]
            new[node] = draw(v[:, node], v[:, parents], target, allowed)
    samples = jnp.stack([new[node] for node in range(2 * latents)], axis=1)
    return samples[:, latents:], samples[:, :latents]


def draw(y, x, target, allowed):
    """Donor resampling: y of the allowed row with the nearest x, moved along the slope of y on x.

    Written as the fit at the target plus the donor's residual, times sqrt((1 - h) / (1 - h_donor))
    with the leverages h of target and donor. The fit at the target has a variance of h times the
    residual's, which p_B's wider parents can make large, and has taken h_donor of the donor's own;
    with the factor the sample's variance is right. Where the donor is near, it is 1.

    Args:
      y: the node in the batch [B].
      x: its parents in the batch [B, p].
      target: its parents in the samples [n, p].
      allowed: which rows may give to which sample, bool [n, B].

    Returns:
      The node in the samples, [n].
    """
    batch, count = x.shape
    mean, scale = jnp.mean(x, axis=0), jnp.std(x, axis=0) + 1e-6
    x, target = (x - mean) / scale, (target - mean) / scale
    inverse = jnp.linalg.inv(x.T @ x / batch + _RIDGE * jnp.eye(count))
    centre = jnp.mean(y)
    slope = inverse @ (x.T @ (y - centre)) / batch  # [p]

    def rest(x):  # one minus the leverage; a target far out keeps a tenth
        return jnp.maximum(1 - (1 + jnp.sum((x @ inverse) * x, axis=1)) / batch, 0.1)

    distance = jnp.sum((target[:, None] - x[None]) ** 2, axis=-1)  # [n, B]
    donor = jnp.argmin(jnp.where(allowed, distance, jnp.inf), axis=1)  # [n]
    residual = (y - centre - x @ slope)[donor]
    return centre + target @ slope + residual * jnp.sqrt(rest(target) / rest(x)[donor])
