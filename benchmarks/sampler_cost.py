"""What sampling p_B costs of a cascade step, for every preset and both critic inputs.

Both are timed by turns on one device, at batch 64 and the network of 32x32 images with the paper's
critic; medians of the calls.

  python -m benchmarks.sampler_cost
"""

import argparse
import functools
import statistics
import time

import jax
import numpy as np
import optax

import cvae_jax
from cvae_jax import networks, structures
from cvae_jax.objectives.bayesian_joint import sample_joint

_BATCH, _LATENTS = 64, 10


def timed(function, *args):
    """Returns the seconds that one call takes, and its result."""
    start = time.perf_counter()
    result = jax.block_until_ready(function(*args))
    return time.perf_counter() - start, result


def cost(structure, critic_input, size, calls):
    """Returns (seconds per step, seconds per `sample_joint`): medians of calls made by turns."""
    base = cvae_jax.vae(networks.burgess(size, 1, _LATENTS))
    objective = cvae_jax.cascade(base, structure, 6.0, critic_input=critic_input)
    optimizers = cvae_jax.Players(model=optax.adam(1e-4), critic=optax.adam(1e-4))
    rng = np.random.default_rng(0)
    images = (rng.random((_BATCH, size, size, 1)) > 0.5).astype(np.float32)
    make = {"objective": objective, "optimizers": optimizers}
    state = jax.jit(functools.partial(cvae_jax.create_train_state, **make))(
        jax.random.key(0), images=images
    )
    step = jax.jit(functools.partial(cvae_jax.train_step, **make), donate_argnums=0)
    seen = structure if critic_input == "joint" else structure.marginal()
    sample = jax.jit(functools.partial(sample_joint, structure=seen))
    z, z_hat = (rng.normal(size=(_BATCH, _LATENTS)).astype(np.float32) for _ in range(2))
    z = z if critic_input == "joint" else None
    steps, samples = [], []
    for _ in range(calls):
        seconds, (state, _) = timed(step, state, images)
        steps.append(seconds)
        samples.append(timed(sample, jax.random.key(1), z, z_hat)[0])
    return statistics.median(steps[2:]), statistics.median(samples[2:])  # without compilation


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--calls", type=int, default=60)
    args = parser.parse_args()
    print(f"{'structure':<14}{'critic sees':<13}{'step, ms':>10}{'sampler, ms':>13}{'share':>8}")
    for name in structures.PRESETS:
        for critic_input in ("z_hat", "joint"):
            structure = structures.preset(name, _LATENTS)
            step, sample = cost(structure, critic_input, args.size, args.calls)
            print(
                f"{name:<14}{critic_input:<13}{1e3 * step:10.1f}{1e3 * sample:13.2f}"
                f"{sample / step:8.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
