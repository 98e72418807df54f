"""Every file of configs/ with every variant can be trained."""

import functools
from pathlib import Path

import helpers
import jax
import numpy as np
import pytest

import cvae_jax
from cvae_jax import datasets, step
from cvae_jax.config import build, checks
from cvae_jax.config.fields import flat

COLOUR = ("celeba", "chairs3d", "shapes3d", "cars3d", "mpi3d")  # and of dSprites:
COLOUR_VARIANTS = ("color", "noisy", "patches")
VARIANTS = ("", "quick", "half", "hierarchy", "official", *COLOUR_VARIANTS, "infogan")
VARIANTS += ("realistic", "real")


def variants():
    for path in sorted(Path("configs").glob("*.py")):
        if path.stem == "paper":  # all of it: tests/reproduction/test_paper.py
            yield path, "half,heads3d,factor_vae+tower"
            continue
        text = path.read_text()
        for variant in VARIANTS:
            if not variant or f'"{variant}"' in text:
                yield path, variant


def made(path, variant):
    """A config, cut down; its objective and optimizers; three batches of noise that it takes."""
    config = helpers.read_config(path, variant)
    colour = path.stem.startswith(COLOUR) or variant in COLOUR_VARIANTS
    # what a sample of p_B and InfoGAN's packs need at the least
    config.batch_size = batch = max(4, 2 * config.objective.latents)
    config.cascade.critic_layers, config.cascade.critic_width = 2, 32
    checks.check(config, 1)
    images = np.random.default_rng(0).integers(
        0, 256, (3, batch, config.data.size, config.data.size, 3 if colour else 1), np.uint8
    )
    objective = build.objective(config, build.DataInfo(config.data.size, images.shape[-1], 100))
    return config, objective, build.optimizers(config), images


@pytest.mark.parametrize(("path", "variant"), list(variants()), ids=lambda x: getattr(x, "stem", x))
def test_every_config_makes_a_step(path, variant):
    """By its shapes alone: what does not fit together fails as in a compilation."""
    config, objective, optimizers, images = made(path, variant)
    create = functools.partial(
        cvae_jax.create_train_state, objective=objective, optimizers=optimizers
    )
    state = jax.eval_shape(create, jax.random.key(0), images=images[0])
    one = functools.partial(step.train_step, objective=objective, optimizers=optimizers)
    new, metrics = jax.eval_shape(one, state, images[0])
    assert jax.tree.map(lambda x: (x.shape, x.dtype), new) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert {"mi", "elbo"} & set(metrics)
    # and it names a data set that there is
    assert config.data.name in datasets.NAMES


def trained():
    for path, variant in variants():
        fast = (path.stem, variant) == ("dsprites", "quick")
        marks = () if fast else pytest.mark.slow
        yield pytest.param(path, variant, marks=marks)


@pytest.mark.parametrize(("path", "variant"), list(trained()), ids=lambda x: getattr(x, "stem", x))
def test_a_config_trains(path, variant):
    """Three steps on noise of the right size, the losses finite."""
    _, objective, optimizers, images = made(path, variant)
    state = helpers.create(objective, optimizers, images[0])
    one = jax.jit(functools.partial(step.train_step, objective=objective, optimizers=optimizers))
    for batch in images:
        state, metrics = one(state, batch)
    assert int(state.step) == 3
    assert all(np.all(np.isfinite(value)) for value in metrics.values())


def test_dsprites_half_is_the_run_of_the_records():
    shipped = dict(flat(helpers.read_config("configs/dsprites.py", "half").to_dict()))
    variant = "half,dsprites,vae_falling+independent+given"
    recorded = dict(flat(helpers.read_config("configs/paper.py", variant).to_dict()))
    differ = {name for name in shipped if shipped[name] != recorded[name]}
    # critics that it does not have, and what is scored
    assert differ <= {
        "eval.metrics",
        "objective.factor_vae.critic_layers",
        "objective.factor_vae.critic_width",
    }


def test_a_config_file_refuses_an_unknown_variant():
    paths = {path for path, variant in variants() if variant}
    assert paths
    for path in paths:
        with pytest.raises(ValueError, match="unknown variant 'nothing'; there"):
            helpers.read_config(path, "nothing")
