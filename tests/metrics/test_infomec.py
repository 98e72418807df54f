"""InfoM, InfoE and InfoC against the authors' code, closed forms, and codes that cheat."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from fixtures.code_sets import KINDS, ROTATION, code_set
from sklearn.metrics import mutual_info_score

from cvae_jax import metrics

# kylehkhsu/latent_quantization at 9a420a3, disentangle/metrics/infomec.py, on `code_set` of each
# kind: compute_infomec(factors, codes, False) with scikit-learn 1.5.2 and numpy 2.2.6. Their
# spread over five runs, which differ by a tiny noise alone, is below the last digit.
THEIRS = {  # InfoM, InfoE, InfoC
    "perfect": (0.9922, 0.9999, 0.9922),
    "rotated": (0.1225, 0.9999, 0.1144),
    "duplicated": (0.9922, 0.9999, 0.3969),
    "noisy": (0.9921, 0.4838, 0.9889),
    "constant": (0.9922, 0.9999, 0.9922),
    "few": (0.9521, 0.5103, 0.9539),
}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_authors_code(kind):
    found = metrics.infomec(*code_set(kind), seed=0)
    assert (found.infom, found.infoe, found.infoc) == pytest.approx(THEIRS[kind], abs=2e-4)


def test_codes_of_classes_have_closed_forms():
    factors = code_set("perfect")[1]
    found = metrics.infomec(factors, factors, seed=0, discrete=True)
    assert (found.infom, found.infoc) == pytest.approx((1, 1), abs=1e-12)
    assert found.infoe == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(found.information, np.eye(3), atol=1e-12)
    twice = metrics.infomec(np.hstack([factors, factors]), factors, seed=0, discrete=True)
    # each factor has two equal latents among six
    assert twice.infoc == pytest.approx((1 / 2 - 1 / 6) / (1 - 1 / 6))
    # of independent factors, v_0 + 3 v_1 knows both whole: N is 1 in two columns of three
    mixed = factors[:, :2] @ [1, 3]
    both = metrics.infomec(np.stack([mixed, factors[:, 2]], axis=1), factors, seed=0, discrete=True)
    assert both.infom == pytest.approx(((1 / 2 + 1) / 2 - 1 / 3) / (1 - 1 / 3))


def test_information_of_classes_is_sklearns():
    codes, factors = code_set("noisy")
    codes = np.round(2 * codes)
    found = metrics.infomec(codes, factors, seed=0, discrete=True).information
    theirs = [
        [mutual_info_score(v, c) / mutual_info_score(v, v) for v in factors.T] for c in codes.T
    ]
    np.testing.assert_allclose(found, theirs, atol=1e-12)


def test_information_of_continuous_latents_is_that_of_numerical_integration():
    rng = np.random.default_rng(0)
    factors = np.stack([np.arange(4_000) % 2, np.arange(4_000) // 2 % 2], axis=1)
    codes = 2.0 * factors + rng.normal(size=factors.shape)

    def integrand(x):
        given = scipy.stats.norm.pdf(x, [0, 2])
        return -given.mean() * np.log(given.mean())

    information = scipy.integrate.quad(integrand, -9, 11)[0] - scipy.stats.norm.entropy()
    expected = information / np.log(2) * np.eye(2)
    found = metrics.infomec(codes, factors, seed=0).information
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_predictive_information_of_a_noisy_copy_is_the_entropy_of_its_errors():
    factor = np.tile([0, 1], 500)
    copy = factor.copy()
    copy[:100] ^= 1  # wrong in a tenth of both values
    found = metrics.predictive_information(copy[:, None], factor[:, None])
    assert found == pytest.approx(1 - scipy.stats.entropy([0.1, 0.9]) / np.log(2), abs=1e-5)


def test_linear_predictive_information_is_the_squared_correlation():
    codes, factors = code_set("noisy")
    found = metrics.predictive_information(codes[:, :1], factors[:, :1], linear=True)
    assert found == pytest.approx(np.corrcoef(codes[:, 0], factors[:, 0])[0, 1] ** 2)


def test_latents_of_noise_raise_nothing():
    codes, factors = code_set("perfect")
    noise = np.random.default_rng(1).normal(size=(len(codes), 6))
    found = metrics.infomec(noise, factors, seed=0)
    assert max(found.infom, found.infoe, found.infoc) < 0.05
    for kind in ("perfect", "rotated"):
        codes = code_set(kind)[0]
        with_noise = metrics.infomec(np.hstack([codes, noise]), factors, seed=0)
        assert with_noise.infom < metrics.infomec(codes, factors, seed=0).infom


def test_hidden_latents_cost_compactness():
    """A rotated code whose modular part is made wide: InfoM sees the wide latents alone."""
    codes, factors = code_set("perfect")
    hidden = np.hstack([100 * codes[:, :2], codes @ ROTATION])
    found = metrics.infomec(hidden, factors, seed=0)
    assert found.active.tolist() == [True, True, False, False, False]
    assert found.infom > 0.95
    assert found.infoc == pytest.approx(2 / 3, abs=0.02)  # no latent for the third factor


def test_constant_latents_score_nothing():
    codes, factors = code_set("perfect")
    found = metrics.infomec(np.ones_like(codes), factors, seed=0)
    assert (found.infom, found.infoe) == pytest.approx((0, 0), abs=1e-9)
    assert np.isnan(found.infoc)
    one = metrics.infomec(codes * [1, 0, 0], factors, seed=0)
    assert np.isnan(one.infoc)
    assert one.infoe == pytest.approx(1 / 3, abs=0.01)


def test_what_can_not_be_scored_is_refused():
    codes, factors = code_set("few")
    with pytest.raises(ValueError, match="two factors"):
        metrics.infomec(codes, factors[:, :1], seed=0)
    with pytest.raises(ValueError, match="too few for 10 neighbours"):
        metrics.infomec(codes[:10], factors[:10], seed=0)
    with pytest.raises(ValueError, match="NaN"):
        metrics.infomec(codes * np.nan, factors, seed=0)
