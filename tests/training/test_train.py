"""The loop: resume, stop, bad numbers, a damaged or unwritable folder."""

import logging
import signal
import subprocess
import sys
from types import SimpleNamespace

import chex
import helpers
import jax
import numpy as np
import pytest

import cvae_jax
from cvae_jax import signals
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluate
from cvae_jax.runs import checkpoints
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import open_workdir, read_config, read_json, write_json
from cvae_jax.training import loop, monitor

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
    """As after a critic's gradient that no metric shows."""
    real = loop.train_step

    def broken(state, images, **kwargs):
        new, metrics = real(state, images, **kwargs)
        nan = jax.numpy.where(state.step == 19, jax.numpy.nan, 0.0)
        critic = jax.tree.map(lambda x: x + nan, new.params.critic)
        return new._replace(params=new.params._replace(critic=critic)), metrics

    monkeypatch.setattr(loop, "train_step", broken)
    with pytest.raises(UserError, match=r"step 20: not finite: .*critic.*Dense_0"):
        loop.train_and_evaluate(helpers.small_config(), tmp_path)
    assert cvae_jax.load(tmp_path).step == 10


def test_init_from_takes_the_weights_and_names_what_does_not_fit(tmp_path):
    config = helpers.small_config(num_steps=2, **WITHOUT_CRITIC)
    first = loop.train_and_evaluate(config, tmp_path / "a")
    start = WITHOUT_CRITIC | {"init_from": str(tmp_path / "a")}
    fields = {"num_steps": 1, "seed": 5, "optim.model.learning_rate": 1e-12}
    config = helpers.small_config(**start, **fields)
    second = loop.train_and_evaluate(config, tmp_path / "b")
    chex.assert_trees_all_close(first.params.model, second.params.model, atol=1e-9)
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


def test_a_critic_that_has_lost_is_told():
    good = {"cascade_kl": 0.4, "cascade_critic_loss": 0.6, "cascade_critic_accuracy": 0.6}
    assert monitor.lost_critics(good) == {}
    lost = {"cascade_kl": -276.0, "cascade_critic_loss": 13.9, "cascade_critic_accuracy": 0.3}
    other = {name.replace("cascade", "factor"): value for name, value in lost.items()}
    found = monitor.lost_critics(lost | other)
    assert set(found) == {"cascade", "factor"}
    assert "critic 'cascade' has diverged" in found["cascade"]
    assert "-276.0 nats" in found["cascade"]
    remedy = "lower objective.factor_vae.weight or raise optim.factor.learning_rate"
    assert remedy in found["factor"]


def test_each_critic_that_loses_is_told_once(caplog):
    run = SimpleNamespace(config=SimpleNamespace(seed=0))
    lost = {"cascade_kl": -9.0, "cascade_critic_loss": 5.0}
    other = {name.replace("cascade", "factor"): value for name, value in lost.items()}
    told, before = [], set()
    for metrics in (lost, lost, lost | other, other, lost | other):
        caplog.clear()
        before = loop._warn_of_lost_critics([run], {0: metrics}, 10, before)
        told.append([r.message.split("'")[1] for r in caplog.records])
    assert told == [["cascade"], [], ["factor"], [], ["cascade"]]


def test_checkpoints_round_trip_keep_three_and_tell_damage(tmp_path):
    with checkpoints.open_checkpoints(tmp_path) as manager:
        assert checkpoints.restore(manager, helpers.small_state()) is None
        for step in (1, 2, 3, 4):
            checkpoints.save(manager, helpers.small_state(step))
        assert checkpoints.saved_steps(manager) == [2, 3, 4]
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(4)
        )
    # one flipped bit in the largest file of the last checkpoint
    files = [p for p in (tmp_path / "checkpoints/4").rglob("*") if p.is_file()]
    target = max(files, key=lambda p: p.stat().st_size)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    with checkpoints.open_checkpoints(tmp_path) as manager:
        with pytest.raises(UserError, match=r"step 4 is damaged .* step 3, rm -r .*checkpoints/4$"):
            checkpoints.restore(manager, helpers.small_state())
    for name in ("3", "4"):
        subprocess.run(["rm", "-r", str(tmp_path / "checkpoints" / name)], check=True)
    with checkpoints.open_checkpoints(tmp_path) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(2)
        )


def test_a_save_killed_before_its_list_does_not_count(tmp_path):
    with checkpoints.open_checkpoints(tmp_path) as manager:
        for step in (1, 2):
            checkpoints.save(manager, helpers.small_state(step))
    (tmp_path / "checkpoints/2/sha256.json").unlink()
    with checkpoints.open_checkpoints(tmp_path, read_only=True) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(1)
        )
    assert (tmp_path / "checkpoints/2").exists()  # not a reader's to remove
    with checkpoints.open_checkpoints(tmp_path) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(1)
        )
        checkpoints.save(manager, helpers.small_state(2))
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(2)
        )


def test_a_file_missing_or_added_is_damage(tmp_path):
    with checkpoints.open_checkpoints(tmp_path) as manager:
        checkpoints.save(manager, helpers.small_state(1))
        (tmp_path / "checkpoints/1/added").write_text("x")
        with pytest.raises(UserError, match=r"damaged \(added is not as it was written\)"):
            checkpoints.restore(manager, helpers.small_state())
        (tmp_path / "checkpoints/1/added").unlink()
        checkpoints.restore(manager, helpers.small_state())
        next((tmp_path / "checkpoints/1").rglob("manifest.ocdbt")).unlink()
        with pytest.raises(UserError, match=r"manifest.ocdbt is not as it was written"):
            checkpoints.restore(manager, helpers.small_state())


def test_another_config_in_the_same_folder_is_refused(tmp_path):
    with open_workdir(tmp_path, helpers.small_config()):
        (tmp_path / "data.json").touch()  # it had its data
    config = helpers.small_config(seed=7, **{"cascade.weight": 1.5})
    with pytest.raises(UserError, match=r"\(cascade.weight 6.0 -> 1.5, seed 0 -> 7\)"):
        with open_workdir(tmp_path, config):
            pass
    # where the data lie may change
    with open_workdir(tmp_path, helpers.small_config(**{"data.dir": "/x"})):
        pass


def test_seeds_that_were_trained_alone_go_on_together(tmp_path):
    for seed in (0, 1):
        with open_workdir(tmp_path / f"seed_{seed}", helpers.small_config(seed=seed)):
            (tmp_path / f"seed_{seed}/data.json").touch()
            (tmp_path / f"seed_{seed}/checkpoints/4").mkdir(parents=True)
            (tmp_path / f"seed_{seed}/checkpoints/4/sha256.json").touch()
    with open_workdir(tmp_path, helpers.small_config(num_seeds=2)):
        assert read_config(tmp_path).num_seeds == 2


@pytest.mark.parametrize("lost", ["config.json", "data.json"])
def test_checkpoints_without_the_rest_of_their_run_are_refused(tmp_path, lost):
    with open_workdir(tmp_path, helpers.small_config()):
        (tmp_path / "data.json").touch()
        (tmp_path / "checkpoints/4").mkdir(parents=True)
        (tmp_path / "checkpoints/4/sha256.json").touch()
    (tmp_path / lost).unlink()
    with pytest.raises(UserError, match=f"holds checkpoints and no {lost}: put it back"):
        with open_workdir(tmp_path, helpers.small_config(seed=7)):
            pass


def test_a_run_older_than_a_field_has_its_default(tmp_path):
    with open_workdir(tmp_path, helpers.small_config()):
        (tmp_path / "data.json").touch()
    stored = read_json(tmp_path / "config.json")
    del stored["optim"]["decay_from"], stored["objective"]["infogan"]
    write_json(tmp_path / "config.json", stored)
    config = read_config(tmp_path)
    assert config.optim.decay_from == 1.0
    assert config.objective.infogan.noise == 62
    assert config.batch_size == 16
    with open_workdir(tmp_path, helpers.small_config()):
        pass
    with pytest.raises(UserError, match=r"\(optim.decay_from 1.0 -> 0.5\)"):
        with open_workdir(tmp_path, helpers.small_config(**{"optim.decay_from": 0.5})):
            pass


def test_a_folder_in_use_is_refused(tmp_path):
    config = helpers.small_config(num_steps=1)
    with open_workdir(tmp_path, config):
        code = (
            "import sys; sys.path.insert(0, 'tests'); import helpers\n"
            "from cvae_jax.runs.workdir import open_workdir\n"
            f"with open_workdir({str(tmp_path)!r}, helpers.small_config(num_steps=1)): pass"
        )
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    assert "another run is at work in" in other.stderr
    with open_workdir(tmp_path, config):
        pass


def test_progress_is_logged_once_a_critic_loses(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(monitor, "_LOST", 0.0)
    with caplog.at_level(logging.WARNING, logger="cvae_jax"):
        loop.train_and_evaluate(helpers.small_config(), tmp_path)
    assert sum("has diverged" in record.message for record in caplog.records) == 1


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
