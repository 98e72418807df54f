"""The loop: a resumed run, numbers that are not finite, other weights to start from, scores."""

import logging
import shutil
import signal

import chex
import helpers
import jax
import numpy as np
import pytest

import cvae_jax
from cvae_jax import signals
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluate
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import read_json, write_json
from cvae_jax.training import loop

WITHOUT_CRITIC = {"cascade.weight": 0.0}  # compiles in half the time

pytestmark = pytest.mark.usefixtures("tiny_data")


def test_resume_equals_the_uninterrupted_run(tmp_path, monkeypatch):
    config = helpers.small_config()
    whole = loop.train_and_evaluate(config, tmp_path / "whole")

    with helpers.terminated_at(monkeypatch, 13):
        with pytest.raises(signals.Stopped) as stopped:
            loop.train_and_evaluate(config, tmp_path / "cut")
    assert stopped.value.args[0] == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    steps = [int(p.name) for p in (tmp_path / "cut/checkpoints").iterdir() if p.name.isdigit()]
    assert max(steps) == 14
    # what was logged past the checkpoint that is resumed goes
    with (tmp_path / "cut/metrics.jsonl").open("a") as file:
        file.write('{"step": 15, "loss": 1.0}\n{"step": 16, "lo')
    resumed = loop.train_and_evaluate(config, tmp_path / "cut")
    helpers.assert_trees_equal(resumed, whole)
    curves = [
        [line["step"] for line in read_metrics(tmp_path / run / "metrics.jsonl")]
        for run in ("whole", "cut")
    ]
    assert curves == [[5, 10, 15, 20], [5, 10, 14, 15, 20]]
    model = cvae_jax.load(tmp_path / "whole")
    mean, logvar = model.encode(np.zeros((3, 8, 8, 1), np.uint8))
    assert mean.shape == logvar.shape == (3, 4)
    assert model.decode(mean).shape == (3, 8, 8, 1)
    expected = model.objective.encode(jax.device_get(whole.params), np.zeros((3, 8, 8, 1)))
    np.testing.assert_allclose(mean, expected[0], rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite_names_step_and_term(tmp_path, monkeypatch):
    real = loop.train_step

    def broken(state, images, **kwargs):
        new, metrics = real(state, images, **kwargs)
        bad = np.float32("nan") * (state.step == 12)
        return new, {**metrics, "kl": jax.numpy.where(state.step == 12, bad, metrics["kl"])}

    monkeypatch.setattr(loop, "train_step", broken)
    with pytest.raises(UserError, match=r"step 13: not finite: kl; the last checkpoint, if"):
        loop.train_and_evaluate(helpers.small_config(**WITHOUT_CRITIC), tmp_path)
    assert cvae_jax.load(tmp_path).params  # the checkpoint of step 10


def test_parameters_that_are_not_finite_are_not_saved(tmp_path, monkeypatch):
    """As after a gradient that no metric shows."""
    real = loop.train_step

    def broken(state, images, **kwargs):
        new, metrics = real(state, images, **kwargs)
        nan = jax.numpy.where(state.step == 19, jax.numpy.nan, 0.0)
        model = jax.tree.map(lambda x: x + nan, new.params.model)
        return new._replace(params=new.params._replace(model=model)), metrics

    monkeypatch.setattr(loop, "train_step", broken)
    with pytest.raises(UserError, match=r"step 20: not finite: .*encoder.*Dense_0"):
        loop.train_and_evaluate(helpers.small_config(**WITHOUT_CRITIC), tmp_path)
    assert cvae_jax.load(tmp_path).step == 10


def test_an_infinite_moment_of_the_optimizer_is_not_saved(tmp_path, monkeypatch):
    """It would hold its parameter where it is for good, and no metric shows it."""
    real = loop.train_step

    def broken(state, images, **kwargs):
        new, metrics = real(state, images, **kwargs)
        inf = jax.numpy.where(state.step == 19, jax.numpy.inf, 0.0)
        moments = jax.tree.map(
            lambda x: x + inf if x.dtype == "float32" else x, new.opt_state.model
        )
        return new._replace(opt_state=new.opt_state._replace(model=moments)), metrics

    monkeypatch.setattr(loop, "train_step", broken)
    with pytest.raises(UserError, match=r"step 20: not finite: optimizer.*encoder.*Dense_0"):
        loop.train_and_evaluate(helpers.small_config(**WITHOUT_CRITIC), tmp_path)
    assert cvae_jax.load(tmp_path).step == 10


@pytest.mark.slow
def test_init_from_takes_the_weights_and_names_what_does_not_fit(tmp_path, caplog):
    config = helpers.small_config(num_steps=2, **WITHOUT_CRITIC)
    first = loop.train_and_evaluate(config, tmp_path / "a")
    start = WITHOUT_CRITIC | {"init_from": str(tmp_path / "a")}
    fields = {"num_steps": 1, "seed": 5, "optim.model.learning_rate": 1e-12}
    config = helpers.small_config(**start, **fields)
    second = loop.train_and_evaluate(config, tmp_path / "b")
    chex.assert_trees_all_close(first.params.model, second.params.model, atol=1e-9)
    with_critic = helpers.small_config(**start | {"cascade.weight": 1.0}, num_steps=1, seed=5)
    with caplog.at_level(logging.INFO, logger="cvae_jax"):
        loop.train_and_evaluate(with_critic, tmp_path / "critic")
    assert "the critic 'cascade' is not that of" in caplog.text
    config = helpers.small_config(**start, **{"objective.latents": 6})
    with pytest.raises(
        UserError, match=r"Dense_0.*has shape \(4, 256\), this run's has \(6, 256\)"
    ):
        loop.train_and_evaluate(config, tmp_path / "c")
    config = helpers.small_config(**start | {"init_from": str(tmp_path / "nowhere")})
    with pytest.raises(UserError, match=r"there is no folder .*nowhere of a run or an exp"):
        loop.train_and_evaluate(config, tmp_path / "d")
    config.init_from, config.num_steps = str(tmp_path / "a"), 1
    loop.train_and_evaluate(config, tmp_path / "d")  # put right, in the same folder
    config.seed = 9
    remedy = rf"choose another --workdir, with --config.init_from={tmp_path}/d to start"
    with pytest.raises(UserError, match=remedy):
        loop.train_and_evaluate(config, tmp_path / "d")


def test_scores_that_are_there_are_not_made_again(tmp_path, monkeypatch, caplog):
    made = []

    def score(model, workdir, *args):
        step = model.step
        entry = {"value": 0.5, "definition": "MIG", "samples": 7}
        data = {"name": "noise", "source": "noise"}
        results = {"step": step, "data": data, "scores": {"mig": entry}}
        results |= {"device": "1 x cpu", "versions": {}}
        made.append(step)
        write_json(workdir / "results.json", results | {"pictures": []})
        return results

    monkeypatch.setattr(evaluate, "evaluate_run", score)
    config = helpers.small_config(num_steps=10, **{"eval.every": 5, "cascade.weight": 0.0})
    loop.train_and_evaluate(config, tmp_path)
    assert made == [5, 10]
    with caplog.at_level(logging.INFO, logger="cvae_jax"):
        loop.train_and_evaluate(config, tmp_path)
    assert made == [5, 10]
    assert "scored and drawn before:" in caplog.text
    assert "step 10, noise\n  mig " in caplog.text
    results = read_json(tmp_path / "results.json")
    del results["pictures"]  # as `evaluate --metrics` leaves them where there was no whole one
    write_json(tmp_path / "results.json", results)
    loop.train_and_evaluate(config, tmp_path)
    assert made == [5, 10, 10]
    shutil.rmtree(tmp_path / "checkpoints")
    before = (tmp_path / "metrics.jsonl").read_text()
    with pytest.raises(UserError, match=r"the scores of a run and no checkpoint .* results.json"):
        loop.train_and_evaluate(config, tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == before
    assert read_json(tmp_path / "results.json")["step"] == 10
    (tmp_path / "results.json").unlink()
    loop.train_and_evaluate(config, tmp_path)
    assert made == [5, 10, 10, 5, 10]
