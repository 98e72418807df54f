"""What the scores of codes against factors share: known answers, and mistakes that are named."""

import numpy as np
import pytest
from fixtures.known_codes import (
    SIZES,
    beta_vae,
    chen,
    completeness,
    disentanglement,
    explicitness,
    factor_score,
    informativeness,
    irs,
    modularity,
    rotated,
    sap,
)

from cvae_jax import metrics
from cvae_jax.metrics import predictors
from cvae_jax.metrics.inputs import split


def test_a_perfect_code_scores_one_wherever_that_is_promised(perfect, factors):
    for score in (factor_score, beta_vae, informativeness, explicitness):
        assert score(perfect, factors) == pytest.approx(1, abs=1e-6), score
    for score in (chen, disentanglement, completeness, modularity, metrics.mig):
        assert score(perfect, factors) == pytest.approx(1, abs=0.02), score
    assert irs(perfect, factors) > 0.97
    # Of a factor of two values alone, see its docstring.
    assert sap(perfect[:, [0, 1]], factors[:, :1]) == pytest.approx(0.5, abs=0.05)


def test_noise_scores_nothing_or_chance(factors):
    noise = np.random.default_rng(3).normal(size=(len(factors), 3))
    for score in (chen, disentanglement, completeness, sap, metrics.mig):
        assert abs(score(noise, factors)) < 0.06, score
    for score in (factor_score, beta_vae):
        assert score(noise, factors) == pytest.approx(1 / 3, abs=0.1), score
    assert informativeness(noise, factors) == pytest.approx(np.mean(1 / np.array(SIZES)), abs=0.06)
    assert explicitness(noise, factors) == pytest.approx(0.5, abs=0.05)


def test_a_rotated_code_scores_low_where_axes_count(perfect, factors):
    turned = rotated(perfect)
    for score in (chen, disentanglement, completeness, irs, metrics.mig):
        assert score(turned, factors) < score(perfect, factors) - 0.2, score
    assert modularity(turned, factors) < 0.9
    assert explicitness(turned, factors) > 0.85  # a linear map turns it back


@pytest.mark.parametrize(
    "score",
    [chen, beta_vae, disentanglement, modularity, irs, factor_score],
)
def test_order_sign_and_units_of_latents_change_nothing(factors, score):
    rng = np.random.default_rng(4)
    codes = factors @ rng.normal(size=(3, 3)) + rng.normal(size=factors.shape)
    other = codes[:, [2, 0, 1]] * [-1, 1, -1]
    # Chance votes and trees' ties differ; units matter to the fixed noise of chen's posterior and
    # to the vote's threshold of collapse
    tolerance = 0.06 if score in (beta_vae, disentanglement, completeness, factor_score) else 0.02
    assert score(other, factors) == pytest.approx(score(codes, factors), abs=tolerance)
    if score not in (chen,):
        assert score(4 * other, factors) == pytest.approx(score(codes, factors), abs=tolerance)


SCORES = [chen, beta_vae, disentanglement, sap, modularity, irs]


@pytest.mark.parametrize("score", SCORES)
def test_a_constant_latent_counts_as_one_that_knows_nothing(perfect, factors, score):
    dead = np.hstack([perfect, np.full((len(perfect), 1), 3.0)])
    expected = score(perfect, factors)
    if score is modularity:
        expected *= 3 / 4  # it counts 0 in the mean over codes
    assert score(dead, factors) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, f: (np.where(c == c[7, 2], np.nan, c), f), "NaN or infinite in dimension 2"),
        (lambda c, f: (c[1:], f), "disagree"),
        (lambda c, f: (c, f.astype(float)), "integers"),
        (lambda c, f: (c, f * [1, 0, 1]), "factor 1 .* single value"),
    ],
)
def test_mistakes_are_named_in_one_line(perfect, factors, score, change, message):
    with pytest.raises(ValueError, match=message) as error:
        score(*change(perfect, factors))
    assert "\n" not in str(error.value)


def test_too_few_rows_and_too_few_factors_are_refused(perfect, factors):
    with pytest.raises(ValueError, match="too few for 20 bins"):
        modularity(perfect[:20], factors[:20])
    with pytest.raises(ValueError, match="too few"):
        metrics.unsupervised_scores(perfect[:10])
    with pytest.raises(ValueError, match="too few to fit on some and score on others"):
        split(perfect[:1], factors[:1], 600, 300, 0)
    for score in (beta_vae, modularity):
        with pytest.raises(ValueError, match="two factors"):
            score(perfect, factors[:, :1])
    for score in (chen, sap):
        with pytest.raises(ValueError, match=r"of two dimensions|d of 2"):
            score(perfect[:, :1], factors)


def test_rows_to_fit_and_to_score_share_none(perfect, factors):
    rows = np.arange(len(factors), dtype=float)[:, None]
    (x, _), (x_test, _) = split(rows, factors, 600, 300, 0)
    assert (len(x), len(x_test)) == (600, 300)
    assert not set(x[:, 0]) & set(x_test[:, 0])
    (x, _), (x_test, _) = split(rows[:90], factors[:90], 600, 300, 0)
    assert (len(x), len(x_test)) == (60, 30)


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_noise_gets_a_beta_vae_score_of_chance_where_values_have_few_rows(rows):
    """A pair of one row with itself would have a difference of 0, by which a factor is named."""
    rng = np.random.default_rng(0)
    values = np.arange(4_000)
    pairs = np.stack([np.repeat(values, rows), np.repeat(values, rows) % 7], axis=1)
    noise = rng.normal(size=(len(pairs), 4))
    assert metrics.beta_vae_score(noise, pairs, seed=0) == pytest.approx(0.5, abs=0.06)


def test_names_of_values_change_nothing(perfect, factors):
    """Labels are names: 0, 1, 100 is 0, 1, 2."""
    noise = 0.3 * np.random.default_rng(2).normal(size=perfect.shape)
    renamed = np.where(factors == factors.max(axis=0), 100, factors)
    for score in (chen, disentanglement, modularity, explicitness, factor_score, irs, sap):
        assert score(perfect + noise, renamed) == pytest.approx(
            score(perfect + noise, factors), abs=1e-9
        ), score


@pytest.mark.parametrize(
    ("score", "settings"),
    [
        (metrics.mig, {"bins": 0}),
        (metrics.factor_score, {"eval_votes": 0, "seed": 0}),
        (metrics.factor_score, {"train_votes": 0, "seed": 0}),
        (metrics.beta_vae_score, {"batch_size": 0, "seed": 0}),
        (metrics.strong_generalisation, {"experiments": 0, "seed": 0}),
        (metrics.noise_floor, {"shuffles": 0}),
    ],
)
def test_settings_of_nothing_are_refused(perfect, factors, score, settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} is 0: it must be at least"):
        score(perfect, factors, **settings)


def test_a_score_of_one_factor_that_noise_would_have_is_refused(factors):
    noise = np.random.default_rng(0).normal(size=(len(factors), 3))
    with pytest.raises(ValueError, match="two factors or more"):
        metrics.factor_score(noise, factors[:, :1], seed=0)


def test_posteriors_too_wide_for_float32_are_refused(perfect, factors):
    logvar = np.zeros_like(perfect)
    logvar[3, 0] = 200.0
    for score in (metrics.mig_chen, metrics.aggregate_posterior):
        labels = (factors,) if score is metrics.mig_chen else ()
        with pytest.raises(ValueError, match="log variance of 200 are too wide"):
            score(perfect, logvar, *labels, seed=0)


def test_values_too_rare_to_fit_on_are_named(perfect, factors):
    rare = factors.copy()
    rare[:, 0] = 0
    rare[5, 0] = 1
    said = []
    for seed in range(8):  # the one row is among those to fit on, to score on, or neither
        with pytest.raises(ValueError, match=r"factor 0|explicitness") as refused:
            metrics.modularity_explicitness(perfect, rare, seed=seed, train=100, test=100)
        said.append(str(refused.value))
    assert any("single value in the 100 rows to fit on" in text for text in said)
    assert not any("leave it out" in text for text in said)


def test_labels_too_few_for_folds_are_refused_in_one_line():
    x, y = np.random.default_rng(0).normal(size=(2, 3)), np.array([[0], [1]])
    with pytest.raises(ValueError, match="2 labels each fold leaves one value"):
        predictors.fit_all("logistic", x, y, 0)
