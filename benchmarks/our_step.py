"""A training step of ours, or a matrix product, in a process of its own: benchmarks/steps.py.

The step is the training loop's own, on the same images again.
"""

import argparse
import itertools

from benchmarks import turns
from cvae_jax import cli

# objective.name, cascade.structure or "" for no cascade
METHODS = {
    "vae": ("vae", ""),
    "beta_vae": ("beta_vae", ""),
    "annealed_vae": ("annealed_vae", ""),
    "beta_tcvae": ("beta_tcvae", ""),
    "dip_vae_i": ("dip_vae_i", ""),
    "dip_vae_ii": ("dip_vae_ii", ""),
    "factor_vae": ("factor_vae", ""),
    "infogan": ("infogan", ""),
    "cascade": ("vae", "independent"),
    "tower": ("vae", "tower"),
}
_NUM_IMAGES = 10_000


def random_images(size):
    """Returns a data set of sparse noise."""
    import numpy as np

    from cvae_jax import datasets

    images = np.random.default_rng(0).random((_NUM_IMAGES, size, size, 1), np.float32) > 0.9
    images = (255 * images).astype(np.uint8)
    factors = np.zeros((_NUM_IMAGES, 0), np.int32)
    return datasets.Dataset("noise", "noise", size, 1, (), factors, images, lambda rows: rows)


def device_gb():
    """Returns a function that returns GB of the first device's memory; None: it keeps no count."""
    import jax

    device = jax.local_devices()[0]
    if not device.memory_stats():
        return None
    return lambda: device.memory_stats()["peak_bytes_in_use"] / 1e9


def serve_step(method, size, batch, num_seeds, steps_per_call, dtype):
    """Serves our step, as the training loop makes it, on the same images again."""
    import jax

    from cvae_jax.config import build, defaults
    from cvae_jax.step import create_train_state, train_step
    from cvae_jax.training import calls

    config = defaults.get_config()
    config.batch_size, config.num_seeds, config.compute_dtype = batch, num_seeds, dtype
    config.objective.name, structure = METHODS[method]
    config.cascade.critic_input = "joint"
    config.cascade.structure = structure or "independent"
    config.cascade.weight = 6.0 if structure else 0.0
    objective = build.objective(config, build.DataInfo(size, 1, 737_280))
    optimizers, dataset = build.optimizers(config), random_images(size)
    images = dataset.pixels[:batch]
    create = jax.jit(lambda rng: create_train_state(rng, objective, optimizers, images))
    states = [create(jax.random.key(seed)) for seed in range(num_seeds)]
    state, fetch, run, _ = calls.make(train_step, config, states, dataset, objective, optimizers)

    def gflop():
        # As a CPU takes it: GPUs call cuDNN, whose operations XLA does not count.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            plain = jax.jit(
                lambda s, x: train_step(s, x, objective=objective, optimizers=optimizers)
            ).lower(jax.eval_shape(create, jax.random.key(0)), images)
            # what XLA merges is counted once
            return num_seeds * plain.compile().cost_analysis()["flops"] / 1e9

    batches, first = fetch(0, steps_per_call), itertools.count(0, steps_per_call)
    jax.block_until_ready((state, batches))

    def step():
        nonlocal state
        state, _ = run(state, batches, next(first))
        jax.block_until_ready(state)

    name = jax.local_devices()[0].device_kind
    turns.serve(step, steps=steps_per_call, device_gb=device_gb(), gflop=gflop, device=lambda: name)


def serve_matmul(dtype):
    """Times a matrix product, for the speed that a step could have at best."""
    import jax

    size = 2048 if jax.local_devices()[0].platform == "cpu" else 8192
    a = jax.random.normal(jax.random.key(0), (size, size), dtype)
    product = jax.jit(lambda a: a @ a)
    turns.serve(lambda: jax.block_until_ready(product(a)), gflop=lambda: 2 * size**3 / 1e9)


def _use_convs(form):
    """Convolutions of one seed as lax's, or as matrix products, whatever the platform has.

    Those of several seeds are products in either case.
    """
    import jax

    from cvae_jax.networks import conv

    for forms in (conv.CONV, conv.CONV_TRANSPOSE, conv.KERNEL_GRADIENT):
        chosen = forms["cpu" if form == "products" else "default"]
        if form == "products" and jax.default_backend() != "cpu":
            chosen = chosen.func  # without tiles, as kernels that differ by seed have them there
        forms.update(cpu=chosen, default=chosen)


def main():
    """Serves turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=(*METHODS, "matmul"), required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps_per_call", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--convs", default="")
    args = parser.parse_args()
    cli.restart_with_tunables()
    cli.compute_in_calling_thread()
    if args.method == "matmul":
        serve_matmul(args.dtype)
        return
    if args.convs:
        _use_convs(args.convs)
    numbers = (args.size, args.batch, args.seeds, args.steps_per_call)
    serve_step(args.method, *numbers, args.dtype)


if __name__ == "__main__":
    main()
