"""Cells of the notebook by themselves: what they show of other methods, and after mistakes."""

import json
import types

import pytest
from fixtures.notebook import CODE
from IPython.core.interactiveshell import InteractiveShell

from cvae_jax import cli, signals
from cvae_jax.config.fields import flat
from cvae_jax.errors import UserError
from cvae_jax.training import loop

# ml_collections'
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def configured(tmp_path, **settings):
    """IPython after the notebook's config cell, and whether that cell ended well."""
    shell = InteractiveShell()
    shell.run_cell(CODE["choose"])
    shell.user_ns.update(settings, RUNS=tmp_path, UserError=UserError)
    return shell, shell.run_cell(CODE["config"]).success


def test_a_config_is_the_command_lines(tmp_path, capsys):
    overrides = {
        "num_steps": 10_000,
        "cascade.structure": "1>3 2>3",
        "optim.model.learning_rate": 1e-5,
        "objective.warmup_steps": 0,
        "data.dir": "it's a \"folder\" = 'x'",
        "eval.metrics": "",
    }
    shell, success = configured(tmp_path, OVERRIDES=overrides)
    assert success, capsys.readouterr().out
    fields = dict(flat(shell.user_ns["config"].to_dict()))
    assert {name: fields[name] for name in overrides} == overrides
    assert shell.user_ns["WORKDIR"] == tmp_path / "dsprites-quick"
    assert configured(tmp_path, NAME="own")[0].user_ns["WORKDIR"] == tmp_path / "own"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"OVERRIDES": {"num_step": 5}}, "did you mean --config.num_steps=5?"),
        ({"OVERRIDES": {"num_steps": 1e4}}, "flag --config.num_steps=10000.0: invalid literal"),
        ({"OVERRIDES": {"data": {"size": 32}}}, "the config has no field data."),
        ({"OVERRIDES": {"num_seeds": 2}}, "leave num_seeds at 1"),
        ({"TRAIN": "dspritse"}, "did you mean 'dsprites'?"),
        ({"TRAIN": "dsprites:quikc"}, "unknown variant 'quikc'"),
    ],
    ids=str,
)
def test_a_mistake_in_the_settings_is_one_line(tmp_path, capsys, settings, said):
    _, success = configured(tmp_path, **settings)
    assert not success
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        (
            {"recon": 9.0, "kl": 2.0, "kl_per_latent": [1, 1], "elbo": -11.0, "chain_kl": 3.0},
            ["recon", "kl", "elbo", "chain_kl"],
        ),
        (
            {"mi": 1.0, "generator_loss": 0.7, "image_critic_accuracy": 0.5},
            ["mi", "generator_loss", "image_critic_accuracy"],
        ),
        ({"own": 1.0}, ["own"]),
    ],
    ids=["cascade", "infogan", "own"],
)
def test_curves_are_of_the_losses_that_a_method_has(tmp_path, metrics, shown):
    lines = [{"step": step, **metrics, "steps_per_second": 4.0} for step in (5, 10)]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    names = {"WORKDIR": tmp_path}
    exec(CODE["curves"], names)
    assert [*names["curves"]] == [*shown, "steps_per_second"]
    assert (tmp_path / "plots/curves_now.png").exists()


def test_the_stop_button_while_it_resumes_is_no_error(tmp_path, monkeypatch, capsys):
    def stopped(config, workdir):
        raise signals.Stopped(2)

    monkeypatch.setattr(loop, "train_and_evaluate", stopped)
    monkeypatch.setattr(cli, "show_messages", lambda: None)
    names = {"config": None, "WORKDIR": tmp_path}
    for cell in ("train", "resume"):
        exec(CODE[cell], names)
        assert capsys.readouterr().out == "stopped and saved: call run() again to resume\n"
    monkeypatch.setattr(loop, "train_and_evaluate", lambda *_: types.SimpleNamespace(step=20))
    exec(CODE["resume"], names)
    assert capsys.readouterr().out == "trained for 20 steps\n"
