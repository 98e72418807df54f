"""Effects of interventions on z, and the share of a latent's effects by its ancestors."""

import numpy as np
import pytest

from cvae_jax import metrics

# true at [i, j]: the tower has a path from z_i to z_hat_j
TOWER_ANCESTORS = np.array(
    [[1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]], bool
)


def redrawn(encode, d, n=20_000, seed=0):
    """encode(z) and, for each i, encode(z with z_i redrawn): [n, d] and [d, n, d]."""
    rng = np.random.default_rng(seed)
    z, new = rng.normal(size=(2, n, d))
    changed = np.stack([np.where(np.arange(d) == i, new, z) for i in range(d)])
    return encode(z), np.stack([encode(c) for c in changed])


def test_effects_of_a_linear_map_are_its_squared_weights():
    weights = np.random.default_rng(1).normal(size=(4, 4))  # z_hat = z M
    matrix = metrics.intervention_effects(*redrawn(lambda z: z @ weights, 4))
    np.testing.assert_allclose(matrix, weights**2 / (weights**2).sum(axis=0), atol=0.03)


def test_fixed_noise_lowers_effects_and_redrawn_noise_counts_as_an_effect():
    weights, noise = np.array([[1.0, 0.5], [0.0, 2.0]]), 0.7 * np.ones(2)
    fixed = noise * np.random.default_rng(2).normal(size=(20_000, 2))
    variances = (weights**2).sum(axis=0) + noise**2
    kept = metrics.intervention_effects(*redrawn(lambda z: z @ weights + fixed, 2))
    np.testing.assert_allclose(kept, weights**2 / variances, atol=0.03)
    rng = np.random.default_rng(3)
    fresh = redrawn(lambda z: z @ weights + noise * rng.normal(size=z.shape), 2)
    expected = (weights**2 + noise**2) / variances
    np.testing.assert_allclose(metrics.intervention_effects(*fresh), expected, atol=0.03)


def test_effects_count_interactions_for_each_latent():
    matrix = metrics.intervention_effects(*redrawn(lambda z: z[:, :1] * z[:, 1:] + [[0, 9]], 2))
    np.testing.assert_allclose(matrix, 1, atol=0.06)  # z_1 z_2: without either nothing is known


def test_a_collapsed_dimension_has_no_effects():
    before, after = redrawn(lambda z: z * [1, 0.049, 0], 3)
    np.testing.assert_allclose(
        metrics.intervention_effects(before, after), np.diag([1, 0, 0]), atol=0.03
    )


def test_ancestor_share_is_one_where_only_ancestors_move_a_latent():
    weights = TOWER_ANCESTORS * np.random.default_rng(4).uniform(0.5, 2, (5, 5))
    matrix = metrics.intervention_effects(*redrawn(lambda z: np.tanh(z @ weights), 5, n=2_000))
    share = metrics.ancestor_share(matrix, TOWER_ANCESTORS)
    assert share.score == 1
    assert share.chance == pytest.approx((1 + 1 + 3 + 1 + 5) / 25)
    np.testing.assert_array_equal(share.shares, 1)


def test_ancestor_share_by_hand():
    matrix = [[0.6, 0.3, 0], [0.2, 0.3, 0], [0, 0.6, 0]]
    ancestors = [[1, 1, 1], [0, 1, 0], [0, 0, 1]]
    share = metrics.ancestor_share(matrix, ancestors)
    np.testing.assert_allclose(share.shares, [0.6 / 0.8, 0.6 / 1.2, np.nan])
    assert share.score == pytest.approx((0.75 + 0.5) / 2)
    assert share.chance == pytest.approx((1 / 3 + 2 / 3) / 2)  # the third does not move
    along_edges = metrics.ancestor_share(matrix, np.array(ancestors) - np.eye(3))
    np.testing.assert_allclose(along_edges.shares, [0, 0.25, np.nan])


def test_ancestor_share_of_shuffled_effects_is_chance():
    rng = np.random.default_rng(5)
    matrix = rng.exponential(size=(5, 5))
    shuffled = [rng.permuted(matrix, axis=0) for _ in range(2_000)]
    scores = [metrics.ancestor_share(m, TOWER_ANCESTORS).score for m in shuffled]
    assert np.mean(scores) == pytest.approx(0.44, abs=0.01)
    assert metrics.ancestor_share(np.zeros((5, 5)), TOWER_ANCESTORS)[:2] == (0, 0)


FINE = np.random.default_rng(10).normal(size=(50, 2))
BROKEN = np.where(np.arange(100).reshape(50, 2) == 7, np.nan, FINE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.intervention_effects(FINE, FINE), "disagree"),
        (lambda: metrics.intervention_effects(1.0, FINE), "disagree"),
        (lambda: metrics.intervention_effects(FINE[:1], np.stack([FINE[:1]] * 2)), "too few"),
        (lambda: metrics.intervention_effects(FINE, np.stack([BROKEN] * 2)), "NaN"),
        (lambda: metrics.ancestor_share(np.eye(3), np.eye(2)), r"must both be \[d, d\]"),
        (lambda: metrics.ancestor_share(np.ones(2), np.ones(2)), r"must both be \[d, d\]"),
        (lambda: metrics.ancestor_share(-np.eye(2), np.eye(2)), "negative"),
    ],
)
def test_wrong_arguments_raise_a_one_line_message(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("noise", [0, 1])
def test_factor_effects_are_shares_of_the_variance(noise):
    """The noise is another in the second draw and has no effect; the variance holds it."""
    rng = np.random.default_rng(1)
    z, other = rng.normal(size=(2, 20_000, 2))

    def read(z):
        left = (z[:, 1] < 0).astype(float)
        clean = np.stack([z[:, 0], (z[:, 0] + z[:, 1]) / np.sqrt(2), left, 1 - left], axis=1)
        return clean + noise * rng.normal(size=clean.shape)

    def draws():
        return read(z), np.stack([read(np.where(one, other, z)) for one in np.eye(2, dtype=bool)])

    effects = metrics.factor_effects(*draws(), draws(), [0, 1, 2, 2], [1, 1, 0.25, 0.25])
    variances = np.array([1, 1, 0.25]) + noise  # a class's signal has 1/4
    clean = np.array([[1, 0.5, 0], [0, 0.5, 0.25]])
    np.testing.assert_allclose(effects, clean / variances, atol=0.06)


def test_wrong_readings_are_refused():
    before, after = np.zeros((5, 2)), np.zeros((3, 5, 2))
    for arrays, factor_of, spread, message in [
        ((before, after[:, :4]), [0, 1], [1, 1], "disagree"),
        ((before, after), [0], [1, 1], "disagree"),
        ((before, after * np.nan), [0, 1], [1, 1], "finite"),
        ((before, after), [0, 1], [1, 0], "do not vary"),
    ]:
        with pytest.raises(ValueError, match=message):
            metrics.factor_effects(*arrays, arrays, factor_of, spread)
