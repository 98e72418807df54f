"""Forbidden dependence in nats: closed forms, its bias, constants and copies."""

import numpy as np
import pytest
from closed_forms import linear_gaussian

from cvae_jax import metrics, structures
from cvae_jax.structures import independence

TOWER = structures.preset("tower", 5)


def sample(cov, n=20_000, seed=0):
    """(z, z_hat) from N(0, cov) over (z_hat, z)."""
    v = np.random.default_rng(seed).normal(size=(n, len(cov))) @ np.linalg.cholesky(cov).T
    d = len(cov) // 2
    return v[:, d:], v[:, :d]


@pytest.mark.parametrize("marginal", [False, True])
@pytest.mark.parametrize("text", [*structures.PRESETS.values(), "3>1 1>2 -z2>2 z4>2"])
def test_forbidden_dependence_sums_to_the_closed_form(text, marginal):
    structure = structures.parse(text, 5)
    cov = linear_gaussian.random_q(structures.parse("1>3 2>3", 5), seed=1)
    z, z_hat = sample(cov)
    structure = structure.marginal() if marginal else structure
    nats = metrics.forbidden_dependence(z, z_hat, structure.parents)
    assert nats.shape == (5,)
    assert nats.sum() == pytest.approx(linear_gaussian.kl(cov, structure), abs=0.05)
    assert (nats > -0.001).all()


@pytest.mark.parametrize("structure", [TOWER, TOWER.marginal(), structures.preset("compose2", 5)])
def test_nothing_is_forbidden_in_samples_of_the_structure(structure):
    q = linear_gaussian.random_q(structure, seed=2)
    z, z_hat = sample(linear_gaussian.structured(q, structure))
    nats = metrics.forbidden_dependence(z, z_hat, structure.parents)
    np.testing.assert_allclose(nats, 0, atol=1e-3)


def test_forbidden_dependence_is_charged_to_the_later_node():
    rng = np.random.default_rng(6)
    z_hat = rng.normal(size=(20_000, 3))
    z_hat[:, 1] = 0.8 * z_hat[:, 0] + 0.6 * z_hat[:, 1]
    information = -0.5 * np.log(1 - 0.8**2)
    later = metrics.forbidden_dependence(None, z_hat, [(), (), (("z_hat", 0),)])
    np.testing.assert_allclose(later, [0, information, 0], atol=0.02)
    turned = metrics.forbidden_dependence(None, z_hat, [(("z_hat", 2),), (), ()])
    np.testing.assert_allclose(turned, [information, 0, 0], atol=0.02)  # the order is 2, 3, 1
    edge = metrics.forbidden_dependence(None, z_hat, [(), (("z_hat", 0),), ()])
    np.testing.assert_allclose(edge, 0, atol=1e-3)


@pytest.mark.parametrize("text", ["", "1>3 2>3"])
def test_a_critic_that_sees_dependent_z_forbids_their_dependence_too(text):
    """Posterior latents of correlations 0.7 and -0.5, z_hat = M z + noise of variance 1/4."""
    structure = structures.parse(text, 3)
    of_z = np.array([[1, 0.7, 0], [0.7, 1, -0.5], [0, -0.5, 1]])
    m = np.array([[1, 0.3, 0], [0, 1, 0.4], [0.5, 0.2, 1]])
    of_both = np.block([[m @ of_z @ m.T + 0.25 * np.eye(3), m @ of_z], [of_z @ m.T, of_z]])
    nats = metrics.forbidden_dependence(*sample(of_both), structure.parents)
    total_correlation = -0.5 * np.log(1 - 0.7**2 - 0.5**2)
    closed_form = linear_gaussian.kl(of_both, structure)
    assert closed_form > total_correlation + 0.1
    assert nats.sum() == pytest.approx(closed_form, rel=0.02)
    alone = metrics.forbidden_dependence(None, sample(of_both)[0], [(), (), ()])
    assert alone.sum() == pytest.approx(total_correlation, rel=0.02)


def test_a_critic_that_sees_z_forbids_what_z_hat_takes_from_it():
    """Every z_hat_j = z_j + noise of variance 1/4, and no edge from z: 1/2 log 5 nats each."""
    rng = np.random.default_rng(8)
    z = rng.normal(size=(20_000, 3))
    z_hat = z + 0.5 * rng.normal(size=z.shape)
    none = [(), (), ()]
    seen = metrics.forbidden_dependence(z, z_hat, none, joint=True)
    np.testing.assert_allclose(seen, 0.5 * np.log(5), atol=0.02)
    np.testing.assert_allclose(metrics.forbidden_dependence(z, z_hat, none), 0, atol=1e-3)
    structure = structures.parse("-z1>1 -z2>2 -z3>3", 3)
    terms = independence.forbidden(structure, joint=True)
    assert [len(term.others) for term in terms] == [3, 4, 5]
    assert independence.forbidden(structure) == independence.forbidden(structure, joint=False)


def test_increasing_transforms_leave_forbidden_dependence_unchanged():
    z, z_hat = sample(linear_gaussian.random_q(TOWER, seed=3), n=2_000)
    nats = metrics.forbidden_dependence(z, z_hat, TOWER.parents)
    bent = metrics.forbidden_dependence(np.exp(z), z_hat**3 + 5, TOWER.parents)
    np.testing.assert_array_equal(bent, nats)


def test_the_bias_of_few_samples_is_subtracted():
    rng = np.random.default_rng(7)
    structure = structures.preset("independent", 5)
    terms = [
        metrics.forbidden_dependence(*rng.normal(size=(2, 60, 5)), structure.parents)
        for _ in range(400)
    ]
    # without the correction (4 + 5 + ... + 8) / 120 = .25
    np.testing.assert_allclose(np.mean(terms, axis=0), 0, atol=0.01)


def test_constants_and_copies_have_defined_values():
    z_hat = np.random.default_rng(8).normal(size=(1_000, 4))
    z_hat[:, 0] = 2.0
    z_hat[:, 3] = z_hat[:, 2]
    nats = metrics.forbidden_dependence(None, z_hat, [(), (("z_hat", 0),), (), ()])
    np.testing.assert_allclose(nats[:3], 0, atol=0.01)
    assert 10 < nats[3] < 14.1  # infinite, as far as floats tell
    assert not metrics.forbidden_dependence(None, np.ones((9, 2)), [(), ()]).any()
    edge = metrics.forbidden_dependence(None, z_hat, [(), (), (), (("z_hat", 2),)])
    np.testing.assert_allclose(edge, 0, atol=0.01)


FINE = np.random.default_rng(10).normal(size=(50, 2))
BROKEN = np.where(np.arange(100).reshape(50, 2) == 7, np.nan, FINE)
CYCLE = [(("z_hat", 1),), (("z_hat", 0),)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.forbidden_dependence(FINE, FINE[:9], [(("z", 0),), ()]), "disagree"),
        (lambda: metrics.forbidden_dependence(None, FINE, [(("z", 0),), ()]), "disagree"),
        (lambda: metrics.forbidden_dependence(FINE, FINE, [()]), "disagree"),
        (lambda: metrics.forbidden_dependence(None, BROKEN, [(), ()]), "NaN"),
        (lambda: metrics.forbidden_dependence(None, FINE[:3], [(), ()]), "3 samples are too few"),
        (lambda: metrics.forbidden_dependence(None, FINE, CYCLE), "cycle"),
        (lambda: metrics.forbidden_dependence(None, FINE, [(("z_hat", 2),), ()]), "unknown parent"),
    ],
)
def test_wrong_arguments_raise_a_one_line_message(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
