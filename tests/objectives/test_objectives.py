"""The losses against closed forms, and invariant 4: no gradient from one player to the other."""

import chex
import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import floats

import cvae_jax
from cvae_jax import networks, structures
from cvae_jax.objectives import rows
from cvae_jax.objectives.bayesian_joint import sample_joint
from cvae_jax.objectives.cascade import without_tails
from cvae_jax.objectives.density_ratio import classification_loss


def test_vae_loss_is_the_bound_written_out(images):
    objective = cvae_jax.vae(networks.burgess(8, 1, 4), pixel_weight=3.0)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    rng = jax.random.key(1)
    loss, (metrics, samples) = jax.jit(objective.model_loss)(params, floats(images), rng, 0)
    mean, logvar = (np.asarray(x, np.float64) for x in objective.encode(params, floats(images)))
    z = mean + np.exp(logvar / 2) * np.asarray(jax.random.normal(rng, mean.shape))
    np.testing.assert_allclose(samples["z"], z, rtol=1e-4, atol=1e-5)
    p = np.asarray(objective.decode(params, z.astype(np.float32)), np.float64)
    x = floats(images)
    recon = -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=(1, 2, 3)).mean()
    kl = 0.5 * (np.exp(logvar) + mean**2 - 1 - logvar).sum(axis=1).mean()
    assert metrics["recon"] == pytest.approx(recon, rel=1e-5)
    assert metrics["kl"] == pytest.approx(kl, rel=1e-4)
    assert metrics["elbo"] == pytest.approx(-recon - kl, rel=1e-5)
    assert loss == pytest.approx(3 * recon + kl, rel=1e-5)
    np.testing.assert_allclose(np.sum(metrics["kl_per_dim"]), kl, rtol=1e-4)


def test_classification_loss_by_hand():
    loss, accuracy = classification_loss(jnp.array([0.0, 2.0]), jnp.array([-1.0, 3.0, 0.0, 0.0]))
    q = (np.log(2) + np.log1p(np.exp(-2.0))) / 2
    p = (np.log1p(np.exp(-1.0)) + np.log1p(np.exp(3.0)) + 2 * np.log(2)) / 4
    assert loss == pytest.approx((q + p) / 2, rel=1e-6)
    assert accuracy == pytest.approx((0.5 + 0.75) / 2)


@pytest.mark.parametrize("critic_input", [pytest.param("z_hat", marks=pytest.mark.slow), "joint"])
def test_cascade_adds_weight_times_the_mean_logit(images, critic_input):
    base = helpers.as_base_of("cascade", cvae_jax.vae(networks.burgess(8, 1, 4)))
    objective = helpers.small_cascade(weight=5.0, critic_input=critic_input)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    rng = jax.random.key(1)
    base_loss, (base_metrics, _) = jax.jit(base.model_loss)(params, floats(images), rng, 0)
    loss, (metrics, samples) = jax.jit(objective.model_loss)(params, floats(images), rng, 0)
    v = samples["cascade"]
    rows = np.concatenate([v["z"], v["z_hat"]], 1) if critic_input == "joint" else v["z_hat"]
    logits = networks.Critic(2, 32).apply({"params": params.critic["cascade"]}, rows)
    assert metrics["cascade_kl"] == pytest.approx(float(np.mean(logits)), abs=1e-5)
    assert float(loss - base_loss) == pytest.approx(5 * float(np.mean(logits)), abs=1e-3)
    assert {k: float(np.sum(v)) for k, v in base_metrics.items()} == {
        k: float(np.sum(metrics[k])) for k in base_metrics
    }


@pytest.mark.parametrize("source", ["prior", "posterior"])
def test_second_pass_re_encodes_what_is_decoded(images, source):
    objective = helpers.small_cascade(source=source)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    _, (_, samples) = jax.jit(objective.model_loss)(params, floats(images), jax.random.key(1), 0)
    z, z_hat = samples["cascade"]["z"], samples["cascade"]["z_hat"]
    # the posterior's z is that of the images, which follow one another in it
    of_images = objective.encode(params, floats(images))
    standard = (np.asarray(samples["z"]) - of_images[0]) / np.exp(0.5 * of_images[1])
    assert np.max(np.abs(standard)) < 5
    assert np.array_equal(z, samples["z"]) == (source == "posterior")
    mean, logvar = objective.encode(params, objective.decode(params, z))
    standard = (np.asarray(z_hat) - mean) / np.exp(0.5 * np.asarray(logvar))
    assert abs(np.mean(standard)) < 0.5
    assert 0.5 < np.std(standard) < 1.5
    assert z.shape == z_hat.shape == (16, 4)


@pytest.mark.parametrize("critic_input", ["z_hat", "joint"])
def test_no_gradient_between_the_players(images, critic_input):
    objective = helpers.small_cascade(critic_input=critic_input, prior_batch_size=32)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    rng = jax.random.key(1)

    def critic_loss(model):
        p = params._replace(model=model)
        _, (_, samples) = objective.model_loss(p, floats(images), rng, 0)
        return objective.critic_loss(p, jax.lax.stop_gradient(samples), rng, 0)[0]

    zero = jax.jit(jax.grad(critic_loss))(params.model)
    assert all(np.all(np.asarray(g) == 0) for g in jax.tree.leaves(zero))


def test_weight_zero_leaves_the_base_as_it_is(images):
    base = helpers.as_base_of("cascade", cvae_jax.vae(networks.burgess(8, 1, 4)))
    wrapped = helpers.small_cascade(weight=0.0)
    rng, step_rng = jax.random.key(0), jax.random.key(3)
    helpers.assert_trees_equal(
        jax.jit(base.init)(rng, floats(images)).model,
        jax.jit(wrapped.init)(rng, floats(images)).model,
    )
    params = jax.jit(wrapped.init)(rng, floats(images))

    def gradient(objective):
        def loss(model):
            p = params._replace(model=model)
            return objective.model_loss(p, floats(images), step_rng, 0)[0]

        return jax.jit(jax.grad(loss))(params.model)

    grads = [gradient(o) for o in (base, wrapped)]
    chex.assert_trees_all_close(*grads, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param({"x_hat": "mean"}, marks=pytest.mark.slow),
        pytest.param({"x_hat": "sample"}, marks=pytest.mark.slow),
        {"conditionals": "given", "critic_input": "joint"},
        pytest.param({"second_pass": "none"}, marks=pytest.mark.slow),
    ],
    ids=lambda reading: "-".join(reading.values()),
)
def test_devices_share_the_latents_of_their_images(images, reading):
    objective = helpers.small_cascade(source="posterior", **reading)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))

    def loss(model, images, axis_name=None):
        p, rng = params._replace(model=model), jax.random.key(1)
        return objective.model_loss(p, images, rng, 0, axis_name)[0]

    helpers.assert_devices_share(loss, params.model, floats(images), 2)


@pytest.mark.slow
def test_logits_at_hand_spare_a_decoding_and_change_nothing(images):
    base = cvae_jax.vae(networks.burgess(8, 1, 4))

    def without_logits(*args):
        loss, (metrics, samples) = base.model_loss(*args)
        return loss, (metrics, {"z": samples["z"]})

    def gradient(base):
        objective = cvae_jax.cascade(
            base,
            structures.parse("1>2", 4),
            30.0,
            critic_input="joint",
            source="posterior",
            x_hat="sample",
            critic=networks.Critic(2, 8),
        )
        params = jax.jit(objective.init)(jax.random.key(0), floats(images))

        def loss(model):
            p = params._replace(model=model)
            return objective.model_loss(p, floats(images), jax.random.key(1), 0)[0]

        return jax.jit(jax.value_and_grad(loss))(params.model)

    again = gradient(base._replace(model_loss=without_logits))
    chex.assert_trees_all_close(gradient(base), again, rtol=1e-4, atol=1e-5)


def test_donors_come_from_the_larger_prior_batch(images):
    objective = helpers.small_cascade(prior_batch_size=48)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    _, (_, samples) = jax.jit(objective.model_loss)(params, floats(images), jax.random.key(1), 0)
    shapes = {k: x.shape for k, x in samples["cascade"].items()}
    assert shapes == {"z": (16, 4), "z_hat": (16, 4), "donor_z": (32, 4), "donor_z_hat": (32, 4)}
    # Nodes without parents are donors' values as they are; z_hat_3, of 1>3 2>3, is adjusted.
    p = np.asarray(samples["cascade_critic"][1])[:, [0, 1, 3]]
    seen = {key: np.asarray(without_tails(x)) for key, x in samples["cascade"].items()}
    own, donors = seen["z_hat"], seen["donor_z_hat"]
    assert np.isin(p, np.concatenate([own, donors])).all()
    assert np.isin(p, donors).any()


@pytest.mark.parametrize("second_pass", [pytest.param("trained", marks=pytest.mark.slow), "fixed"])
def test_a_fixed_second_pass_trains_the_decoder_alone(images, second_pass):
    """Of z from the prior: there the regulariser reaches the encoder in the second pass only."""
    objective = helpers.small_cascade(weight=30.0, second_pass=second_pass)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))

    def gradient(weight):
        objective = helpers.small_cascade(weight=weight, second_pass=second_pass)

        def loss(model):
            p = params._replace(model=model)
            return objective.model_loss(p, floats(images), jax.random.key(1), 0)[0]

        return jax.jit(jax.grad(loss))(params.model)

    by_it = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), gradient(30.0), gradient(0.0))
    moved = {player: max(jax.tree.leaves(by_it[player])) for player in ("encoder", "decoder")}
    assert moved["decoder"] > 1e-3
    assert moved["encoder"] == 0 if second_pass == "fixed" else moved["encoder"] > 1e-3


def test_errors():
    with pytest.raises(ValueError, match=r"structure is a str: make it by structures\.parse"):
        cvae_jax.cascade(None, "1>3 2>3", 1.0)
    with pytest.raises(ValueError, match="critic_input 'zhat' is not one of"):
        helpers.small_cascade(critic_input="zhat")
    with pytest.raises(ValueError, match="must be joint"):
        helpers.small_cascade(conditionals="given")
    with pytest.raises(ValueError, match="source must be posterior"):
        helpers.small_cascade(second_pass="none")
    with pytest.raises(ValueError, match="source 'data' is not one of prior, posterior"):
        helpers.small_cascade(source="data")
    with pytest.raises(ValueError, match="prior_batch_size adds prior latents"):
        helpers.small_cascade(source="posterior", prior_batch_size=32)
    structure = structures.preset("independent", 4)
    z = jnp.zeros((3, 4))
    with pytest.raises(ValueError, match="needs 4 rows and the batch has 3"):
        sample_joint(jax.random.key(0), z, z, structure)
    with pytest.raises(ValueError, match="5 rows are not divisible by 2 devices"):
        jax.vmap(lambda _: rows.local_rows(jnp.arange(5), "devices"), axis_name="devices")(z[:2])
    halved = cvae_jax.factor(cvae_jax.vae(networks.burgess(8, 1, 4)), 1.0, second_batch=True)
    with pytest.raises(ValueError, match="15 images are odd"):
        jax.eval_shape(halved.init, jax.random.key(0), jnp.zeros((15, 8, 8, 1)))
