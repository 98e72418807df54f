"""Wholes and parts of a structure, and how a decoder that adds wholes to their parts reads z."""

import numpy as np


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
    above = [tuple(i for kind, i in among if kind == "z_hat") for among in parents]
    below = [tuple(j for j, among in enumerate(above) if i in among) for i in range(len(above))]
    found = []
    for node in range(len(above)):
        found += [(node, side) for side in (above[node], below[node]) if len(side) > 1]
    return tuple(found)


def first_order(parents) -> np.ndarray:
    """Returns which latents are parts and no wholes, bool [d]; parents: see `families`."""
    found = families(parents)
    wholes = {whole for whole, _ in found}
    parts = {part for _, among in found for part in among}
    return np.array([j in parts - wholes for j in range(len(parents))])


def sums(parents) -> np.ndarray:
    """Returns the matrix M by which a decoder that adds wholes to their parts reads z, [d, d].

    It reads z M: in the place of a part the sum of the part, its wholes, their wholes and so on; in
    the place of a whole nothing, so that a whole is made of its parts; other latents as they are.

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
    found[:, step.any(axis=1)] = 0
    return found
