import numpy as np
import pytest
from scipy import integrate, stats

from cvae_jax.objectives import distributions


@pytest.mark.parametrize("logvar", [-150.0, -30.0, 0.0, 20.0])
def test_the_density_is_scipys_also_of_very_narrow_posteriors(logvar):
    for of in (stats.norm(3.0, np.exp(0.5 * logvar)), stats.norm(0.0, np.exp(0.5 * logvar))):
        at_mean = distributions.log_gaussian(np.float32(of.mean()), of.mean(), logvar)
        assert at_mean == pytest.approx(of.logpdf(of.mean()), rel=1e-6)
        by_noise = distributions.log_of_noise(np.float32(1.5), logvar)
        assert by_noise == pytest.approx(of.logpdf(of.mean()) - 1.5**2 / 2, rel=1e-6)


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, 0.0), (0.7, -1.0), (-2.0, 0.5)])
def test_kl_equals_the_integral(mean, logvar):
    q = stats.norm(mean, np.exp(0.5 * logvar))
    integrand = lambda x: q.pdf(x) * (q.logpdf(x) - stats.norm.logpdf(x))
    expected, _ = integrate.quad(integrand, mean - 12 * q.std(), mean + 12 * q.std())
    found = distributions.kl_to_standard_normal(np.float64(mean), np.float64(logvar))
    assert found == pytest.approx(expected, abs=1e-5)
