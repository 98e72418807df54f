"""Every method, with and without the cascade: device count, exact resume, evaluation."""

import helpers
import jax
import numpy as np
import pytest
from fixtures.step_runs import run

import cvae_jax
from cvae_jax import datasets, signals
from cvae_jax.config import build, checks, methods
from cvae_jax.runs.workdir import read_json
from cvae_jax.training import loop

METHODS = [name for name in methods.METHODS if name != "vae"]
CASCADES = pytest.mark.parametrize("weight", [0.0, 2.0], ids=["base", "cascade"])


def config_of(method, weight):
    return helpers.small_config(
        **{
            "objective.name": method,
            "cascade.weight": weight,
            "cascade.structure": "1>2",
            "cascade.warmup_steps": 4,
            "data.size": 16,
            "objective.factor_vae.critic_layers": 2,
            "objective.factor_vae.critic_width": 32,
            "eval.num_images": 50,
        }
    )


@CASCADES
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_built(method, weight):
    config = config_of(method, weight)
    checks.check(config, 4)
    objective = build.objective(config, build.DataInfo(config.data.size, 1, 512))
    images = jax.numpy.zeros((16, config.data.size, config.data.size, 1))
    state = jax.eval_shape(
        lambda: cvae_jax.create_train_state(
            jax.random.key(0), objective, build.optimizers(config), images
        )
    )
    expected = set(methods.METHODS[method].critics)
    assert set(state.params.critic) == expected | ({"cascade"} if weight else set())


def losses_on_one_and_four_devices(method, weight, dtype):
    """Two curves of 30 steps."""
    config = config_of(method, weight)
    # Rounding grows with the rate, fastest between a generator and its discriminator.
    rate = 1e-4 if methods.METHODS[method].likelihood else 3e-5
    for player in ("model", "cascade", "factor", "image"):
        config.optim[player].learning_rate = rate
    dataset = helpers.noise_dataset(512, config.data.size)
    objective = build.objective(config, build.DataInfo(config.data.size, 1, 512))
    images, optimizers = dataset.images(np.arange(16)) / 255.0, build.optimizers(config)
    images = images.astype(dtype)
    start = helpers.create(objective, optimizers, images)
    start = jax.tree.map(lambda x: x.astype(dtype) if x.dtype == "float32" else x, start)
    curves = []
    for devices in (1, 4):
        _, metrics = run(objective, optimizers, images, jax.devices()[:devices], 30, start)
        assert metrics[0]["loss"].dtype == dtype
        curves.append(np.array([m["loss"] for m in metrics]))
    return curves


@pytest.mark.slow
@CASCADES
@pytest.mark.parametrize("method", METHODS)
def test_device_count_changes_nothing(method, weight):
    one, four = losses_on_one_and_four_devices(method, weight, "float32")
    np.testing.assert_allclose(four, one, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@CASCADES
@pytest.mark.parametrize("method", METHODS)
def test_device_count_changes_nothing_in_float64(method, weight):
    """Separates what devices do to a method from rounding."""
    with jax.enable_x64(True):
        one, four = losses_on_one_and_four_devices(method, weight, "float64")
    np.testing.assert_allclose(four, one, rtol=1e-8)


@pytest.mark.slow
@CASCADES
@pytest.mark.parametrize("method", METHODS)
def test_resumes_and_evaluates(method, weight, tmp_path, monkeypatch):
    config = config_of(method, weight)
    dataset = helpers.noise_dataset(512, config.data.size)
    monkeypatch.setattr(datasets, "load", lambda name, size, data_dir: dataset)
    whole = loop.train_and_evaluate(config, tmp_path / "whole")
    results = read_json(tmp_path / "whole/results.json")
    assert {"mig", "factor_score", "iou", "mi"} <= set(results["scores"])
    assert all(np.isfinite(entry["value"]) for entry in results["scores"].values())
    assert all((tmp_path / "whole" / picture).exists() for picture in results["pictures"])

    with helpers.terminated_at(monkeypatch, 13):
        with pytest.raises(signals.Stopped):
            loop.train_and_evaluate(config, tmp_path / "cut")
    helpers.assert_trees_equal(loop.train_and_evaluate(config, tmp_path / "cut"), whole)
