"""Fields that nothing reads are named, and only those: another value gives the same loss."""

import helpers
import jax
import pytest

from cvae_jax.config import build, checks, methods
from cvae_jax.errors import UserError

FIELDS = {
    "objective.likelihood": "laplace",
    "objective.pixel_weight": 3.0,
    "objective.warmup_steps": 10,
}
QUICK = ("vae",)


def _loss(changes):
    objective = build.objective(helpers.small_config(**changes), build.DataInfo(16, 1, 100))
    images = jax.random.uniform(jax.random.key(0), (4, 16, 16, 1))
    params = jax.jit(objective.init)(jax.random.key(1), images)
    return float(jax.jit(objective.model_loss)(params, images, jax.random.key(2), 2)[0])


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in methods.METHODS]
)
def test_a_field_is_named_where_another_value_gives_the_same_loss(name):
    base = {"objective.name": name, "cascade.weight": 0.0}
    usual = _loss(base)
    same = [field for field, value in FIELDS.items() if _loss(base | {field: value}) == usual]
    assert checks.without_effect(helpers.small_config(**base), list(FIELDS)) == same


@pytest.mark.slow
def test_without_a_second_pass_there_is_no_x_hat():
    base = {"cascade.source": "posterior", "cascade.critic_input": "z_hat"}
    for second_pass, same in (("none", ["cascade.x_hat"]), ("trained", [])):
        fields = base | {"cascade.second_pass": second_pass}
        losses = {_loss(fields | {"cascade.x_hat": x_hat}) for x_hat in ("mean", "sample")}
        assert (len(losses) == 1) == bool(same)
        assert checks.without_effect(helpers.small_config(**fields), ["cascade.x_hat"]) == same


@pytest.mark.slow
def test_sums_of_wholes_are_built_without_the_regulariser_too():
    fields = {"cascade.weight": 0.0, "cascade.structure": "compose2", "cascade.additive": True}
    assert checks.without_effect(helpers.small_config(**fields), ["cascade.additive"]) == []
    assert _loss(fields) != _loss(fields | {"cascade.additive": False})


def test_infogan_has_no_noise_of_pixels():
    fields = {"objective.name": "infogan", "cascade.structure": "1>2", "cascade.x_hat": "sample"}
    assert checks.without_effect(helpers.small_config(**fields), ["cascade.x_hat"])
    with pytest.raises(UserError, match="infogan has no noise of pixels"):
        checks.check(helpers.small_config(**fields, **{"cascade.edge_reward": 1.0}), 1)
    # A run that began when it was accepted is loaded as it is.
    checks.check(helpers.small_config(**fields, **{"cascade.edge_reward": 1.0}), 1, begins=False)


@pytest.mark.slow
def test_a_sample_of_infogan_is_its_mean():
    fields = {"objective.name": "infogan", "cascade.structure": "1>2", "cascade.x_hat": "sample"}
    assert _loss(fields) == _loss(fields | {"cascade.x_hat": "mean"})


def test_fields_of_another_method_are_without_effect():
    names = ["objective.beta_vae.beta", "cascade.weight", "cascade.source", "seed"]
    vae = helpers.small_config()
    assert checks.without_effect(vae, names) == ["objective.beta_vae.beta"]
    off = helpers.small_config(**{"objective.name": "beta_vae", "cascade.weight": 0.0})
    assert checks.without_effect(off, names) == ["cascade.source"]
    scored = ["cascade.structure", "cascade.critic_input"]
    assert checks.without_effect(off, scored) == []
    del off.cascade
    with pytest.raises(UserError, match=r"the config has no field cascade\.weight"):
        checks.without_effect(off, [])


@pytest.mark.parametrize("name", methods.METHODS)
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_rates_of_players_that_a_run_has_not(name, weight):
    config = helpers.small_config(**{"objective.name": name, "cascade.weight": weight})
    players = [player for player in config.optim if player != "decay_from"]
    absent = set(players) - {"model", *build.critics(config)}
    rates = [f"optim.{player}.learning_rate" for player in players]
    idle = checks.without_effect(config, rates)
    assert idle == [rate for rate in rates if rate.split(".")[1] in absent]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, False),
        ({"networks": "mine:make"}, True),
        ({"networks": "mine:make", "cascade.weight": 6.0}, False),  # of its critic
        ({"networks": "mine:make", "objective.name": "factor_vae"}, False),
    ],
)
def test_networks_of_ones_own_have_a_type_of_their_own(changes, named):
    config = helpers.small_config(**{"cascade.weight": 0.0} | changes)
    assert checks.without_effect(config, ["compute_dtype"]) == ["compute_dtype"] * named
