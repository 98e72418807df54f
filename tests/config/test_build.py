import helpers
import jax
import pytest

from cvae_jax.config import build, checks, methods
from cvae_jax.errors import UserError
from cvae_jax.runs import parts


def test_a_good_config_passes():
    checks.check(helpers.small_config(), 4)


@pytest.mark.parametrize(
    ("overrides", "devices", "message"),
    [
        ({"batch_size": 18}, 4, "batch_size 18 is not divisible by 4 devices; .* 16 and 20"),
        ({"batch_size": 3}, 4, "batch_size 3 is not divisible by 4 devices; .* are 4$"),
        ({"cascade.prior_batch_size": 18}, 4, "prior_batch_size 18 is not divisible"),
        ({"cascade.prior_batch_size": 8}, 1, "prior_batch_size 8 is under batch_size 16"),
        ({"seed": 2**32 - 1, "num_seeds": 2}, 1, "seed 4294967295 makes the last seed 4294967296"),
        ({"batch_size": 2}, 1, "needs 4 rows and gets 2"),
        ({"cascade.structure": "towr"}, 1, "cascade.structure: unknown structure 'towr'"),
        ({"cascade.structure": "1>2 2>1"}, 1, "cycle: 1>2>1"),
        ({"cascade.critic_input": "zhat"}, 1, "critic_input 'zhat'; did you mean 'z_hat'"),
        ({"cascade.source": "postrior"}, 1, "did you mean 'posterior'"),
        (
            {"cascade.source": "posterior", "objective.name": "infogan"},
            1,
            "infogan encodes no data",
        ),
        (
            {"cascade.source": "posterior", "cascade.prior_batch_size": 32},
            1,
            "prior_batch_size is 32; it adds prior latents",
        ),
        ({"objective.likelihood": "bernouli"}, 1, "did you mean 'bernoulli'"),
        ({"objective.name": "vea"}, 1, "did you mean 'vae'"),
        ({"num_steps": 0}, 1, "num_steps is 0; it must be above 0"),
        ({"cascade.weight": -1.0}, 1, "cascade.weight is -1.0; it must be 0 or more"),
        ({"objective.name": "beta_tcvea"}, 1, "did you mean 'beta_tcvae'"),
        ({"objective.beta_tcvae.estimator": "weigted"}, 1, "did you mean 'weighted'"),
        ({"objective.infogan.loss": "hinge"}, 1, "there are: least_squares, cross_entropy"),
        (
            {"objective.name": "infogan", "objective.kl_falls_steps": 10},
            1,
            "kl_falls_steps is 10, and infogan has no KL",
        ),
        ({"objective.factor_vae.weight": -1.0}, 1, "factor_vae.weight is -1.0"),
        (
            {"objective.name": "infogan", "batch_size": 12},
            4,
            "batch_size 12 on 4 devices does not divide into packs of 2 images",
        ),
        ({"cascade.edge_reward": 1.0}, 1, "edge_reward is 1.0; it rewards edges between"),
        (
            {"cascade.edge_reward": 1.0, "cascade.structure": "1>2"},
            1,
            "edge_reward is 1.0 and config.cascade.x_hat mean: .* set x_hat to sample",
        ),
        ({"optim.model.b1": 1.0}, 1, r"optim.model.b1 is 1.0; it must be in \[0, 1\)"),
        ({"optim.model.learning_rate": float("nan")}, 1, "learning_rate is nan"),
    ],
)
def test_what_cannot_run_is_refused(overrides, devices, message):
    with pytest.raises(UserError, match=message):
        checks.check(helpers.small_config(**overrides), devices)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cascade.conditionals": "given"}, "set config.cascade.critic_input to joint"),
        ({"cascade.second_pass": "none"}, "set config.cascade.source to posterior"),
        (
            {
                "cascade.conditionals": "given",
                "cascade.critic_input": "joint",
                "cascade.structure": "z1>2",
            },
            "given conditionals do not know",
        ),
    ],
)
def test_readings_that_contradict_each_other_are_refused(overrides, message):
    fields = {"cascade.critic_input": "z_hat"} | overrides
    with pytest.raises(UserError, match=message):
        checks.check(helpers.small_config(**fields), 1)
    checks.check(helpers.small_config(**fields, **{"cascade.weight": 0.0}), 1)


def test_given_conditionals_take_a_batch_of_any_size():
    """Rows of q are put together to samples of its own conditionals alone."""
    fields = {"cascade.critic_input": "joint", "cascade.structure": "1>3 2>3", "batch_size": 3}
    checks.check(helpers.small_config(**fields, **{"cascade.conditionals": "given"}), 1)
    with pytest.raises(UserError, match="a sample of p_B needs"):
        checks.check(helpers.small_config(**fields), 1)


NETWORKS = """
def three(size, channels, latents, depth): pass
def odd(size, channels, latents): raise ValueError(f"{latents} latents")
"""


@pytest.mark.parametrize(
    ("function", "cause"), [("three", "missing 1 required .* 'depth'"), ("odd", "4 latents")]
)
def test_a_function_of_networks_that_fails_is_one_line(tmp_path, monkeypatch, function, cause):
    (tmp_path / "failing_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    config = helpers.small_config(networks=f"failing_networks:{function}")
    with pytest.raises(UserError, match=f"failing_networks:{function} failed, .*{cause}"):
        parts.build_with(config, build.DataInfo(8, 1, 100))


@pytest.mark.parametrize("edge", ["z1>2", "-z3>3"])
def test_edges_from_z_that_the_critic_does_not_see_are_refused(edge):
    fields = {"cascade.structure": edge, "cascade.critic_input": "z_hat"}
    with pytest.raises(UserError, match=f"{edge} names edges from z.*critic_input to joint"):
        checks.check(helpers.small_config(**fields), 1)
    checks.check(helpers.small_config(**fields | {"cascade.critic_input": "joint"}), 1)
    checks.check(helpers.small_config(**fields | {"cascade.weight": 0.0}), 1)
    # A run that began when they were accepted is loaded as it is.
    checks.check(helpers.small_config(**fields), 1, begins=False)


def test_without_a_second_pass_an_edge_can_be_rewarded_whatever_x_hat_is():
    fields = {
        "cascade.structure": "1>2",
        "cascade.edge_reward": 2.0,
        "cascade.source": "posterior",
        "cascade.critic_input": "z_hat",
    }
    checks.check(helpers.small_config(**fields, **{"cascade.second_pass": "none"}), 1)
    with pytest.raises(UserError, match="x_hat"):
        checks.check(helpers.small_config(**fields), 1)


def test_a_missing_field_is_named():
    config = helpers.small_config()
    with config.unlocked():
        del config.cascade.weight
    with pytest.raises(UserError, match=r"no field cascade\.weight"):
        checks.check(config, 1)


def test_sizes_that_the_networks_cannot_take():
    with pytest.raises(UserError, match="size 28 is neither 8 nor a multiple of 16"):
        build.objective(helpers.small_config(), build.DataInfo(28, 1, 100))


def test_edge_reward_is_off_until_asked_for():
    info = build.DataInfo(16, 1, 100)
    images = jax.numpy.zeros((4, 16, 16, 1))
    sampled = {"cascade.structure": "1>2", "cascade.x_hat": "sample"}
    for weight, rewarded in ((0.0, False), (2.0, True)):
        config = helpers.small_config(**sampled, **{"cascade.edge_reward": weight})
        checks.check(config, 1)
        objective = build.objective(config, info)
        params = jax.eval_shape(objective.init, jax.random.key(0), images)
        _, (metrics, _) = jax.eval_shape(objective.model_loss, params, images, jax.random.key(0), 0)
        assert ("edge_information" in metrics) == rewarded


def test_each_player_has_its_own_adam():
    """The first Adam update is rate * sign(gradient): rates show in the parameters."""
    config = helpers.small_config(
        **{"optim.model.learning_rate": 0.01, "optim.cascade.learning_rate": 0.03}
    )
    optimizers = build.optimizers(config)
    params = {"cascade": {"w": jax.numpy.ones(3)}}
    grads = {"cascade": {"w": jax.numpy.array([1.0, -2.0, 0.5])}}
    updates, _ = optimizers.critic.update(grads, optimizers.critic.init(params), params)
    assert updates["cascade"]["w"].tolist() == pytest.approx([-0.03, 0.03, -0.03], rel=1e-4)
    updates, _ = optimizers.model.update(params, optimizers.model.init(params), params)
    assert updates["cascade"]["w"].tolist() == pytest.approx([-0.01] * 3, rel=1e-4)


def test_weight_zero_builds_the_base_alone():
    config = helpers.small_config(**{"cascade.weight": 0.0})
    objective = build.objective(config, build.DataInfo(16, 1, 100))
    params = jax.jit(objective.init)(jax.random.key(0), jax.numpy.zeros((2, 16, 16, 1)))
    assert params.critic == {}
    optimizers = build.optimizers(config)
    optimizers.critic.init(params.critic)


def test_rates_fall_to_zero_at_the_end():
    """Adam's first steps are as long as the rate: 4 steps whole, then 3/4, 2/4, 1/4."""
    config = helpers.small_config(**{"num_steps": 8, "optim.decay_from": 0.5})
    adam = build.optimizers(config).model
    params = jax.numpy.ones(1)
    state, taken = adam.init(params), []
    for _ in range(9):
        updates, state = adam.update(jax.numpy.ones(1), state, params)
        taken.append(-float(updates[0]) / config.optim.model.learning_rate)
    assert taken == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0], rel=1e-3, abs=1e-6)
    with pytest.raises(UserError, match=r"decay_from is 1\.5; it must be at most 1"):
        checks.check(helpers.small_config(**{"optim.decay_from": 1.5}), 1)


@pytest.mark.parametrize("name", [n for n, row in methods.METHODS.items() if row.likelihood])
def test_what_stands_in_place_of_the_kl_falls_from_a_hundred_times_itself(name):
    """By equal factors: half way it is ten times as much, after that many steps what it is."""
    changes = {"objective.name": name, "objective.kl_falls_steps": 10, "cascade.weight": 0.0}
    still = {"objective.factor_vae.weight": 0.0, "objective.annealed_vae.capacity_steps": 0}
    config = helpers.small_config(**changes | still)
    objective = build.objective(config, build.DataInfo(16, 1, 100))
    images = jax.random.uniform(jax.random.key(0), (4, 16, 16, 1))
    params = jax.jit(objective.init)(jax.random.key(1), images)
    loss_at = jax.jit(lambda step: objective.model_loss(params, images, jax.random.key(2), step))
    penalties = []
    for step in (0, 5, 10, 99):
        loss, (terms, _) = loss_at(step)
        penalties.append(float(loss - config.objective.pixel_weight * terms["recon"]))
    assert penalties[3] != 0
    assert penalties == pytest.approx([x * penalties[3] for x in (100, 10, 1, 1)], rel=0.01)
