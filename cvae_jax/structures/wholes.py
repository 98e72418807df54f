"""Wholes and parts of a structure, and the bases in which latents say and move what it asks for.

An encoder's network says v, a factor of its own in each latent, and z = v E has the dependence of
the structure. A decoder's network reads z M, in which a part stands as the sum of itself and its
wholes, so a whole moves all that its parts move. E M leaves the factors as they were.
"""

import numpy as np

from cvae_jax.structures.structure import checked


def families(parents) -> tuple:
    """Returns the wholes of a structure, each with its parts: ((whole, (part, ...)), ...), from 0.

    A whole is a node with two or more neighbours on one side of its edges, which are its parts:
    the parents of a composed node, the children of a decomposed one. The paper draws the arrows of
    compositions towards the whole (Figs. 8, 9 and 11) and those of decompositions away from it
    (Fig. 7), and in both the high-order node is where edges meet. A single edge does not say which
    end is the whole. A node with several parents and several children is two wholes.

    Args:
      parents: for each z_hat_j a tuple of ("z" or "z_hat", i), counted from 0; z is ignored.
    """
    above, below = _neighbours(parents)
    found = []
    for node in range(len(parents)):
        found += [(node, side) for side in (above[node], below[node]) if len(side) > 1]
    return tuple(found)


def composed(parents) -> np.ndarray:
    """Returns which nodes are composed, bool [d]: wholes of their parents, without a factor."""
    above, _ = _neighbours(parents)
    return np.array([len(among) > 1 for among in above])


def sums(parents) -> np.ndarray:
    """Returns the matrix M by which a decoder that adds wholes to their parts reads z, [d, d].

    It reads z M: in the place of a part the sum of the part, its wholes, their wholes and so on; in
    the place of a composed whole nothing, so that it is made of its parts; other latents as they
    are.

    Args:
      parents: see `families`.

    Raises:
      ValueError: the structure has no wholes, or wholes and parts go in a circle.
    """
    d = len(parents)
    step = np.zeros((d, d))
    for whole, parts in families(parents):
        step[whole, list(parts)] = 1
    if not step.any():
        raise ValueError("the structure has no node with two or more parts")
    reach = np.linalg.matrix_power(np.eye(d) + step, d)  # above 0: a whole and what is under it
    if np.any((reach > 0) & (reach.T > 0) & ~np.eye(d, dtype=bool)):
        raise ValueError("the structure's wholes and parts go in a circle")
    found = (reach > 0).astype(np.float32)
    found[:, composed(parents)] = 0
    return found


def shares(parents) -> np.ndarray:
    """Returns the matrix E by which an encoder writes factors v into z = v E, [d, d].

    From the top down, each whole takes its share s of the n latents with factors under it, y:

        composed:    s = 2 / n sum_p y_p,  z_w = s,  y_p <- y_p - s
        decomposed:  s = v_w,              z_w = s,  y_p <- y_p - s

    and what is left of y_p is z_p. The first is a reflection: factors that are independent,
    Gaussian and of one variance remain so, and the whole depends on its parts. (With a weight a in
    place of 2 / n two parts have the covariance n a² - 2 a.) The second makes parts that are
    independent given the whole, whatever the factors' law.

    So v_w of a composed whole is not read, and E M is the identity for all other latents. Parts of
    a decomposed whole that is itself a part depend on the upper whole, which the structure forbids.

    Args:
      parents: see `families`.

    Raises:
      ValueError: as `sums`.
    """
    read = sums(parents)
    no_factor = composed(parents)
    found = np.diag(~no_factor).astype(float)
    whole_nodes = {whole for whole, _ in families(parents)}
    for whole in sorted(whole_nodes, key=lambda w: -read[w].sum()):
        under = np.flatnonzero(read[whole])
        under = under[under != whole]
        if no_factor[whole]:
            found[:, whole] = found[:, under].sum(axis=1) * 2 / len(under)
        found[:, under] -= found[:, [whole]]
    return found.astype(np.float32)


def mixtures(parents) -> np.ndarray:
    """Returns which latents say other factors besides the one that they move, bool [d]: `shares`.

    Raises:
      ValueError: as `sums`.
    """
    return (shares(parents) != np.eye(len(parents))).any(axis=0)


def _neighbours(parents):
    """Returns the parents and the children of each node among z_hat, two lists of tuples."""
    structure = checked(parents)
    nodes = range(structure.latents)
    below = [tuple(j for i, j in structure.edges if i == node) for node in nodes]
    return [structure.z_hat_parents(j) for j in nodes], below
