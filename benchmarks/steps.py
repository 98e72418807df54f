"""Milliseconds of a training step of every method, ours and PyTorch's by turns.

Float32, batch 64, one grey image size; every contender as a user starts it: ours with the allocator
that main sets, PyTorch in three modes as it is and with the same allocator. The critic of the
cascade sees (z, z_hat). PyTorch's rows need `pip install torch` and say so where it is missing.

  python -m benchmarks.steps
  python -m benchmarks.steps --size=32 --methods=cascade --out=steps.json
  python -m benchmarks.steps --methods=cascade --seeds=2,4
"""

import argparse
import importlib.util
import itertools
import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import turns
from cvae_jax import allocator

# objective.name, cascade.structure or "" for no cascade
METHODS = {
    "vae": ("vae", ""),
    "beta_vae": ("beta_vae", ""),
    "annealed_vae": ("annealed_vae", ""),
    "beta_tcvae": ("beta_tcvae", ""),
    "factor_vae": ("factor_vae", ""),
    "infogan": ("infogan", ""),
    "cascade": ("vae", "independent"),
    "tower": ("vae", "tower"),
}
PEERS = {"vae": "vae", "factor_vae": "factor_vae", "cascade": "cascade", "tower": "cascade"}
_MODES = ("eager", "channels_last", "compile")


def serve_ours(method, size, batch, num_seeds):
    """Our step, as the training loop makes it, on the same images again."""
    import jax
    import numpy as np

    from cvae_jax import build, defaults, parallel, seeds
    from cvae_jax.step import create_train_state, train_step

    config = defaults.get_config()
    config.batch_size = batch
    config.objective.name, structure = METHODS[method]
    config.cascade.critic_input = "joint"
    config.cascade.structure = structure or "independent"
    config.cascade.weight = 6.0 if structure else 0.0
    objective = build.objective(config, build.DataInfo(size, 1, 737_280))
    optimizers, devices = build.optimizers(config), jax.local_devices()
    images = np.random.default_rng(0).random((batch, size, size, 1)) > 0.9
    images = (255 * images).astype(np.uint8)
    create = jax.jit(lambda rng: create_train_state(rng, objective, optimizers, images))
    kwargs = {"objective": objective, "optimizers": optimizers}
    state = create(jax.random.key(0))

    def gflop():
        plain = jax.jit(lambda s, x: train_step(s, x, **kwargs))
        shapes = jax.eval_shape(create, jax.random.key(0))
        compiled = plain.lower(shapes, images).compile()  # what XLA merges is counted once
        return num_seeds * compiled.cost_analysis()["flops"] / 1e9

    if num_seeds == 1:
        state, on_devices = parallel.replicate(state, devices), parallel.shard(images, devices)
        one = parallel.pmap_step(train_step, devices, **kwargs)
    else:
        state = seeds.stack([create(jax.random.key(i)) for i in range(num_seeds)], devices)
        on_devices = seeds.stack([images] * num_seeds, devices)
        many, taken = seeds.pmap_step(train_step, devices, **kwargs), itertools.count()

        def one(state, images):
            return many(state, images, next(taken))

    jax.block_until_ready((state, on_devices))

    def step():
        nonlocal state
        state, _ = one(state, on_devices)
        jax.block_until_ready(state)

    turns.serve(step, gflop=gflop)


def serve_matmul(size=2048):
    """A matrix product, for the speed that a step could have at best."""
    import jax

    a = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(lambda a: a @ a)
    turns.serve(lambda: jax.block_until_ready(product(a)), gflop=lambda: 2 * size**3 / 1e9)


def contenders(method, size, batch, seeds):
    """(commands, environments) of all that take this method's step."""
    shape = (f"--size={size}", f"--batch={batch}")
    ours = [sys.executable, "-m", "benchmarks.steps", *shape]
    commands = {"matmul": [*ours, "--worker=matmul"], "ours": [*ours, f"--worker={method}"]}
    for n in seeds:
        commands[f"ours, {n} seeds"] = [*ours, f"--worker={method}", f"--seeds={n}"]
    environments = {}
    if method in PEERS and importlib.util.find_spec("torch"):
        for mode in _MODES:
            peer = (f"--method={PEERS[method]}", f"--mode={mode}", *shape)
            command = [sys.executable, "-m", "benchmarks.torch_step", *peer]
            commands[f"torch {mode}"] = commands[f"torch {mode}, our allocator"] = command
            environments[f"torch {mode}, our allocator"] = {"GLIBC_TUNABLES": allocator.TUNABLES}
    return commands, environments


def report(method, found):
    """Print a method's rows; returns them."""
    matmul = found.pop("matmul")
    peak = matmul["gflop"] / matmul["ms"] * 1e3
    for name, row in found.items():
        text = f"{method:<14}{name:<36}{row['ms']:>8.1f}{row['peak_gb']:>8.2f}"
        text += f"{row['first_step']:>8.1f}"
        if "gflop" in row:
            speed = row["gflop"] / row["ms"] * 1e3
            row["share_of_peak"] = speed / peak
            text += f"{speed:>9.0f}{100 * speed / peak:>6.0f} %"
        else:
            row["ours_is_faster"] = row["ms"] / found["ours"]["ms"]
            text += f"{row['ours_is_faster']:>9.2f} times ours"
        print(text, flush=True)
    return found | {"matmul_gflops": peak}


def main():
    """Time the methods one after the other; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", default="", help="numbers of seeds trained at once, with commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10, help="of a round")
    parser.add_argument("--out", default="", help="a JSON file")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        allocator.restart_with_tunables()
        allocator.compute_in_calling_thread()
        if args.worker == "matmul":
            serve_matmul()
        else:
            serve_ours(args.worker, args.size, args.batch, int(args.seeds or 1))
        return
    if not importlib.util.find_spec("torch"):
        print("PyTorch's rows are left out: pip install torch")
    print(
        f"{args.size}x{args.size}, batch {args.batch}, {os.cpu_count()} CPUs, {platform.machine()}"
    )
    print(f"{'method':<14}{'':<36}{'ms':>8}{'GB':>8}{'first':>8}{'GFLOP/s':>9}{'of matmul':>9}")
    results = {"size": args.size, "batch": args.batch, "time": time.strftime("%F"), "methods": {}}
    for method in args.methods.split(","):
        seeds = [int(n) for n in args.seeds.split(",") if n]
        commands, environments = contenders(method, args.size, args.batch, seeds)
        found = turns.compare(
            commands, rounds=args.rounds, steps=args.steps, environments=environments
        )
        results["methods"][method] = report(method, found)
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
