"""The picture of a structure with edges, from a run's scores and traversals or a record's."""

import numpy as np

from cvae_jax import plots
from cvae_jax.evaluation.latent_labels import without_bare_names
from cvae_jax.plots.page import plain


def draw(path, structure, moved, scores, *, title, subtitle):
    """Draws `plots.hierarchy` of what an evaluation found.

    Args:
      path: file to write.
      structure: a `structures.Structure`.
      moved: the content of a run's plots/traversals.npz: images, floats in [0, 1]
        [d, steps, H, W, C], and of each row its latent and its label, as "$z_{1}$  KL 2.31  x 62 %"
        with two spaces between the fields.
      scores: see `structure.structure_scores`. Those of records of 0.1 have neither the information
        of edges nor effects on factors: their edges are thin, without numbers, and there is no map.
      title: a few words.
      subtitle: small and grey; `hierarchy` with its chance level is put behind it.

    Returns:
      The path; None: no edge joins two latents.
    """
    if not any(structure.marginal().parents):
        return None
    by_latent = np.argsort(moved["latents"])
    names = [plain(name) for name in scores.get("factors") or []]
    effects = (np.array(scores["factor_effects"]), names) if names else None
    found = scores.get("hierarchy")
    if found is not None:
        subtitle += f"; hierarchy {found['score']:.2f}, by chance {found['chance']:.2f}"
    return plots.hierarchy(
        path,
        structure.parents,
        np.asarray(moved["images"])[by_latent],
        [without_bare_names(moved["labels"][row]).split("  ")[1:] for row in by_latent],
        _information(scores.get("edges") or {}),
        effects,
        title=title,
        subtitle=subtitle,
    )


def _information(edges):
    """{(0, 3): (nats, low, high)} of {"1>4": {"nats", "low", "high"}}."""
    found = {}
    for text, edge in edges.items():
        source, target = text.split(">")
        found[int(source) - 1, int(target) - 1] = (edge["nats"], edge["low"], edge["high"])
    return found
