"""How long the scores take: every image of a data set encoded once, then each metric.

What the model knows does not change the times, except that more active latents make the boosted
trees of DCI slower.

  python -m benchmarks.evaluation --workdir=runs/dsprites
"""

import argparse
import time

import cvae_jax
from cvae_jax import cli, datasets
from cvae_jax.errors import UserError
from cvae_jax.evaluation.registry import FUNCTIONS
from cvae_jax.evaluation.scoring import subject_of

# A classifier that is not kept yet is trained, which is most of its first time.
NAMES = [name for name in FUNCTIONS if name != "inception"]  # whose weights come from elsewhere


def main():
    """Prints seconds for the encoding and for each metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, help="a run")
    args = parser.parse_args()
    model = cvae_jax.load(args.workdir)
    data = model.config.data
    dataset = datasets.load(data.name, data.size, data.dir)
    start = time.perf_counter()
    subject = subject_of(model, dataset)
    seconds = time.perf_counter() - start
    latents = subject.mean.shape[1]
    print(f"{dataset.source}, {dataset.size}x{dataset.size}, {latents} latents")
    print(f"{'encoding':<26}{seconds:8.1f} s", flush=True)
    for name in NAMES:
        start = time.perf_counter()
        try:
            found = FUNCTIONS[name](subject)
        except UserError as error:
            print(f"{name:<26}  left out: {error}", flush=True)
            continue
        seconds = time.perf_counter() - start
        values = ", ".join(
            f"{key} {entry['value']:.3f}" + (f" ± {entry['std']:.3f}" if "std" in entry else "")
            for key, entry in found.items()
        )
        print(f"{name:<26}{seconds:8.1f} s  {values}", flush=True)


if __name__ == "__main__":
    cli.restart_with_tunables()
    cli.compute_in_calling_thread()
    main()
