"""How much of a FactorVAE score rests on latents that hardly vary, and on means without noise.

    python -m benchmarks.small_latents dsprites_cascade runs/NAME ...

The score leaves out latents whose means have a standard deviation under 0.05, as
disentanglement_lib does. A latent just above votes like any other, though its posterior, of a
standard deviation near 1, says next to nothing. So the score is computed with other thresholds, on
100,000 images.
"""

import argparse

import numpy as np

import cvae_jax
from cvae_jax import datasets, metrics
from cvae_jax.metrics.factor_score import MIN_STD

THRESHOLDS = (MIN_STD, 0.1, 0.2)
_IMAGES, _AT_ONCE = 100_000, 5_000


def scores(mean, factors) -> list[tuple[int, float]]:
    """Returns (latents that vary as much, FactorVAE score of these alone) for each threshold."""
    deviations = mean.std(axis=0, ddof=1)
    found = []
    for least in THRESHOLDS:
        kept = mean[:, deviations >= least]
        score = metrics.factor_score(kept, factors, seed=0) if kept.size else 0.0
        found.append((kept.shape[1], score))
    return found


def main() -> None:
    """Prints a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", help="folders of runs, or models that ship")
    print(f"| run | {' | '.join(f'latents, score from {x}' for x in THRESHOLDS)} |")
    print("|---" * (1 + len(THRESHOLDS)) + "|")
    for name in parser.parse_args().runs:
        model = cvae_jax.load(name)
        config = model.config.data
        dataset = datasets.load(config.name, config.size, config.dir)
        count = min(_IMAGES, dataset.num_images)
        rows = np.random.default_rng(0).choice(dataset.num_images, count, replace=False)
        parts = [dataset.images(part) for part in np.split(rows, range(_AT_ONCE, count, _AT_ONCE))]
        mean = np.concatenate([np.asarray(model.encode(part)[0]) for part in parts])
        factors = dataset.factors[rows]
        varying = factors[:, (factors != factors[0]).any(axis=0)]
        cells = (f"{n}, {score:.3f}" for n, score in scores(mean, varying))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
