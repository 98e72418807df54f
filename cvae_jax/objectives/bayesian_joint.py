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
  q; where q is linear-Gaussian, slopes and variances are without bias at any size, but for parents
  so far out that their leverage is above 0.9 (see `draw`).

Every drawn node has a random share of the rows to itself. Two nodes of a sample must not share a
donor, and forbidding the second one what the first one took would bias it: the rows taken are those
that resemble the sample most, in forbidden respects too.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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


class Plan(NamedTuple):
    """How the nodes of v are sampled. Arrays: one program serves all structures of these shapes."""

    shift: Any  # [size of v] which of its rows a sample takes each root and each copy from
    num_roots: Any  # how many rows one sample takes
    nodes: Any  # [m] the nodes to draw, in topological order
    parents: Any  # [m, p] of each of them, filled up with -1


def plan(structure: Structure, *, with_z: bool = True) -> Plan:
    """Returns which node is a root, a copy or drawn, see the module's docstring.

    Args:
      structure: parents of each z_hat_j.
      with_z: whether samples hold z: each z takes a row, from which no donor may come.

    Raises:
      ValueError: without z, a structure that conditions on it.
    """
    d = structure.latents
    if not with_z and not structure.is_marginal:
        raise ValueError(f"the structure {structure} conditions on z: give z, or take its marginal")
    shift, held, nodes = {}, [], []  # held: for each row of a sample, the nodes taken from it
    candidates = [*structure.order]
    if with_z:
        candidates += range(d, 2 * d)
    for node in candidates:
        if not parents_of(structure, node):
            shift[node] = len(held)
            held.append({node})
    for node in structure.order:
        parents = parents_of(structure, node)
        if not parents:
            continue
        row = shift.get(parents[0])
        if row is not None and held[row] == set(parents):
            shift[node] = row
            held[row].add(node)
        else:
            # Not a value of any row afterwards: its children can't be copied along with it.
            nodes.append(node)
    families = [parents_of(structure, node) for node in nodes]
    width = max(map(len, families), default=0)
    return Plan(
        shift=np.array([shift.get(node, 0) for node in range(2 * d if with_z else d)]),
        num_roots=len(held),
        nodes=np.array(nodes, int),
        parents=np.array([(*p, *[-1] * (width - len(p))) for p in families], int),
    )


def rows_needed(plan: Plan) -> int:
    """Returns the smallest usable batch: a row for every root, a donor for every drawn node."""
    draws, roots = len(plan.nodes), int(plan.num_roots)
    # Of its donors, draws rows apart, a sample's own rows may take -(-roots // draws).
    return draws * (-(-roots // draws) + 1) if draws else roots


def sample_joint(rng, z, z_hat, structure: Structure, rows=None):
    """Samples of p_B from samples of q, see the module's docstring; gradients are stopped.

    Args:
      rng: a key.
      z: [B, d] roots, the decoder's inputs; None: samples of z_hat alone, which are nearer to their
        law, as z takes no rows.
      z_hat: [B, d] in the same rows, the re-encoded latents.
      structure: parents of each z_hat_j. z parents condition on z; a structure without any
        (`Structure.marginal()`) never reads z, and then z_new is independent of z_hat_new.
      rows: which of the B samples to return, int [n] (all of them when None). The samples of
        different rows are the same however they are asked for.

    Returns:
      (z_new, z_hat_new), each [n, d]; z_new is None where z is.

    Raises:
      ValueError: the batch has fewer rows than a sample needs (`rows_needed`), z is None and the
        structure has z parents, or it is of another number of latents.
    """
    batch, latents = z_hat.shape
    structure.require(latents)
    how = plan(structure, with_z=z is not None)
    if batch < rows_needed(how):
        raise ValueError(
            f"a sample of p_B needs {rows_needed(how)} rows and the batch has {batch}: raise "
            "batch_size or cascade.prior_batch_size"
        )
    v = z_hat if z is None else jnp.concatenate([z_hat, z], axis=1)  # [B, d or 2 d], z_hat first
    new = sample(rng, jax.lax.stop_gradient(v), how, jnp.arange(batch) if rows is None else rows)
    return None if z is None else new[:, latents:], new[:, :latents]


def sample(rng, v, plan: Plan, rows):
    """Computes `sample_joint` on rows v of q, [B, 2 d] or without z [B, d]: [n, the same]."""
    batch, size = v.shape
    v = jax.random.permutation(rng, v)  # by rows; sample i takes the rows i, i + 1, ... of these
    new = v[(rows[:, None] + plan.shift) % batch, jnp.arange(size)]  # roots and copies: [n, size]
    num_draws = len(plan.nodes)
    if not num_draws:
        return new
    nodes, families = jnp.asarray(plan.nodes), jnp.asarray(plan.parents)

    def draw_node(i, new):
        node, parents = nodes[i], families[i]
        x, target = (jnp.where(parents < 0, 0.0, values[:, parents]) for values in (v, new))
        donors = i + num_draws * jnp.arange(batch // num_draws)  # [k], this node's own share
        allowed = (donors - rows[:, None]) % batch >= plan.num_roots  # [n, k]
        return new.at[:, node].set(draw(v[:, node], x, target, donors, allowed))

    return jax.lax.fori_loop(0, num_draws, draw_node, new)


@jax.default_matmul_precision("highest")  # GPUs round products; here one is inverted
def draw(y, x, target, donors, allowed):
    """Draws y: that of the allowed donor with the nearest x, moved along the slope of y on x.

    Written as the fit at the target plus the donor's residual, times sqrt((1 - h) / (1 - h_donor))
    with the leverages h of target and donor. The fit at the target has a variance of h times the
    residual's, which p_B's wider parents can make large, and has taken h_donor of the donor's own;
    with the factor the sample's variance is right, as long as h is under 0.9: beyond, the factor
    stays what it is there. Where the donor is near, it is 1.

    Args:
      y: the node in the batch [B].
      x: its parents in the batch [B, p].
      target: its parents in the samples [n, p].
      donors: rows of the batch, int [k].
      allowed: which of them may give to which sample, bool [n, k].

    Returns:
      The node in the samples, [n].
    """
    batch, count = x.shape
    mean, scale = jnp.mean(x, axis=0), jnp.std(x, axis=0) + 1e-6
    x, target = (x - mean) / scale, (target - mean) / scale
    inverse = jnp.linalg.inv(x.T @ x / batch + _RIDGE * jnp.eye(count))
    centre = jnp.mean(y)
    slope = inverse @ (x.T @ (y - centre)) / batch  # [p]
    residual = (y - centre - x @ slope)[donors]  # [k]
    x = x[donors]  # [k, p]

    def rest(x):  # one minus the leverage; a target far out keeps a tenth
        return jnp.maximum(1 - (1 + jnp.sum((x @ inverse) * x, axis=1)) / batch, 0.1)

    distance = sum((target[:, None, i] - x[:, i]) ** 2 for i in range(count))  # [n, k]
    distance = jnp.where(allowed, distance, jnp.inf)
    # argmin, as two plain reductions: the CPU backend vectorises these
    nearest = distance == jnp.min(distance, axis=1, keepdims=True)
    nearest = jnp.min(jnp.where(nearest, jnp.arange(len(donors)), len(donors) - 1), axis=1)  # [n]
    return (
        centre + target @ slope + (residual / jnp.sqrt(rest(x)))[nearest] * jnp.sqrt(rest(target))
    )
