"""MIG and FactorVAE score, definition by definition, as loops and as scikit-learn has it."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from cvae_jax import metrics

SIZES = (3, 4, 5)


@pytest.fixture(scope="module")
def factors():
    grid = np.array(list(itertools.product(*map(range, SIZES))))
    return np.random.default_rng(0).permutation(np.tile(grid, (50, 1)))  # [3000, 3], balanced


def noisy(factors, noise, seed=1):
    rng = np.random.default_rng(seed)
    codes = (
        factors / factors.std(axis=0) @ np.array([[1, 0.5, 0, 0], [0, 1, 0.5, 0], [0.5, 0, 1, 0]])
    )
    return codes + noise * rng.normal(size=codes.shape)


def loop_score(codes, factors, seed, votes):
    """The definition, vote by vote, from the papers."""
    rng = np.random.default_rng(seed)
    variances = codes.var(axis=0, ddof=1)
    active = [j for j in range(codes.shape[1]) if variances[j] ** 0.5 >= 0.05]

    def vote():
        fixed = rng.integers(factors.shape[1])
        value = factors[rng.integers(len(factors)), fixed]
        batch = codes[rng.choice(np.flatnonzero(factors[:, fixed] == value), 64)]
        ratios = {j: batch[:, j].var(ddof=1) / variances[j] for j in active}
        return fixed, min(ratios, key=ratios.get)

    counts = {}
    for fixed, named in (vote() for _ in range(votes)):
        counts.setdefault(named, [0] * factors.shape[1])[fixed] += 1
    majority = {named: row.index(max(row)) for named, row in counts.items()}
    return np.mean(
        [majority.get(named) == fixed for fixed, named in (vote() for _ in range(votes))]
    )


def test_mutual_information_of_a_two_by_two_table_by_hand():
    # p(b, v) = [[3, 1], [1, 3]] / 8: I = 2 (3/8 log 3/2 + 1/8 log 1/2)
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1.0])[:, None]
    factors = np.array([5, 5, 5, 9, 5, 9, 9, 9])[:, None]
    expected = 2 * (3 / 8 * np.log(3 / 2) + 1 / 8 * np.log(1 / 2))
    np.testing.assert_allclose(metrics.mutual_information(codes, factors, bins=2), [[expected]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mutual_information_is_that_of_codes_digitised_as_by_disentanglement_lib(factors, dtype):
    codes = noisy(factors, 0.3).astype(dtype)
    ours = metrics.mutual_information(codes, factors)
    for j, i in np.ndindex(ours.shape):
        code = codes[:, j].astype(np.float64)
        binned = np.digitize(code, np.histogram(code, 20)[1][:-1])
        assert ours[j, i] == pytest.approx(mutual_info_score(factors[:, i], binned), abs=1e-12)


def test_mig_by_hand():
    # Dimension 0 is the factor, dimension 1 the table above, dimension 2 constant.
    factors = np.array([0, 0, 0, 1, 0, 1, 1, 1])[:, None]
    table = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    codes = np.stack([factors[:, 0], table, np.full(8, 7)], axis=1)
    runner_up = 2 * (3 / 8 * np.log(3 / 2) + 1 / 8 * np.log(1 / 2))
    assert metrics.mig(codes, factors, bins=2) == pytest.approx(1 - runner_up / np.log(2))


def test_mig_is_one_for_a_perfect_code_and_zero_for_noise(factors):
    assert metrics.mig(factors.astype(np.float32), factors) == pytest.approx(1)
    assert metrics.mig(np.random.default_rng(2).normal(size=(3000, 5)), factors) < 0.01


def test_mig_is_low_for_a_rotated_code_and_zero_for_a_doubled_one():
    factors = np.random.default_rng(3).integers(8, size=(4000, 2))
    rotated = factors @ np.array([[1, 1], [-1, 1]])
    assert metrics.mig(rotated, factors) < 0.05
    assert metrics.mig(np.hstack([factors, factors]), factors) == pytest.approx(0)


def test_mig_knows_neither_order_nor_scale_nor_sign_of_dimensions(factors):
    codes = noisy(factors, 0.3)
    expected = metrics.mig(codes, factors)
    assert 0.05 < expected < 0.95
    assert metrics.mig(codes[:, [2, 3, 0, 1]], factors) == pytest.approx(expected)
    assert metrics.mig(codes * 2.0 ** np.array([-3, 5, 0, 9]), factors) == pytest.approx(expected)
    renamed = np.array([900, -7, 12, 3, 44])[factors]
    assert metrics.mig(codes, renamed) == pytest.approx(expected)


def test_latents_that_are_constant_up_to_rounding_have_no_information(factors):
    dead = np.stack([np.full(3000, 0.1), np.full(3000, 1e8)], axis=1)
    dead[::2, 0] = np.nextafter(0.1, 1)
    information = metrics.mutual_information(dead, factors)
    assert (information < 0.01).all()
    assert (information[1] == 0).all()
    assert metrics.mig(np.hstack([factors, dead]), factors) == pytest.approx(1, abs=0.01)


def test_factor_score_is_one_for_a_perfect_code_and_chance_for_noise(factors):
    assert metrics.factor_score(factors.astype(np.float32), factors, seed=0) == 1
    noise = np.random.default_rng(2).normal(size=(3000, 5))
    assert metrics.factor_score(noise, factors, seed=0) == pytest.approx(1 / 3, abs=0.06)


def test_factor_score_agrees_with_the_definition_vote_by_vote(factors):
    codes = noisy(factors, 2.0)
    ours = metrics.factor_score(codes, factors, seed=0)
    loop = loop_score(codes, factors, seed=1, votes=4000)
    assert 0.5 < ours < 0.9
    assert ours == pytest.approx(loop, abs=4 * np.sqrt(0.25 / 4000))


def test_factor_score_fixes_one_factor_a_vote_and_compares_ratios():
    # The second dimension varies far less, but only the ratio to its own spread counts.
    factors = np.random.default_rng(4).integers(6, size=(2000, 2))
    assert metrics.factor_score(factors * [100.0, 0.1], factors, seed=0) > 0.999


def test_factor_score_prunes_collapsed_dimensions(factors):
    # The leaked copy of factor 0 has a standard deviation below .05, so it must not be seen.
    leak = 0.03 * factors[:, :1] / factors[:, 0].std()
    noise = np.random.default_rng(5).normal(size=(3000, 2))
    alone = metrics.factor_score(noise, factors, seed=0)
    assert metrics.factor_score(np.hstack([noise, leak]), factors, seed=0) == alone
    assert metrics.factor_score(np.hstack([noise, 2 * leak]), factors, seed=0) > alone + 0.2
    assert metrics.factor_score(leak, factors, seed=0) == 0


def test_factor_score_is_a_function_of_its_seed(factors):
    codes = noisy(factors, 2.0)
    scores = [metrics.factor_score(codes, factors, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    assert scores[2] == pytest.approx(scores[0], abs=0.04)


def test_factor_score_draws_rare_values_with_replacement_and_lone_ones_never():
    factors = np.arange(40)[:, None] // 4  # four rows a value
    both = np.hstack([factors, factors[::-1] % 5])
    assert metrics.factor_score(both.astype(float), both, seed=0) > 0.5
    lone = np.array([0, 0, 0, 1, 1, 1, 2])[:, None]
    other = np.array([0, 1, 0, 1, 0, 1, 0])[:, None]
    codes = np.hstack([lone, other]) + np.zeros(2)
    assert 0.5 <= metrics.factor_score(codes, np.hstack([lone, other]), seed=0) <= 1
    with pytest.raises(ValueError, match=r"factor 1 .* no value that two rows share"):
        metrics.factor_score(codes, np.hstack([other, np.arange(7)[:, None]]), seed=0)


def score(codes, factors):
    return metrics.factor_score(codes, factors, seed=0)


@pytest.mark.parametrize("metric", [metrics.mig, metrics.mutual_information, score])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, f: (np.where(c == c[7, 2], np.nan, c), f), "NaN or infinite in dimension 2"),
        (lambda c, f: (np.where(c == c[7, 1], np.inf, c), f), "NaN or infinite in dimension 1"),
        (lambda c, f: (c[1:], f), "disagree"),
        (lambda c, f: (c[:, 0], f), "disagree"),
        (lambda c, f: (c, f[:, 0]), "disagree"),
        (lambda c, f: (c[:, :0], f), "nothing to score"),
        (lambda c, f: (c, f.astype(float)), "integers"),
        (lambda c, f: (c, f * [1, 0, 1]), "factor 1 .* single value"),
    ],
)
def test_mistakes_are_named_in_one_line(factors, metric, change, message):
    with pytest.raises(ValueError, match=message) as error:
        metric(*change(noisy(factors, 0.3), factors))
    assert "\n" not in str(error.value)


def test_mig_needs_as_many_samples_as_bins_and_two_dimensions(factors):
    codes = noisy(factors, 0.3)
    with pytest.raises(ValueError, match="19 samples are too few for 20 bins"):
        metrics.mig(codes[:19], factors[:19])
    with pytest.raises(ValueError, match="two dimensions"):
        metrics.mig(codes[:, :1], factors)
