"""Seconds from the start of `main` to its first step, and the memory of a whole run.

Runs `python -m cvae_jax.main --config=configs/dsprites.py` for some steps with its evaluation, once
with an empty folder of compiled programs and once with what that left. The data set is prepared
first (once, some minutes).

  python -m benchmarks.startup
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cvae_jax import datasets


def run(config, steps, cache):
    """Returns (seconds to the first line of metrics.jsonl, of all, and GB at most) of a run."""
    with tempfile.TemporaryDirectory() as workdir:
        start = time.perf_counter()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "cvae_jax.main", f"--config={config}"),
                *(f"--workdir={workdir}", f"--config.num_steps={steps}", "--config.log_every=1"),
                "--config.eval.metrics=terms",
            ],
            env=os.environ | {"JAX_COMPILATION_CACHE_DIR": cache},
            stderr=subprocess.DEVNULL,
        )
        metrics, first = Path(workdir) / "metrics.jsonl", None
        while process.poll() is None:
            if first is None and metrics.exists() and metrics.stat().st_size:
                first = time.perf_counter() - start
            time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"the run ended with code {process.returncode}")
    # Linux counts it in KiB, and keeps the largest of all children
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return first, time.perf_counter() - start, peak


def main():
    """Prints both rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/dsprites.py")
    parser.add_argument("--data", default="dsprites", help="the config's data set, to prepare it")
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    datasets.load(args.data)
    print(f"{'compiled programs':<20}{'first step, s':>15}{'whole run, s':>15}{'at most, GB':>15}")
    with tempfile.TemporaryDirectory() as cache:
        for name in ("none yet", "kept"):
            first, whole, peak = run(args.config, args.steps, cache)
            print(f"{name:<20}{first:>15.1f}{whole:>15.1f}{peak:>15.2f}", flush=True)


if __name__ == "__main__":
    main()
