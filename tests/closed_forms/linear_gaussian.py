"""Linear-Gaussian q(z, z_hat): where p_B, its samples and the KL have closed forms.

v = (z_hat_1..d, z_1..d) ~ N(0, cov). Under p_B each node keeps its regression on its parents and
its residual variance, and loses all other dependence; so p_B = N(0, `structured(cov)`), and

    KL(q || p_B) = 1/2 ( sum_j log Var(v_j | Pa_j) - log det cov )

over the nodes that the critic sees.
"""

import numpy as np

from cvae_jax.structures import Structure, independence, parse


def parent_columns(structure: Structure, node: int) -> list[int]:
    """Columns of v that are parents of v's column `node`; z columns are roots."""
    d = structure.latents
    if node >= d:
        return []
    return [*structure.z_hat_parents(node), *(d + i for i in structure.z_parents(node))]


def conditionals(cov, structure: Structure):
    """Every node's regression on its parents: weights [2d, 2d], residual variances [2d]."""
    size = len(cov)
    weights, variances = np.zeros((size, size)), np.zeros(size)
    for node in range(size):
        pa = parent_columns(structure, node)
        beta = np.linalg.solve(cov[np.ix_(pa, pa)], cov[pa, node]) if pa else np.zeros(0)
        weights[node, pa] = beta
        variances[node] = cov[node, node] - cov[node, pa] @ beta
    return weights, variances


def structured(cov, structure: Structure):
    """The covariance of p_B when q is N(0, cov): [2d, 2d]."""
    weights, variances = conditionals(cov, structure)
    inverse = np.linalg.inv(np.eye(len(cov)) - weights)
    return inverse @ np.diag(variances) @ inverse.T


def kl(cov, structure: Structure) -> float:
    """KL(q || p_B) in nats, over z_hat alone where the structure has no z parents."""
    _, variances = conditionals(cov, structure)
    d = structure.latents
    seen = slice(0, d) if structure.is_marginal else slice(0, 2 * d)
    return 0.5 * (np.sum(np.log(variances[seen])) - np.linalg.slogdet(cov[seen, seen])[1])


def random_q(structure: Structure, seed: int):
    """A covariance [2d, 2d] of q with strong dependence, allowed and forbidden.

    z ~ N(0, I); z_hat_j is a weighted sum of z_j, its parents and some nodes that are not, plus
    noise. Drawn again until |correlation| is within .3 to .8 along every z_hat edge and on at least
    one pair that p_B makes independent (where there is one), and the KL is at least .5 nat.
    """
    rng = np.random.default_rng(seed)
    d = structure.latents
    free = independence.pairs(structure.marginal()).forbidden
    for _ in range(100_000):
        cov = _draw(rng, structure)
        size = np.abs(cov[:d, :d])
        if not all(0.3 <= size[e] <= 0.8 for e in structure.edges):
            continue
        if free and not any(0.3 <= size[pair] <= 0.8 for pair in free):
            continue
        if min(kl(cov, structure), kl(cov, structure.marginal())) >= 0.5:
            return cov
    raise ValueError(f"no q found for structure {str(structure)!r}")


def _draw(rng, structure):
    d = structure.latents
    cov = np.eye(2 * d)  # z part in place; z_hat rows filled in topological order
    done = []
    for j in structure.order:
        weights = np.zeros(2 * d)
        for i in structure.z_hat_parents(j):
            weights[i] = rng.uniform(0.35, 0.75) * rng.choice((-1, 1))
        weights[d + j] = rng.uniform(0.3, 0.8)
        strangers = [i for i in done if i not in structure.z_hat_parents(j)]
        for i in strangers:
            if rng.random() < 0.5:
                weights[i] = rng.uniform(0.2, 1.0) * rng.choice((-1, 1))
        row = cov @ weights  # covariance with all that is there
        variance = weights @ cov @ weights + rng.uniform(0.1, 0.5)
        cov[j], cov[:, j] = row / np.sqrt(variance), row / np.sqrt(variance)
        cov[j, j] = 1.0
        done.append(j)
    return cov


def random_structure(rng, latents: int, max_parents: int = 3) -> Structure:
    """A random DAG over z_hat with up to max_parents z_hat parents a node."""
    order = rng.permutation(latents) + 1
    words = []
    for position, node in enumerate(order):
        count = min(position, rng.integers(0, max_parents + 1))
        words += [f"{i}>{node}" for i in rng.choice(order[:position], count, replace=False)]
    return parse(" ".join(words), latents)
