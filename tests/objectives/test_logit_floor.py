"""A floor under the logits that the model is paid for: which divergence it minimises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy import integrate, stats

from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.density_ratio import add_density_ratio

P = stats.norm(0.0, 1.0)


class ExactLogit(nn.Module):
    """log N(v; mean, scale^2) - log N(v; 0, 1), with the parameters of a critic."""

    @nn.compact
    def __call__(self, v):
        mean = self.param("mean", nn.initializers.zeros, ())
        log_scale = self.param("log_scale", nn.initializers.zeros, ())
        standard = (v[:, 0] - mean) * jnp.exp(-log_scale)
        return 0.5 * (v[:, 0] ** 2 - standard**2) - log_scale


def objective(floor, n):
    """q = N(mean, scale^2) of the model's parameters, p = N(0, 1); no loss of its own."""

    def extend(params, images, samples, rng, axis_name):
        noise = jax.random.normal(rng, (n, 1))
        return {"v": params.model["mean"] + jnp.exp(params.model["log_scale"]) * noise}

    base = Objective(
        init=None,
        model_loss=lambda params, images, rng, step, axis_name=None: (0.0, ({}, {})),
        critic_loss=None,
        prior=None,
        encode=None,
        decode=None,
    )
    return add_density_ratio(
        base,
        name="ratio",
        weight=1.0,
        critic=ExactLogit(),
        extend=extend,
        q_rows=lambda samples: samples["v"],
        p_rows=lambda samples, rng, axis_name: samples["v"],
        floor=floor,
    )


def divergence(mean, log_scale, floor):
    """E_p[f(q / p)] by quadrature, f as the module's head has it."""
    q = stats.norm(mean, np.exp(log_scale))

    def integrand(v):
        log_ratio = q.logpdf(v) - P.logpdf(v)
        ratio, corner = np.exp(log_ratio), np.exp(-floor)
        above = ratio * log_ratio - ratio + 1
        below = corner * -floor - corner + 1 - floor * (ratio - corner)
        return P.pdf(v) * (above if log_ratio >= -floor else below)

    return integrate.quad(integrand, -12, 12, limit=400)[0]


@pytest.mark.parametrize("floor", [0.1, 1.0, 50.0])
def test_the_gradient_is_that_of_a_divergence(floor):
    q = {"mean": 0.7, "log_scale": -0.5}
    params = Players(model={k: jnp.float32(x) for k, x in q.items()}, critic={"ratio": q})
    of = objective(floor, 400_000)

    def loss(model):
        return of.model_loss(params._replace(model=model), None, jax.random.key(0), 0)[0]

    found = jax.jit(jax.grad(loss))(params.model)
    assert divergence(0.0, 0.0, floor) == pytest.approx(0, abs=1e-9)
    for name in q:
        ends = [divergence(**{**q, name: q[name] + move}, floor=floor) for move in (1e-4, -1e-4)]
        assert float(found[name]) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=0.01), name


def test_a_high_floor_is_the_kl_and_a_low_one_less():
    kl = 0.5 * (np.exp(-1.0) + 0.7**2 - 1 + 1.0)  # of N(0.7, e^-1) to N(0, 1)
    assert divergence(0.7, -0.5, 50.0) == pytest.approx(kl, abs=1e-6)
    assert 0.05 < divergence(0.7, -0.5, 0.1) < divergence(0.7, -0.5, 1.0) < kl


def test_a_model_gains_nothing_where_the_critic_is_far_off():
    """A critic that takes q for p with 600 nats: no gradient with a floor, a huge one without."""
    wrong = {"mean": jnp.float32(-35.0), "log_scale": jnp.float32(0.0)}
    params = Players({"mean": jnp.float32(0.0), "log_scale": jnp.float32(-5.0)}, {"ratio": wrong})

    def gradient(floor):
        of = objective(floor, 1_000)

        def loss(model):
            return of.model_loss(params._replace(model=model), None, jax.random.key(0), 0)[0]

        return jax.grad(loss)(params.model)["mean"]

    assert gradient(1.0) == 0
    assert gradient(None) == pytest.approx(-35)
