"""Senseless configs: refused in one line before anything is built."""

import sys

import helpers
import pytest
from absl import flags
from fixtures.damage import HUGE, cases, refused
from ml_collections import config_flags

from cvae_jax.config import checks, command_line

pytestmark = pytest.mark.usefixtures("limits")


@cases(
    ("name", "value"),
    {
        f"{name}={value!r:.20}": (name, value)
        for name, value in (
            ("seed", -1),
            ("seed", 10**30),
            ("num_seeds", 0),
            ("num_seeds", HUGE),
            ("batch_size", 0),
            ("batch_size", -1),
            ("batch_size", HUGE),
            ("batch_size", 1 << 300),
            ("num_steps", 0),
            ("num_steps", 2**31),
            ("steps_per_call", 10**9),
            ("log_every", 0),
            ("checkpoint_every", -5),
            ("compute_dtype", "float8"),
            ("data.size", 0),
            ("data.size", 10**9),
            ("objective.name", ""),
            ("objective.name", "a\nb"),
            ("objective.latents", HUGE),
            ("objective.latents", -3),
            ("objective.likelihood", "poisson"),
            ("objective.pixel_weight", float("nan")),
            ("objective.pixel_weight", float("inf")),
            ("objective.warmup_steps", HUGE),
            ("objective.beta_vae.beta", -1.0),
            ("objective.beta_tcvae.estimator", "none"),
            ("objective.factor_vae.critic_width", 10**9),
            ("objective.infogan.categories", HUGE),
            ("objective.infogan.noise", -1),
            ("cascade.structure", "1>99999999999999999999"),
            ("cascade.structure", "9" * 6000 + ">1"),
            ("cascade.structure", "1>2 2>3 3>1"),
            ("cascade.structure", "1>1"),
            ("cascade.structure", "\0\n\x1b[31m"),
            ("cascade.structure", "((((1>2"),
            ("cascade.weight", float("-inf")),
            ("cascade.critic_input", "z"),
            ("cascade.critic_layers", HUGE),
            ("cascade.prior_batch_size", HUGE),
            ("optim.model.learning_rate", 1e300),
            ("optim.model.learning_rate", float("nan")),
            ("optim.model.b2", 1.0),
            ("optim.decay_from", 1.5),
            ("eval.metrics", "mig,,terms"),
            ("eval.traversal_range", float("inf")),
        )
    },
)
def test_a_senseless_config_is_refused(name, value):
    config = helpers.small_config()
    config.update_from_flattened_dict({name: value})
    refused(
        lambda: checks.check(config, 1), f"config.{name}" if name != "eval.metrics" else "metric"
    )


@cases(
    ("name", "value"),
    {
        f"{name}={value!r}": (name, value)
        for name, value in (
            ("seed", None),
            ("seed", 0.5),
            ("batch_size", True),
            ("objective.latents", "4"),
            ("optim.model", 3),
            ("data.name", 7),
            ("data", None),
            ("cascade.structure", ["1>2"]),
            ("eval.metrics", ("mig",)),
        )
    },
)
def test_a_field_of_another_type_is_refused(name, value):
    config = helpers.small_config()
    with config.ignore_type():
        config.update_from_flattened_dict({name: value})
    refused(lambda: checks.check(config, 1), name)


def parse(monkeypatch, *arguments):
    sys.modules.pop("config_config", None)  # ml_collections would keep what is in it
    monkeypatch.setattr(sys, "argv", ["program", *arguments])  # and looks there for fields
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    return command_line.parse(values, ["program", *arguments], "")


QUICK = "--config=configs/dsprites.py:quick"


@cases(
    ("arguments", "word"),
    {
        " ".join(arguments)[-40:]: (arguments, word)
        for arguments, word in (
            ((), "which config?"),
            (("--config=",), "no config file"),
            (("--config=configs",), "no config file configs"),
            (
                ("--config=configs/dsprites.py:nothing",),
                "configs/dsprites.py: unknown variant 'nothing'; there are quick",
            ),
            (
                ("--config=configs/shapes3d.py:nothing",),
                "configs/shapes3d.py has no variants",
            ),
            ((QUICK, "--config.batch_size=1e30"), "batch_size=1e30: invalid"),
            ((QUICK, "--config.batch_size="), "batch_size=: invalid"),
            ((QUICK, "--config.batch_size=[1]"), "batch_size=[1]: invalid"),
            ((QUICK, "--config.batch_size=" + "9" * 5000), "4300 digits"),
            ((QUICK, "--config.optim.model.learning_rate=fast"), "learning_rate=fast: could not"),
            ((QUICK, "--config.cascade=3"), "cascade=3: Failed"),
            ((QUICK, "--config.nothing=3"), "has no field nothing"),
            ((QUICK, "--config.data.nothing.more=3"), "has no field data.nothing.more"),
            ((QUICK, "--config.objective.factor_vae.weight=heavy"), "weight=heavy"),
            ((QUICK, "--config"), "Missing value for flag --config"),
            ((QUICK, "--config.num_steps=many"), "num_steps=many: invalid"),
            ((QUICK, "rubbish"), "unexpected argument 'rubbish'"),
        )
    },
)
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_a_senseless_command_line_is_refused(monkeypatch, arguments, word):
    refused(lambda: parse(monkeypatch, *arguments), word)


@cases(
    ("text", "word"),
    {
        "empty": ("", "get_config"),
        "noise": ("\x01\x02", "non-printable"),
        "syntax": ("def get_config(:", "syntax"),
        "raises_nothing": ("raise Exception", "Exception"),
        "raises_lines": ("raise ValueError('a\\nb\\n')", "b"),
        "deep": ("x = " + "(" * 5000, "parenthes"),
        "endless": ("def get_config(): return get_config()", "recursion"),
        "returns_nothing": ("def get_config(): pass", "which config?"),
        "returns_a_number": ("def get_config(): return 3", "ConfigDict"),
        "returns_a_dict": ("def get_config(): return {'seed': 1}", "ConfigDict"),
        "takes_arguments": ("def get_config(a, b): pass", "argument"),
    },
)
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_a_senseless_config_file_is_refused(tmp_path, monkeypatch, text, word):
    path = tmp_path / "senseless.py"
    path.write_text(text)
    refused(lambda: parse(monkeypatch, f"--config={path}"), word)
