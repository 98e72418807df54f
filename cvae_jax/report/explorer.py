"""What the explorer shows of a model: its decoder as layers, its latents, where it starts."""

import numpy as np

from cvae_jax.config import build, methods
from cvae_jax.report import latents, layers, pictures, sliders
from cvae_jax.structures import wholes

_STARTS = 8
_MOST_WEIGHTS = 1_200_000  # 3.2 MB of the page, half of what a page may have
_NORMAL = 3.0  # sliders of normal latents reach at least this far


def explorer(model, some, known: latents.Latents) -> sliders.Explorer | str:
    """Returns what the sliders of a model need, or why it has none.

    Args:
      model: a `runs.model.Model`.
      some: images of its data; it starts from the first. See `datasets.Dataset`.
      known: of the latents of these images.
    """
    config, size = model.config, some.size
    categories = methods.fields_of(config).get("categories", 0)
    inputs, likelihood = config.objective.latents + categories, config.objective.likelihood
    stack = layers.decoder_layers(model.params.model, inputs, size, likelihood)
    if config.cascade.additive:  # see `networks.additive`
        stack = [layers.product(wholes.sums(build.structure(config).parents)), *stack]
    count = layers.num_weights(stack)
    if count > _MOST_WEIGHTS:
        return (
            f"This run has no sliders: its generator has {count / 1e6:.1f} million weights, more "
            f"than the {_MOST_WEIGHTS / 1e6:.1f} million that fit into a page."
        )
    starts = known.mean[:_STARTS].astype(float).round(3)
    images = map(pictures.png, some.images(np.arange(len(starts))))
    nats = known.labels.nats
    farthest = max(
        config.eval.traversal_range,
        _NORMAL if known.prior == "normal" else 0.0,
        np.abs(starts).max(),
    )
    return sliders.Explorer(
        plan=layers.plan(stack),
        weights=layers.weights(stack),
        size=size,
        latents=[
            sliders.Latent(float(nats[j]), latents.words(known.labels, j)) for j in range(len(nats))
        ],
        limit=float(np.ceil(farthest)),
        reach=config.eval.traversal_range,
        prior=known.prior,
        categories=categories,
        starts=list(zip(images, starts.tolist(), strict=True)),
    )
