"""Several steps a call, images on the devices: nothing but speed changes."""

import logging

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import datasets, signals
from cvae_jax.config import checks
from cvae_jax.datasets import working_copy
from cvae_jax.devices import placement
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluate
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.training import calls, loop


@pytest.fixture(autouse=True)
def no_scores(tiny_data, monkeypatch):
    results = {"scores": {}, "step": 0, "data": {"source": ""}, "versions": {}, "device": ""}
    monkeypatch.setattr(evaluate, "evaluate_run", lambda *args: results)


@pytest.fixture
def resident(monkeypatch):
    """The data set lies on the devices, as on a GPU."""
    place = lambda dataset, devices: placement.replicate(dataset.pixels, devices)
    return lambda: monkeypatch.setattr(calls, "on_devices", place)


def test_calls_begin_at_multiples_of_their_length():
    assert list(calls.calls(0, 11, 5)) == [(0, 5), (5, 5), (10, 1)]
    # resumed at 3 and at 5: the same steps are taken together
    assert list(calls.calls(3, 10, 5)) == [(3, 1), (4, 1), (5, 5)]
    assert list(calls.calls(5, 10, 5)) == [(5, 5)]
    assert list(calls.calls(7, 10, 1)) == [(7, 1), (8, 1), (9, 1)]
    assert list(calls.calls(4, 4, 2)) == []


def test_the_length_of_calls_fits_what_interrupts_them():
    config = helpers.small_config(log_every=100, checkpoint_every=150, **{"eval.every": 0})
    assert calls.steps_per_call(config, "cpu") == 1
    assert calls.steps_per_call(config, "gpu") == 50
    config.log_every = 30
    assert calls.steps_per_call(config, "gpu") == 10
    config.steps_per_call = 15
    checks.check(config, 1)
    assert calls.steps_per_call(config, "gpu") == calls.steps_per_call(config, "cpu") == 15
    config.steps_per_call = 20
    with pytest.raises(UserError, match=r"log_every 30 is not divisible by steps_per_call 20"):
        checks.check(config, 1)


@pytest.mark.slow
def test_five_steps_a_call_on_images_that_lie_there(tmp_path, monkeypatch, resident):
    """The same states and curves as with a call a step, images that come, and no interruption."""
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:2])
    fields = {"num_steps": 18, "cascade.weight": 0.0}
    one = helpers.small_config(**fields)
    single = loop.train_and_evaluate(one, tmp_path / "single")
    resident()
    five = helpers.small_config(**fields, steps_per_call=5)
    whole = loop.train_and_evaluate(five, tmp_path / "whole")
    helpers.assert_same_training(whole, single)
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("single", "whole")]
    assert [x["step"] for x in lines[1]] == [x["step"] for x in lines[0]] == [5, 10, 15, 18]
    np.testing.assert_allclose(*([x["loss"] for x in run] for run in lines), rtol=1e-5)
    with helpers.terminated_at(monkeypatch, 12), pytest.raises(signals.Stopped):
        loop.train_and_evaluate(five, tmp_path / "cut")
    assert (tmp_path / "cut/checkpoints/15").exists()  # the call of steps 10 to 14 was ended
    resumed = loop.train_and_evaluate(five, tmp_path / "cut")
    helpers.assert_trees_equal(resumed, whole)
    loop.train_and_evaluate(one, tmp_path / "cut")  # the number may change within a run


@pytest.mark.slow
def test_five_steps_a_call_of_two_seeds_with_the_cascade(tmp_path, monkeypatch, resident):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    fields = {"num_steps": 10, "num_seeds": 2}
    single = loop.train_and_evaluate(helpers.small_config(**fields), tmp_path / "single")
    resident()
    five = helpers.small_config(**fields, steps_per_call=5)
    helpers.assert_same_training(loop.train_and_evaluate(five, tmp_path / "five"), single)


def test_a_number_that_is_not_finite_within_a_call_is_named(tmp_path, monkeypatch):
    real = loop.train_step

    def broken(state, images, **kwargs):
        new, metrics = real(state, images, **kwargs)
        return new, {**metrics, "kl": jnp.where(state.step == 12, jnp.inf, metrics["kl"])}

    monkeypatch.setattr(loop, "train_step", broken)
    config = helpers.small_config(steps_per_call=5, **{"cascade.weight": 0.0})
    with pytest.raises(UserError, match=r"step 13: not finite: kl; the last checkpoint, if"):
        loop.train_and_evaluate(config, tmp_path)


@pytest.mark.parametrize(
    ("stored", "sizes", "shape", "binary"),
    [(64, (64, 32, 16), (5, 512), True), (64, (64, 32, 16), (5, 64, 64, 3), False),
     (28, (28, 32), (5, 28, 28, 1), False)],
)  # fmt: skip
def test_images_are_decoded_alike_on_the_device(stored, sizes, shape, binary):
    rows = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    factors = np.zeros((5, 0), np.int32)
    channels = 1 if binary else shape[-1]
    copy = working_copy.WorkingCopy(rows, factors, (stored, stored, channels), binary, (), "")
    index = np.array([4, 0, 4])
    for size in sizes:
        dataset = datasets.as_dataset("d", size, copy)
        expected = dataset.images(index)
        found = jax.jit(lambda rows, i, d=dataset: d.decode(rows[i]))(jnp.asarray(rows), index)
        assert found.dtype == expected.dtype == np.uint8
        assert expected.shape == (3, size, size, channels)
        np.testing.assert_array_equal(found, expected)


class _Device:
    """A device with so much memory."""

    platform = "gpu"

    def __init__(self, limit):
        self.memory_stats = lambda: {"bytes_limit": limit}


def test_images_lie_on_a_device_where_they_fit(monkeypatch, caplog):
    dataset = helpers.noise_dataset(16, 16)  # 4,096 bytes
    monkeypatch.setattr(placement, "replicate", lambda tree, devices: tree)
    assert calls.on_devices(dataset, [_Device(16_383)]) is None
    assert calls.on_devices(dataset, jax.devices()[:1]) is None
    with caplog.at_level(logging.INFO, logger="cvae_jax"):
        assert calls.on_devices(dataset, [_Device(16_384)]) is not None
    assert "the data set, 0.00 GB, is kept on the device" in caplog.text
