"""Folders as version 0.1 wrote them: finished runs serve, half-trained ones are not resumed."""

import shutil

import helpers
import pytest
from fixtures.short_runs import resume

import cvae_jax
from cvae_jax import evaluate, export
from cvae_jax.config import fields
from cvae_jax.errors import UserError
from cvae_jax.runs.workdir import read_config, read_json, write_json


@pytest.fixture
def old_run(run):
    """A finished run without the version, with the fields that have been retired since."""
    data = read_json(run / "data.json")
    assert data.pop("version") == cvae_jax.__version__
    write_json(run / "data.json", data)
    set_retired(run)
    return run


RETIRED = {
    "factor_vae": {"second_batch": False},
    "beta_tcvae": {"alpha": 1.0, "gamma": 1.0},
    "infogan": {"packed": 2, "info_weight": 1.0},
}


def set_retired(run, method="", name="", value=None):
    """Gives a run's config the retired fields at their defaults, one at another value."""
    config = read_json(run / "config.json")
    for other, retired in RETIRED.items():
        config["objective"][other].update(retired)
    if method:
        config["objective"][method][name] = value
    write_json(run / "config.json", config)


def test_a_finished_run_is_loaded_scored_and_exported(old_run, tmp_path):
    assert cvae_jax.load(old_run).step == 4
    assert int(resume(old_run).step) == 4
    (old_run / "results.json").unlink()
    evaluate.main(["evaluate", f"--workdir={old_run}", "--metrics=mig"])
    assert "mig" in read_json(old_run / "results.json")["scores"]
    export.main(["export", f"--workdir={old_run}", f"--out={tmp_path / 'exported'}"])
    assert cvae_jax.load(tmp_path / "exported").step == 4


def test_a_half_trained_run_is_not_resumed(old_run):
    shutil.rmtree(old_run / "checkpoints/4")
    with pytest.raises(UserError, match=r"half-trained by cvae_jax 0\.1, .*--config\.init_from="):
        resume(old_run)


@pytest.mark.slow
def test_a_run_without_a_checkpoint_begins_again_and_is_this_versions(old_run):
    shutil.rmtree(old_run / "checkpoints")
    (old_run / "results.json").unlink()
    assert int(resume(old_run).step) == 4
    assert read_json(old_run / "data.json")["version"] == cvae_jax.__version__


@pytest.mark.parametrize(
    ("method", "name", "value", "function"),
    [
        ("beta_tcvae", "alpha", 0.5, "beta_tcvae"),
        ("beta_tcvae", "gamma", 2.0, "beta_tcvae"),
        ("factor_vae", "second_batch", True, "factor"),
        ("infogan", "info_weight", 0.5, "infogan"),
        ("infogan", "packed", 4, "infogan"),
    ],
)
def test_a_retired_field_with_another_value_is_refused(old_run, method, name, value, function):
    set_retired(old_run, method, name, value)
    message = rf"{method}\.{name} is {value}; .* argument of cvae_jax\.{function} in Python"
    with pytest.raises(UserError, match=message):
        read_config(old_run)


def test_a_retired_field_on_the_command_line_is_refused():
    with pytest.raises(UserError, match=r"second_batch is retired: .* of cvae_jax\.factor"):
        fields.refuse_retired(["--config.objective.factor_vae.second_batch=True"])
    fields.refuse_retired(["--config=configs/dsprites.py", "--config.batch_size=3"])


def test_a_record_with_retired_defaults_is_of_the_same_config():
    new = helpers.small_config().to_dict()
    old = helpers.small_config().to_dict()
    old["objective"]["infogan"]["packed"] = 2
    assert fields.differences(old, new) == ""
    old["objective"]["infogan"]["packed"] = 4
    assert fields.differences(old, new) == "objective.infogan.packed 4 -> 2"
