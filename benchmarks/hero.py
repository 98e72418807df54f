"""The moving picture of README: a head, its reconstruction, and its latents in use, each moved.

python -m benchmarks.hero --out=docs/pictures/traversals.gif
"""

import argparse

import numpy as np

import cvae_jax
from cvae_jax import plots
from cvae_jax.datasets import filters
from cvae_jax.evaluation.latent_labels import labels_of
from cvae_jax.evaluation.pictures import moved

MODEL, DATA = "heads3d_cascade", "heads3d_small"
FRAMES = 24  # from one end to the other
FARTHEST = 2.0  # standard deviations of the prior


def main():
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="docs/pictures/traversals.gif")
    args = parser.parse_args()
    model = cvae_jax.load(MODEL)
    config = model.config.copy_and_resolve_references()
    config.data.name = DATA
    dataset = filters.load(config.data)
    images = dataset.images(np.arange(dataset.num_images))
    mean, logvar = map(np.asarray, model.encode(images))
    known = labels_of(config, mean, logvar, dataset.factors, dataset.factor_names)
    used = [j for j in known.order if known.used[j]]

    middle = dataset.factors - np.median(dataset.factors, axis=0)
    typical = np.argmin(np.sum(np.abs(middle), axis=1))  # a head seen and lit from before
    swing = FARTHEST * np.sin(np.linspace(-0.5, 0.5, FRAMES) * np.pi)  # slow at the ends
    there = moved(model, mean[typical], used, swing)
    still = np.stack([images[typical] / 255.0, np.asarray(model.decode(mean[[typical]]))[0]])
    still = np.repeat(still[:, None], FRAMES, axis=1)
    there = np.concatenate([still, there])
    labels = [f"$z_{{{j + 1}}}$  {', '.join(known.words[j]) or ' '}" for j in used]
    both = np.concatenate([there, there[:, -2:0:-1]], axis=1)  # and back
    print(plots.animated_traversals(args.out, both, ["image", "reconstruction", *labels]))


if __name__ == "__main__":
    main()
