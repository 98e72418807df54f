"""How long the scores take: every image of a data set encoded once, then each metric.

The model is the config's, briefly trained or not at all: what it knows does not change the times,
but that more latents in use make the boosted trees of DCI slower.

  python -m benchmarks.evaluation --workdir=runs/dsprites
"""

import argparse
import time

import jax

import cvae_jax
from cvae_jax import cli, datasets
from cvae_jax.devices import batches
from cvae_jax.errors import UserError
from cvae_jax.evaluation.run import Options
from cvae_jax.evaluation.subject import Subject
from cvae_jax.metrics.scores import METRICS

# A classifier that is not kept yet is trained, which is most of its first time.
NAMES = [name for name in METRICS if name != "inception"]  # whose weights come from elsewhere


def main():
    """Prints seconds for the encoding and for each metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, help="a run")
    args = parser.parse_args()
    model = cvae_jax.load(args.workdir)
    config, devices = model.config, jax.local_devices()
    dataset = datasets.load(config.data.name, config.data.size, config.data.dir)
    start = time.perf_counter()
    codes = batches.encode_all(model.objective, model.params, dataset, devices)
    seconds = time.perf_counter() - start
    print(f"{dataset.source}, {dataset.size}x{dataset.size}, {codes[0].shape[1]} latents")
    print(f"{'encoding':<26}{seconds:8.1f} s", flush=True)
    subject = Subject(config, model.objective, model.params, dataset, devices, *codes, Options())
    for name in NAMES:
        start = time.perf_counter()
        try:
            found = METRICS[name].function(subject)
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
