"""Shared by the tests: XLA's settings, small configs, data of noise, comparisons."""

import contextlib
import functools
import importlib.util
import mmap
import os
import re
import signal
import tempfile
from pathlib import Path


def _known(flag) -> bool:
    """Returns whether this jaxlib has a flag of XLA, which ends a program that names another."""
    for library in Path(importlib.util.find_spec("jaxlib").origin).parent.glob("*.so"):
        with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as text:
            if text.find(flag.encode()) >= 0:
                return True
    return False


# Before jax starts: four virtual devices, and a thread pool large enough that their collectives
# cannot wait for each other. Compilation is most of the suite's time: less optimisation halves it,
# the older emitters of fused loops make a third of that. The workers keep all cores busy, so a
# program is not split to be compiled in parallel.
LESS_OPTIMISATION = "--xla_backend_optimization_level=0"
if _known("xla_cpu_parallel_codegen_split_count"):
    LESS_OPTIMISATION += " --xla_cpu_parallel_codegen_split_count=1"
if _known("xla_cpu_use_fusion_emitters"):
    LESS_OPTIMISATION += " --xla_cpu_use_fusion_emitters=false"
if "PYTEST_XDIST_WORKER" not in os.environ:  # the workers inherit all this
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + (
        f" --xla_force_host_platform_device_count=4 {LESS_OPTIMISATION}"
    )
    os.environ["NPROC"] = "16"
    # products of small matrices take twice as long in threads that other workers hold up
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # where in Python each operation was traced is known to no test, and takes time in each lowering
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
    os.environ["JAX_PLATFORMS"] = "cpu"
    # Many tests compile the same programs; workers and processes started by tests share the folder.
    compiled = tempfile.TemporaryDirectory(prefix="cvae_jax_compiled_")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from PIL import Image

import cvae_jax
from cvae_jax import datasets, networks
from cvae_jax.config import shipped
from cvae_jax.datasets import order
from cvae_jax.objectives.base import Players, base_key
from cvae_jax.step import TrainState
from cvae_jax.studies import ended, table

# in output: a warning of Python's, a line of absl's or XLA's log, a bar in a file
OF_LIBRARIES = re.compile(r"\w*Warning: |^WARNING|^[IWEF]\d{4} |\r", re.MULTILINE)

# compiler_options of what runs for long: there optimisation is worth its time
FULL = {"xla_backend_optimization_level": 3}


def small_cascade(structure="1>3 2>3", weight=2.0, *, size=8, latents=4, **kwargs):
    """Returns a config: a cascade VAE on small images that compiles in seconds."""
    return cvae_jax.cascade(
        cvae_jax.vae(networks.burgess(size, 1, latents)),
        cvae_jax.structures.parse(structure, latents),
        weight,
        **{"critic": networks.Critic(2, 32), **kwargs},
    )


def with_tails(seen):
    """The latents of which a cascade's critic sees `without_tails`."""
    beyond = jnp.exp(jnp.maximum(jnp.abs(seen) - 3, 0)) - 1
    return jnp.clip(seen, -3, 3) + jnp.sign(seen) * beyond


def as_base_of(name, objective):
    """The objective with the keys that the wrapper `name` hands to it."""

    def init(rng, images):
        return objective.init(base_key(rng, name), images)

    def model_loss(params, images, rng, *args):
        return objective.model_loss(params, images, base_key(rng, name), *args)

    return objective._replace(init=init, model_loss=model_loss)


def create(objective, optimizers, images, seed=0):
    """Returns the initial state; jitted, as eager initialisation compiles many small programs."""
    init = functools.partial(
        cvae_jax.create_train_state, objective=objective, optimizers=optimizers
    )
    return jax.jit(init)(jax.random.key(seed), images=images)


def read_config(path, variant="") -> ml_collections.ConfigDict:
    """Reads a config file, as on the command line."""
    return shipped.load(f"{path}:{variant}" if variant else str(path))


def gathered(folder):
    """The rows of a folder's runs, and the runs that have not ended."""
    found, unfinished = ended.ended_runs([folder])
    return table.rows_of(found), unfinished


SMALL = {
    "batch_size": 16,
    "num_steps": 20,
    "log_every": 5,
    "checkpoint_every": 10,
    "data.size": 8,
    "objective.latents": 4,
    "cascade.critic_layers": 2,
    "cascade.critic_width": 32,
    "eval.num_images": 100,
    "eval.metrics": "mig,factor_score,reconstruction,terms",
}


def small_config(**overrides) -> ml_collections.ConfigDict:
    """configs/dsprites.py:quick, cut down to seconds; overrides by dotted names."""
    config = read_config("configs/dsprites.py", "quick")
    config.update_from_flattened_dict(SMALL | overrides)
    return config


def noise_dataset(count, size):
    """Binary noise with two factors of four values, in place of a data set: count images."""
    rng = np.random.default_rng(0)
    images = ((rng.random((count, size, size, 1)) > 0.7) * 255).astype(np.uint8)
    index = np.arange(count)
    factors = np.stack([index % 4, index // (count // 4)], axis=1).astype(np.int32)
    return in_memory(images, factors, ("a", "b"), binary=True)


def in_memory(images, factors, names, **facts):
    """Returns a data set of arrays."""
    _, size, _, channels = images.shape
    return datasets.Dataset(
        "tiny", "noise", size, channels, names, factors, images, lambda rows: rows, **facts
    )


def floats(images):
    """Returns images as a loss takes them: float32 in [0, 1]."""
    return images.astype(np.float32) / 255


def all_images(dataset):
    """Returns its images, uint8 [n, size, size, channels], in their order."""
    return dataset.images(np.arange(dataset.num_images))


def write_pictures(folder, dataset):
    """A folder: data set of a grey one: one file per image, and their labels in factors.csv."""
    folder.mkdir()
    lines = ["file," + ",".join(dataset.factor_names)]
    images = all_images(dataset)
    for i, (pixels, factors) in enumerate(zip(images, dataset.factors, strict=True)):
        Image.fromarray(pixels[..., 0]).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png," + ",".join(map(str, factors)))
    (folder / "factors.csv").write_text("\n".join(lines) + "\n")


THREE = ("b.png", "a.jpg", "sub/c.PNG")


def write_three_pictures(folder, mode="L", size=(20, 16)):
    """Three pictures of one shade each, 60, 120 and 180, in the order of THREE."""
    for shade, name in zip((60, 120, 180), THREE, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        color = shade if mode == "L" else (shade, 0, 0)
        Image.new(mode, size, color).save(path, "png")
    return folder


def load_folder(folder, root, size=16):
    """Loads a folder of pictures; its working copy goes to root."""
    return datasets.load(f"folder:{folder}", size, str(root))


def small_state(value=1.0):
    return TrainState(
        jax.numpy.int32(value),
        Players({"w": value + jax.random.normal(jax.random.key(0), (300, 300))}, {}),
        Players((), ()),
        jax.random.key(3),
    )


@contextlib.contextmanager
def terminated_at(monkeypatch, step):
    """Sends this process a SIGTERM when training takes that step's batch."""

    def stop(fetch, calls, real=order.prefetch):
        for first, count, batches in real(fetch, calls):
            if first <= step < first + count:
                os.kill(os.getpid(), signal.SIGTERM)
            yield first, count, batches

    with monkeypatch.context() as patch:
        patch.setattr(order, "prefetch", stop)
        yield


def assert_devices_share(loss, model, images, devices):
    """loss(model, images, axis_name=None) and its gradient: means over devices are those of one.

    The devices are a vmap's, which stands in for pmap.
    """
    one, gradient = jax.jit(jax.value_and_grad(loss))(model, images)
    split = jax.vmap(
        jax.value_and_grad(functools.partial(loss, axis_name="devices")),
        in_axes=(None, 0),
        axis_name="devices",
    )
    shards = images.reshape(devices, -1, *images.shape[1:])
    losses, gradients = jax.jit(split)(model, shards)
    assert np.mean(losses) == pytest.approx(float(one), rel=1e-5)
    means = jax.tree.map(lambda x: np.mean(x, axis=0), gradients)
    chex.assert_trees_all_close(gradient, means, rtol=1e-3, atol=1e-4)


def assert_trees_equal(a, b):
    """Asserts equality bit for bit."""
    chex.assert_trees_all_equal(jax.tree.map(raw, a), jax.tree.map(raw, b))


def assert_same_training(a, b):
    """Asserts that states agree up to the order of sums."""
    # rounding decides the sign of Adam's first updates where a gradient is nearly 0
    a, b = jax.tree.map(raw, a), jax.tree.map(raw, b)
    chex.assert_trees_all_close(a, b, rtol=1e-4, atol=2e-4)


def raw(leaf):
    """Returns a leaf as numpy; a typed key as its data."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)
