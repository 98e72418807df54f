"""Many seeds in one program: each is the run that it would be alone."""

import logging
import shutil

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cvae_jax
from cvae_jax import signals
from cvae_jax.config import checks
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluate
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import read_json
from cvae_jax.training import loop, seeds

WITHOUT_CRITIC = {"cascade.weight": 0.0}  # compiles in half the time


@pytest.fixture(autouse=True)
def one_score(tiny_data, monkeypatch):
    """One score in place of the evaluation."""

    def score(model, workdir, dataset):
        value = float(jnp.sum(model.params.model["encoder"]["Dense_0"]["bias"]))
        entry = {"value": value, "definition": "a sum; of one run", "samples": 1, "seed": 0}
        facts = {"step": model.step, "seed": model.config.seed, "data": {"source": "noise"}}
        return facts | {"versions": {}, "device": "", "scores": {"sum": entry}}

    monkeypatch.setattr(evaluate, "evaluate_run", score)


@pytest.mark.parametrize(
    ("seeds", "fields"),  # over two devices
    [
        (2, WITHOUT_CRITIC),
        *(pytest.param(n, {}, marks=pytest.mark.slow) for n in (2, 4)),
    ],
)
def test_many_seeds_are_single_runs_seed_by_seed(tmp_path, monkeypatch, seeds, fields):
    fields = {"num_steps": 10, "checkpoint_every": 100, **fields}
    config = helpers.small_config(num_seeds=seeds, seed=3, **fields)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:2])
    together = loop.train_and_evaluate(config, tmp_path / "all")
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    results = read_json(tmp_path / "all/results.json")
    for i, seed in enumerate(range(3, 3 + seeds)):
        one = helpers.small_config(seed=seed, **fields)
        alone = loop.train_and_evaluate(one, tmp_path / f"alone_{seed}")
        helpers.assert_same_training(together[i], alone)
        lines = [
            read_metrics(tmp_path / run / "metrics.jsonl")
            for run in (f"all/seed_{seed}", f"alone_{seed}")
        ]
        assert [line["step"] for line in lines[0]] == [5, 10]
        np.testing.assert_allclose(*([x["loss"] for x in line] for line in lines), rtol=1e-4)
        expected = float(np.sum(alone.params.model["encoder"]["Dense_0"]["bias"]))
        assert results["scores"]["sum"]["seeds"][str(seed)] == pytest.approx(expected, abs=1e-4)
        model = cvae_jax.load(tmp_path / f"all/seed_{seed}")
        assert (model.step, model.config.seed) == (10, seed)
    values = [*results["scores"]["sum"]["seeds"].values()]
    assert results["scores"]["sum"]["value"] == pytest.approx(np.mean(values))
    assert results["scores"]["sum"]["std"] == pytest.approx(np.std(values, ddof=1))
    assert results["num_seeds"] == seeds
    of_all = f"holds {seeds} runs: name one of them, .*seed_3 to seed_{2 + seeds}"
    with pytest.raises(UserError, match=of_all):
        cvae_jax.load(tmp_path / "all")


@pytest.mark.slow
def test_resume_of_many_seeds_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    config = helpers.small_config(num_seeds=2, **WITHOUT_CRITIC)
    whole = loop.train_and_evaluate(config, tmp_path / "whole")
    with helpers.terminated_at(monkeypatch, 13), pytest.raises(signals.Stopped):
        loop.train_and_evaluate(config, tmp_path / "cut")
    # as if it had been killed between the saves of the two
    (tmp_path / "cut/seed_1/checkpoints/14/sha256.json").unlink()
    resumed = loop.train_and_evaluate(config, tmp_path / "cut")
    for a, b in zip(resumed, whole, strict=True):
        helpers.assert_trees_equal(a, b)


@pytest.mark.slow
def test_a_seed_that_diverges_is_frozen_named_and_left_out(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    real = loop.train_step
    key = jax.random.key_data(
        helpers.create(*_parts(helpers.small_config(num_seeds=3, **WITHOUT_CRITIC)), seed=1).rng
    )

    def broken(state, images, **kwargs):
        """Seed 1 has a loss that is not a number at step 7."""
        new, metrics = real(state, images, **kwargs)
        hit = (state.step == 7) & jnp.all(jax.random.key_data(state.rng) == key)
        return new, {**metrics, "kl": jnp.where(hit, jnp.nan, metrics["kl"])}

    config = helpers.small_config(num_seeds=3, **WITHOUT_CRITIC)
    sound = loop.train_and_evaluate(config, tmp_path / "sound")
    monkeypatch.setattr(loop, "train_step", broken)
    with caplog.at_level(logging.WARNING):
        states = loop.train_and_evaluate(config, tmp_path / "broken")
    assert "seed 1 is left out from here on: step 8: not finite: kl" in caplog.text
    assert [int(s.step) for s in states] == [20, 7, 20]
    for i in (0, 2):
        helpers.assert_trees_equal(states[i], sound[i])
    results = read_json(tmp_path / "broken/results.json")
    assert results["num_seeds"] == 2
    assert set(results["scores"]["sum"]["seeds"]) == {"0", "2"}
    assert set(results["diverged"]) == {"1"}
    assert [x["step"] for x in read_metrics(tmp_path / "broken/seed_1/metrics.jsonl")] == [5]
    # The same command again, a sound seed's last checkpoint gone: the sound ones go back to the
    # step that both have and end where they did; the other stays left out.
    (tmp_path / "broken/seed_2/checkpoints/20/sha256.json").unlink()
    again = loop.train_and_evaluate(config, tmp_path / "broken")
    for i in (0, 2):
        helpers.assert_trees_equal(again[i], sound[i])
    assert read_json(tmp_path / "broken/results.json") == results
    # A sound seed without any of the others' checkpoints is not trained again in silence.
    shutil.rmtree(tmp_path / "broken/seed_2/checkpoints")
    with pytest.raises(UserError, match=r"seed_2 has checkpoints of steps \[\], none that the"):
        loop.train_and_evaluate(config, tmp_path / "broken")
    # alone, it says why it cannot be resumed
    one = helpers.small_config(seed=1, **WITHOUT_CRITIC)
    with pytest.raises(UserError, match=r"seed_1 has diverged: step 8: not finite: kl"):
        loop.train_and_evaluate(one, tmp_path / "broken/seed_1")


def _parts(config):
    info = cvae_jax.build.DataInfo(8, 1, 256)
    objective = cvae_jax.build.objective(config, info)
    return objective, cvae_jax.build.optimizers(config), np.zeros((16, 8, 8, 1), np.uint8)


def test_when_every_seed_diverges_it_is_an_error(tmp_path, monkeypatch):
    real = loop.train_step

    def broken(state, images, **kwargs):
        new, metrics = real(state, images, **kwargs)
        return new, {**metrics, "loss": metrics["loss"] * jnp.nan}

    monkeypatch.setattr(loop, "train_step", broken)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    with pytest.raises(UserError, match="step 1: not finite: loss"):
        loop.train_and_evaluate(helpers.small_config(num_seeds=2, **WITHOUT_CRITIC), tmp_path)


def test_stack_and_unstack_are_inverse():
    trees = [{"a": np.full((2, 3), i), "b": np.float32(i)} for i in range(4)]
    stacked = seeds.stack(trees, jax.devices()[:2])
    assert stacked["a"].shape == (2, 2, 2, 3)
    for one, back in zip(trees, seeds.unstack(stacked, 4), strict=True):
        helpers.assert_trees_equal(one, back)
    for one, back in zip(trees, seeds.unstack(jax.device_get(stacked), 4), strict=True):
        assert isinstance(back["a"], np.ndarray)
        helpers.assert_trees_equal(one, back)


def test_seeds_that_do_not_divide_by_the_devices_are_refused():
    with pytest.raises(UserError, match=r"num_seeds 3 is not divisible by 2 devices; .* 2 and 4"):
        checks.check(helpers.small_config(num_seeds=3), 2)
    # the batch is whole on each device
    checks.check(helpers.small_config(num_seeds=2, batch_size=15), 2)
