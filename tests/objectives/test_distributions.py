import numpy as np
import pytest
from scipy import integrate, stats

from cvae_jax.objectives import distributions


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, 0.0), (0.7, -1.0), (-2.0, 0.5)])
def test_kl_equals_the_integral(mean, logvar):
    q = stats.norm(mean, np.exp(0.5 * logvar))
    integrand = lambda x: q.pdf(x) * (q.logpdf(x) - stats.norm.logpdf(x))
    expected, _ = integrate.quad(integrand, mean - 12 * q.std(), mean + 12 * q.std())
    found = distributions.kl_to_standard_normal(np.float64(mean), np.float64(logvar))
    assert found == pytest.approx(expected, abs=1e-5)
