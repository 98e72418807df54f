"""Data, networks and objectives of one's own in the whole program."""

import functools
import os

import helpers
import jax
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

import cvae_jax
from cvae_jax import datasets, networks
from cvae_jax.config import build
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluation
from cvae_jax.runs import parts
from cvae_jax.runs.workdir import read_json
from cvae_jax.training import loop


class Encoder(nn.Module):
    latents: int
    width: int = 8

    @nn.compact
    def __call__(self, images):
        x = nn.relu(nn.Dense(self.width)(images.reshape(images.shape[0], -1)))
        return nn.Dense(self.latents)(x), nn.Dense(self.latents)(x)


class Decoder(nn.Module):
    size: int = 8

    @nn.compact
    def __call__(self, z):
        return nn.Dense(self.size**2)(z).reshape(z.shape[0], self.size, self.size, 1)


@pytest.fixture
def unscored(monkeypatch):
    monkeypatch.setattr(evaluation, "evaluate_run", lambda *args: {})


SHORT = {"num_steps": 2, "log_every": 1, "checkpoint_every": 1, "cascade.weight": 0.0}


def arrays(count=64):
    rng = np.random.default_rng(1)
    images = rng.random((count, 8, 8, 1)).astype(np.float32)
    return {"images": images, "factors": np.arange(count) % 3, "factor_names": ["third"]}


@pytest.mark.slow
def test_a_run_of_own_networks_and_an_array_asks_for_the_same_again(tmp_path, unscored):
    config = helpers.small_config(**SHORT)
    own = networks.Networks(Encoder(4), Decoder())
    state = cvae_jax.train_and_evaluate(config, tmp_path / "run", dataset=arrays(), networks=own)
    assert config.data.name != "array"  # the caller's config is its own
    assert state.params.model["encoder"]["Dense_0"]["kernel"].shape == (64, 8)
    again = cvae_jax.train_and_evaluate(config, tmp_path / "run", dataset=arrays(), networks=own)
    helpers.assert_trees_equal(again, state)
    changed = arrays()
    changed["images"][5, 0, 0] = 1 - changed["images"][5, 0, 0]
    for other, message in (
        ({"dataset": arrays()}, r"began with other parts .*\(networks encoder: .*Encoder\("),
        (
            {"dataset": arrays(), "networks": networks.Networks(Encoder(4, 9), Decoder())},
            r"networks encoder: .*width = 8.* -> .*width = 9",
        ),
        ({"dataset": changed, "networks": own}, r"data differ .*\(other content"),
    ):
        with pytest.raises(UserError, match=message):
            cvae_jax.train_and_evaluate(config, tmp_path / "run", **other)
    with pytest.raises(UserError, match=r"load it by cvae_jax.load\('.*run', networks=\.\.\.\)"):
        cvae_jax.load(tmp_path / "run")
    model = cvae_jax.load(tmp_path / "run", networks=own)
    expected = own.encoder.apply({"params": state.params.model["encoder"]}, arrays()["images"])
    np.testing.assert_allclose(model.encode(arrays()["images"])[0], expected[0], rtol=1e-4)


@pytest.mark.slow
def test_paths_of_a_config_hold_in_any_folder(tmp_path, unscored, monkeypatch):
    """A home in init_from, of a run with networks of its own too; a data folder named from here."""
    config = helpers.small_config(**SHORT | {"data.dir": "data"})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own = {"dataset": arrays(), "networks": networks.Networks(Encoder(4), Decoder())}
    first = cvae_jax.train_and_evaluate(config, "first", **own)
    assert read_json(tmp_path / "first/config.json")["data"]["dir"] == str(tmp_path / "data")
    config.init_from, config.seed = "~/first", 1
    cvae_jax.train_and_evaluate(config, "second", **own)
    config.init_from = str(tmp_path / "first")  # the same, from elsewhere
    monkeypatch.chdir("/")
    again = cvae_jax.train_and_evaluate(config, tmp_path / "second", **own)
    assert int(again.step) == 2
    config.optim.model.learning_rate = 1e-12
    third = cvae_jax.train_and_evaluate(config, tmp_path / "third", **own)
    helpers.assert_same_training(third.params.model, first.params.model)


@pytest.mark.parametrize("value", [None, 5])
@pytest.mark.parametrize("field", ["data.dir", "data.name"])
def test_a_field_of_the_data_that_is_wrong_or_missing_is_named(tmp_path, field, value):
    config = helpers.small_config()
    group, name = field.split(".")
    with config.unlocked(), config.ignore_type():
        config[group][name] = value
    with pytest.raises(UserError, match=f"config.{field} is {value}; it must be text"):
        cvae_jax.train_and_evaluate(config, tmp_path)
    with config.unlocked():
        del config[group][name]
    with pytest.raises(UserError, match=f"the config has no field {field}"):
        cvae_jax.train_and_evaluate(config, tmp_path)


@pytest.mark.slow
def test_a_whole_objective_of_ones_own_with_a_critic(tmp_path, unscored):
    objective = helpers.small_cascade()
    config = helpers.small_config(**SHORT)
    state = cvae_jax.train_and_evaluate(config, tmp_path, dataset=arrays(), objective=objective)
    assert set(state.params.critic) == {"cascade"}
    model = cvae_jax.load(tmp_path, objective=objective)
    assert repr(model).startswith("Model: an objective of its own; 4 latents; ")
    z = np.zeros((2, 4), np.float32)
    np.testing.assert_allclose(model.decode(z), objective.decode(state.params, z), atol=1e-6)
    # Training has no use of the likelihood: a run may get one later, or lose it.
    cvae_jax.load(tmp_path, objective=objective._replace(log_likelihood=None))
    config.cascade.weight = 6.0
    with pytest.raises(UserError, match=r"objective= is the whole method: set it to 0"):
        cvae_jax.train_and_evaluate(config, tmp_path / "b", dataset=arrays(), objective=objective)


def test_a_finished_run_is_trained_further_and_never_shorter(tmp_path, unscored):
    own = {"dataset": arrays(), "networks": networks.Networks(Encoder(4), Decoder())}
    config = helpers.small_config(**SHORT)
    whole = cvae_jax.train_and_evaluate(
        helpers.small_config(**SHORT | {"num_steps": 4}), tmp_path / "whole", **own
    )
    cvae_jax.train_and_evaluate(config, tmp_path / "run", **own)
    before = (tmp_path / "run/config.json").read_text()
    config.num_steps = 4
    with pytest.raises(UserError, match="data"):
        cvae_jax.train_and_evaluate(config, tmp_path / "run", **own | {"dataset": arrays(65)})
    assert (tmp_path / "run/config.json").read_text() == before  # the run is as it was
    longer = cvae_jax.train_and_evaluate(config, tmp_path / "run", **own)
    helpers.assert_trees_equal(longer, whole)  # the optimizer's state too
    assert read_json(tmp_path / "run/config.json")["num_steps"] == 4
    config.num_steps = 2
    with pytest.raises(UserError, match=r"another config \(num_steps 4 -> 2\)"):
        cvae_jax.train_and_evaluate(config, tmp_path / "run", **own)


def test_a_run_whose_rates_fall_to_its_end_is_not_trained_further(tmp_path, unscored):
    """The rates of a longer run begin to fall later: it would not be the same run."""
    own = {"dataset": arrays(), "networks": networks.Networks(Encoder(4), Decoder())}
    config = helpers.small_config(**SHORT, **{"optim.decay_from": 0.5})
    cvae_jax.train_and_evaluate(config, tmp_path / "run", **own)
    config.num_steps = 4
    with pytest.raises(UserError, match=r"another config \(num_steps 2 -> 4\)"):
        cvae_jax.train_and_evaluate(config, tmp_path / "run", **own)


def test_a_refused_start_leaves_nothing_in_a_new_folder(tmp_path):
    config = helpers.small_config(**SHORT)
    config.data.name = "npz:nowhere.npz"
    for seeds in (1, 4):
        config.num_seeds = seeds
        with pytest.raises(UserError, match="there is no file"):
            loop.train_and_evaluate(config, tmp_path / "new" / "run")
        assert not (tmp_path / "new").exists()
    kept = tmp_path / "mine"
    kept.mkdir()
    (kept / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="there is no file"):
        loop.train_and_evaluate(config, kept)
    assert [path.name for path in kept.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("fields", "objective", "message"),
    [
        ({"init_from": "nowhere"}, None, "there is no folder nowhere"),
        ({"networks": "json:nothing"}, None, "json has no function nothing"),
        ({"networks": "json:loads", "objective.name": "infogan"}, None, "has a generator in place"),
        ({}, 3, "objective= is int"),
        ({"cascade.weight": 6.0}, helpers.small_cascade(), "set it to 0"),
    ],
    ids=["init_from", "networks", "infogan", "no_objective", "cascade"],
)
def test_what_needs_no_data_is_refused_before_they_are_prepared(
    tmp_path, monkeypatch, fields, objective, message
):
    def prepare(*args):
        raise AssertionError("the data were prepared")

    monkeypatch.setattr(datasets, "load", prepare)
    config = helpers.small_config(**SHORT | fields)
    with pytest.raises(UserError, match=message):
        cvae_jax.train_and_evaluate(config, tmp_path / "run", objective=objective)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("method", "draw", "warned"),
    [
        ("vae", jax.random.normal, ""),
        ("vae", functools.partial(jax.random.uniform, minval=-1, maxval=1), "N(0, 1)"),
        ("vae", lambda rng, shape: jax.random.normal(rng, shape).at[:, 2].multiply(1.3), "N(0, 1)"),
        ("vae", jax.random.laplace, "N(0, 1)"),
        ("infogan", functools.partial(jax.random.uniform, minval=-1, maxval=1), ""),
        ("infogan", jax.random.normal, "U(-1, 1)"),
    ],
)
def test_a_prior_that_scores_do_not_take_is_named(caplog, method, draw, warned):
    config = helpers.small_config(**{"objective.name": method, "cascade.weight": 0.0})
    objective = cvae_jax.vae(networks.burgess(8, 1, 4))
    objective = objective._replace(prior=lambda rng, n: draw(rng, (n, 4)))
    parts.build_with(config, build.DataInfo(8, 1, 100), objective=objective)
    assert (f"from {warned}:" in caplog.text) if warned else not caplog.text


class InBfloat16(nn.Module):
    """Encoder or decoder whose last layer computes in bfloat16."""

    latents: int
    decodes: bool = False

    @nn.compact
    def __call__(self, x):
        if self.decodes:
            return nn.Dense(64, dtype="bfloat16")(x).reshape(-1, 8, 8, 1)
        x = x.reshape(x.shape[0], -1)
        return tuple(nn.Dense(self.latents, dtype="bfloat16")(x) for _ in range(2))


def test_losses_of_own_networks_in_bfloat16_are_float32(images, optimizers):
    own = networks.Networks(InBfloat16(4), InBfloat16(4, decodes=True))
    objective = cvae_jax.vae(own)
    state = cvae_jax.create_train_state(jax.random.key(0), objective, optimizers, images)
    mean, logvar = objective.encode(state.params, images / np.float32(255))
    _, metrics = jax.jit(
        functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
    )(state, images)
    assert {x.dtype.name for x in (mean, logvar, *metrics.values())} == {"float32"}


def test_a_folder_whose_name_is_no_text_is_refused_at_once(tmp_path):
    """A checkpoint could not be written there."""
    config = helpers.small_config(**SHORT)
    with pytest.raises(UserError, match="has bytes that are no text"):
        loop.train_and_evaluate(config, tmp_path / os.fsdecode(b"a\xff"), dataset=arrays())
    assert not any(tmp_path.iterdir())


class Normalised(Encoder):
    @nn.compact
    def __call__(self, images):
        x = nn.BatchNorm(use_running_average=False)(images.reshape(images.shape[0], -1))
        return nn.Dense(self.latents)(x), nn.Dense(self.latents)(x)


class Dropping(Encoder):
    @nn.compact
    def __call__(self, images):
        x = nn.Dropout(0.5, deterministic=False)(images.reshape(images.shape[0], -1))
        return nn.Dense(self.latents)(x), nn.Dense(self.latents)(x)


class OneVariance(Encoder):
    @nn.compact
    def __call__(self, images):
        x = images.reshape(images.shape[0], -1)
        return nn.Dense(self.latents)(x), nn.Dense(1)(x)


class Unnamed(nn.Module):
    @nn.compact
    def __call__(self, images):
        x = images.reshape(images.shape[0], -1)
        return nn.Dense(4)(x), nn.Dense(4)(x)


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (Normalised(4), Decoder(), "collection batch_stats, as BatchNorm .*: use|GroupNorm"),
        (Dropping(4), Decoder(), "draws random numbers, as Dropout does"),
        (OneVariance(4), Decoder(), r"logvar has shape \(16, 1\) .* must be \(16, 4\)"),
        (Unnamed(), Decoder(), "has no field latents"),
        (nnx.Linear(2, 2, rngs=nnx.Rngs(0)), Decoder(), "a Linear, no linen module: nnx modules"),
        (Encoder(4), Decoder(4), r"output has shape \(16, 4, 4, 1\).* images, \(16, 8, 8, 1\)"),
        (Encoder(4), nn.Conv(1, (2, 2)), r"Conv fails|output has shape"),
    ],
    ids=["batch_norm", "dropout", "logvar", "latents", "nnx", "size", "kind"],
)
def test_networks_that_are_not_supported(images, optimizers, encoder, decoder, message):
    objective = cvae_jax.vae(networks.Networks(encoder, decoder))
    with pytest.raises(UserError, match=message) as caught:
        cvae_jax.create_train_state(jax.random.key(0), objective, optimizers, images)
    assert "\n" not in str(caught.value)


def test_floats_beyond_one_are_refused_where_they_can_be_seen(images):
    objective = cvae_jax.vae(networks.Networks(Encoder(4), Decoder()))
    optimizers = cvae_jax.Players(optax.sgd(0.1), optax.sgd(0.1))
    state = cvae_jax.create_train_state(jax.random.key(0), objective, optimizers, images / 255.0)
    wrong = images.astype(np.float32)  # 0 to 255
    with pytest.raises(UserError, match="images are from 0 to 255: make them uint8"):
        cvae_jax.create_train_state(jax.random.key(0), objective, optimizers, wrong)
    with pytest.raises(UserError, match="images are from 0 to 255"):
        objective.encode(state.params, wrong)
    for bytes_ in (images, jax.numpy.asarray(images)):
        with pytest.raises(UserError, match="images are uint8: an objective takes floats"):
            jax.jit(objective.encode)(state.params, bytes_)  # a type is seen there as well
    with pytest.raises(UserError, match="images are from 0 to 255"):
        cvae_jax.train_step(state, wrong, objective=objective, optimizers=optimizers)
