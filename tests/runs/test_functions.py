"""What identifies a function: what it was made with, the same in another process."""

import functools
import subprocess
import sys

import helpers
import jax
import numpy as np
import optax
import pytest

import cvae_jax
from cvae_jax import networks, structures
from cvae_jax.config import build
from cvae_jax.errors import UserError
from cvae_jax.runs import parts
from cvae_jax.runs.functions import described, name_of

NETWORKS = networks.burgess(size=8, channels=1, latents=4)
INFO = build.DataInfo(size=8, channels=1, num_examples=1000)


def beta_vae(beta=4.0, **how):
    return cvae_jax.beta_vae(NETWORKS, beta=beta, **how)


def cascade(text="1>3", weight=6.0, **how):
    return cvae_jax.cascade(beta_vae(), structures.parse(text, 4), weight, **how)


OBJECTIVES = {
    "a VAE": lambda: cvae_jax.vae(NETWORKS),
    "beta": beta_vae,
    "another beta": lambda: beta_vae(5.0),
    "other noise of pixels": lambda: beta_vae(likelihood="gaussian"),
    "beta-TCVAE": lambda: cvae_jax.beta_tcvae(NETWORKS, dataset_size=1000),
    "other images": lambda: cvae_jax.beta_tcvae(NETWORKS, dataset_size=1001),
    "a cascade": cascade,
    "another structure": lambda: cascade("2>3"),
    "another weight": lambda: cascade(weight=7.0),
    "a schedule": lambda: cascade(weight=optax.linear_schedule(0.0, 1.0, 10)),
    "a longer one": lambda: cascade(weight=optax.linear_schedule(0.0, 1.0, 11)),
    "a wider critic": lambda: cascade(critic=networks.Critic(width=7)),
}


def test_each_method_and_setting_is_described_in_its_own_way():
    found = {name: described(make().model_loss) for name, make in OBJECTIVES.items()}
    assert len(set(found.values())) == len(found)
    again = {name: described(make().model_loss) for name, make in OBJECTIVES.items()}
    assert again == found
    assert described(jax.jit(cascade().model_loss)) == found["a cascade"]


def test_sets_cells_and_numpys_numbers_are_described_by_their_values():
    def made_with(value):
        if value is not None:
            kept = value

        return lambda: kept

    # two orders of one set: 0 and 8 fall on the same place
    assert list({0, 8}) != list({8, 0})
    assert described(made_with({0, 8})) == described(made_with({8, 0}))
    assert described(made_with({0, 8})) != described(made_with({0, 9}))
    assert described(made_with(4.0)) == described(made_with(np.float64(4.0)))
    described(made_with(None))  # whose variable was never set


def test_a_description_is_the_same_in_another_process():
    code = (
        "import sys; sys.path[:0] = ['tests', 'tests/runs']; import test_functions as t\n"
        "print({name: t.described(make().model_loss) for name, make in t.OBJECTIVES.items()})"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    here = {name: described(make().model_loss) for name, make in OBJECTIVES.items()}
    assert done.stdout.strip() == str(here)


def test_what_a_function_is_made_with():
    def make(held):
        return lambda x, y=2: (held, x, y)

    def recursive(n):
        return recursive(n - 1) if n else 0

    values = [0.5, "a", None, np.ones(3), np.zeros(3), (1, 2), {"a": make(1)}, {"a": make(2)}]
    texts = [described(make(value)) for value in values]
    assert len(set(texts)) == len(texts)
    texts += [described(functools.partial(np.add, value)) for value in (1, 2)]
    assert len(set(texts)) == len(texts)
    assert described(recursive) == described(recursive)
    assert described(abs) == "builtins.abs"
    assert described(NETWORKS.encoder) == " ".join(repr(NETWORKS.encoder).split())
    assert {name_of(text) for text in texts[:8]} == {name_of(texts[0])}
    assert name_of(texts[0]).endswith("make.<locals>.<lambda>")


def test_a_run_is_not_resumed_with_another_setting_of_its_method(tmp_path):
    config = helpers.small_config(**{"cascade.weight": 0.0})
    record = {
        name: parts.build_with(config, INFO, objective=make()).record
        for name, make in OBJECTIVES.items()
    }
    (tmp_path / "data.json").touch()
    parts.keep(tmp_path, record["beta"])
    parts.require_same(tmp_path, record["beta"])
    for name in ("a VAE", "another beta", "beta-TCVAE", "a cascade"):
        with pytest.raises(UserError, match="began with other parts"):
            parts.require_same(tmp_path, record[name])


def test_a_run_of_an_earlier_version_kept_names_alone(tmp_path):
    config = helpers.small_config(**{"cascade.weight": 0.0})
    record = parts.build_with(config, INFO, objective=beta_vae()).record
    names = {kind: {k: name_of(v) for k, v in group.items()} for kind, group in record.items()}
    (tmp_path / "data.json").touch()
    parts.keep(tmp_path, names)
    parts.require_same(tmp_path, record)
