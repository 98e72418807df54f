"""The information of one latent given another: chain rule, closed forms, copies and noise."""

import numpy as np
import pytest
from fixtures.code_sets import code_set
from sklearn.metrics import mutual_info_score

from cvae_jax import metrics


def test_an_exclusive_or_is_known_jointly_alone():
    a, b = (np.tile(x, 50) for x in ([0, 0, 1, 1], [0, 1, 0, 1]))
    found = metrics.conditional_information(np.stack([a, b], axis=1), (a ^ b)[:, None], bins=2)
    np.testing.assert_allclose(found[..., 0], np.log(2) * np.array([[0, 1], [1, 0]]), atol=1e-12)


def test_the_order_of_a_pair_counts():
    """A latent that knows v whole, and one that knows its last bit."""
    v = np.tile(np.arange(4), 100)
    found = metrics.conditional_information(np.stack([v, v % 2], axis=1), v[:, None], bins=4)
    np.testing.assert_allclose(found[..., 0], [[0, np.log(2)], [0, 0]], atol=1e-12)


@pytest.mark.parametrize("kind", ["few", "constant"])
def test_it_is_the_mean_information_within_bins_of_the_other(kind):
    codes, factors = code_set(kind)
    found = metrics.conditional_information(codes, factors, bins=5)
    cut = [np.minimum(np.floor(5 * (c - c.min()) / (np.ptp(c) or 1)), 4) for c in codes.T]
    for a, b in np.ndindex(found.shape[:2]):
        for i, v in enumerate(factors.T):
            parts = [cut[b] == value for value in np.unique(cut[b])]
            terms = [part.mean() * mutual_info_score(cut[a][part], v[part]) for part in parts]
            assert found[a, b, i] == pytest.approx(sum(terms) if a != b else 0, abs=1e-9)


def test_the_runner_up_tells_a_copy_from_a_shared_factor():
    added = {
        kind: metrics.runner_up_information(*code_set(kind), seed=0)
        for kind in ("perfect", "duplicated", "rotated")
    }
    assert added["perfect"] == pytest.approx(0, abs=1e-9)
    assert added["duplicated"] == pytest.approx(0, abs=1e-9)
    assert added["rotated"] > 0.4
    # v in two latents, a digit in each; MIG is 0 of these as of copies
    v = np.tile(np.arange(16), 100)
    digits = np.stack([v // 4, v % 4], axis=1)
    found = metrics.runner_up_information(digits, v[:, None], seed=0, bins=4)
    # the bias of 4 bins of 4 for 16 values that is subtracted, about (4 - 1)(4 - 1) 4 / 2n nats
    assert found == pytest.approx(1 / 2, abs=0.01)


def test_noise_adds_nothing():
    """The bias of 20 bins given 20 bins would be a large part of the entropy."""
    _, factors = code_set("perfect")
    noise = np.random.default_rng(1).normal(size=(len(factors), 4))
    assert metrics.conditional_information(noise, factors)[0, 1, 2] > 0.3
    found = [metrics.runner_up_information(noise, factors, seed=seed) for seed in range(5)]
    assert np.mean(found) < 0.03
    assert metrics.runner_up_information(np.ones_like(noise), factors, seed=0) == 0


def test_what_can_not_be_scored_is_refused():
    codes, factors = code_set("few")
    with pytest.raises(ValueError, match="two dimensions"):
        metrics.runner_up_information(codes[:, :1], factors, seed=0)
    with pytest.raises(ValueError, match="too few for 20 bins"):
        metrics.conditional_information(codes[:19], factors[:19])
