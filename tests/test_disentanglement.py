"""The scores of codes against factors: known answers, and other ways to the same numbers."""

import functools
import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

from cvae_jax import metrics
from cvae_jax.metrics.samples import split

SIZES = (2, 3, 4)
PAIRS = [(i, value) for i, size in enumerate(SIZES) for value in range(size)]
FEW = {"train": 600, "test": 300}


@pytest.fixture(scope="module")
def factors():
    grid = np.array(list(itertools.product(*map(range, SIZES))))
    return np.random.default_rng(0).permutation(np.tile(grid, (50, 1)))  # [1200, 3], balanced


@pytest.fixture(scope="module")
def perfect(factors):
    """Codes that are the factors, in units of their own, and so little noise that bins hold."""
    noise = np.random.default_rng(1).uniform(-0.01, 0.01, factors.shape)
    return (factors + noise) / factors.std(axis=0)


def rotated(codes):
    matrix = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    return codes @ matrix


def chen(codes, factors):
    logvar = np.full(codes.shape, 2 * np.log(0.05))
    return metrics.mig_chen(codes, logvar, factors, samples=500, seed=0).value


def beta_vae(codes, factors):
    return metrics.beta_vae_score(codes, factors, seed=0, train_votes=500, eval_votes=300)


@functools.lru_cache
def _dci(codes, factors):
    codes, factors = (np.frombuffer(x, t).reshape(-1, d) for x, t, d in (codes, factors))
    return metrics.dci(codes, factors, seed=0, train=300, test=150)


def dci(codes, factors):
    """Fitted once for each code: all of its three scores come from the same trees."""
    codes, factors = np.asarray(codes), np.asarray(factors)
    if len(codes) != len(factors):
        return metrics.dci(codes, factors, seed=0)
    return _dci(*((x.tobytes(), x.dtype.str, x.shape[1]) for x in (codes, factors)))


def disentanglement(codes, factors):
    return dci(codes, factors).disentanglement


def completeness(codes, factors):
    return dci(codes, factors).completeness


def informativeness(codes, factors):
    return dci(codes, factors).informativeness


def sap(codes, factors):
    return metrics.sap(codes, factors, seed=0, **FEW)


def modularity(codes, factors):
    return metrics.modularity_explicitness(codes, factors, seed=0, **FEW).modularity


def explicitness(codes, factors):
    return metrics.modularity_explicitness(codes, factors, seed=0, **FEW).explicitness


def irs(codes, factors):
    return metrics.irs(codes, factors, seed=0)


def factor_score(codes, factors):
    return metrics.factor_score(codes, factors, seed=0, train_votes=500, eval_votes=300)


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
def test_order_sign_and_units_of_codes_change_nothing(factors, score):
    rng = np.random.default_rng(4)
    codes = factors @ rng.normal(size=(3, 3)) + rng.normal(size=factors.shape)
    other = codes[:, [2, 0, 1]] * [-1, 1, -1]
    # Chance votes and trees' ties differ; units matter to the fixed noise of chen's posterior and
    # to the vote's threshold of collapse
    tolerance = 0.06 if score in (beta_vae, disentanglement, completeness, factor_score) else 0.02
    assert score(other, factors) == pytest.approx(score(codes, factors), abs=tolerance)
    if score not in (chen,):
        assert score(4 * other, factors) == pytest.approx(score(codes, factors), abs=tolerance)


def test_information_of_the_posterior_is_that_of_numerical_integration(factors):
    rng = np.random.default_rng(5)
    mean = factors[:240] @ np.array([[1.0, 0.2, 0], [0.1, 0.8, 0], [0, 0, 0.3]])
    logvar = rng.uniform(-3, -0.5, size=mean.shape)
    found = metrics.mig_chen(mean, logvar, factors[:240], samples=4_000, seed=0)
    x = np.linspace(-8, 12, 4001)
    table = np.zeros((3, 3))
    for j in range(3):
        densities = scipy.stats.norm.pdf(x[:, None], mean[:, j], np.exp(0.5 * logvar[:, j]))
        marginal = densities.mean(axis=1)
        for i, value in PAIRS:
            own = factors[:240, i] == value
            given = densities[:, own].mean(axis=1)
            ratio = np.log((given + 1e-300) / (marginal + 1e-300))
            table[j, i] += own.mean() * np.trapezoid(given * ratio, x)
    np.testing.assert_allclose(found.information, table, atol=0.04)
    counts = [np.bincount(f) / 240 for f in factors[:240].T]
    entropies = [scipy.stats.entropy(c) for c in counts]
    ranked = np.sort(table, axis=0)
    expected = np.mean((ranked[-1] - ranked[-2]) / entropies)
    assert abs(found.value - expected) < 4 * found.standard_error < 0.1


def test_the_error_bar_of_mig_chen_is_the_spread_over_seeds(perfect, factors):
    codes = rotated(perfect) + np.random.default_rng(6).normal(size=perfect.shape)
    logvar = np.zeros_like(codes)
    found = [metrics.mig_chen(codes, logvar, factors, samples=300, seed=s) for s in range(30)]
    spread = np.std([f.value for f in found])
    assert 0.5 * spread < np.mean([f.standard_error for f in found]) < 2 * spread


def test_beta_vae_score_agrees_with_the_definition_point_by_point(factors):
    rng = np.random.default_rng(7)
    codes = factors / factors.std(axis=0) + 1.5 * rng.normal(size=factors.shape)
    codes = rotated(codes)

    def points(count):
        features, labels = [], []
        for _ in range(count):
            fixed = rng.integers(3)
            pairs = []
            for _ in range(16):
                value = factors[rng.integers(len(factors)), fixed]
                pairs.append(rng.choice(np.flatnonzero(factors[:, fixed] == value), 2))
            a, b = np.array(pairs).T
            features.append(np.abs(codes[a] - codes[b]).mean(axis=0))
            labels.append(fixed)
        return features, labels

    loop = LogisticRegression().fit(*points(1_000)).score(*points(1_000))
    ours = metrics.beta_vae_score(
        codes, factors, seed=0, batch_size=16, train_votes=1_000, eval_votes=1_000
    )
    assert 0.4 < loop < 0.95
    assert ours == pytest.approx(loop, abs=0.06)


def test_dci_is_entropies_of_the_trees_importances(factors):
    codes = rotated(factors / factors.std(axis=0))
    found = metrics.dci(codes, factors, seed=0, **FEW)
    (x, y), (x_test, y_test) = split(codes, factors, 600, 300, 0)
    models = [GradientBoostingClassifier(random_state=0).fit(x, y[:, i]) for i in range(3)]
    table = np.stack([m.feature_importances_ for m in models], axis=1)
    by_code = 1 - scipy.stats.entropy(table.T + 1e-11, base=3)
    by_factor = 1 - scipy.stats.entropy(table + 1e-11, base=3)
    weights = table.sum(axis=1) / table.sum()
    assert found.disentanglement == pytest.approx(np.sum(by_code * weights), abs=1e-6)
    assert found.completeness == pytest.approx(np.mean(by_factor), abs=1e-6)
    accuracy = np.mean([m.score(x_test, y_test[:, i]) for i, m in enumerate(models)])
    assert found.informativeness == pytest.approx(accuracy)


def test_sap_is_the_gap_between_two_support_vector_machines(factors):
    rng = np.random.default_rng(8)
    codes = factors + rng.normal(size=factors.shape) * [0.3, 1, 1]
    (x, y), (x_test, y_test) = split(codes, factors, 600, 300, 0)
    table = np.zeros((3, 3))
    for j, i in np.ndindex(3, 3):
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        machine.fit(x[:, [j]], y[:, i])
        table[j, i] = np.mean(machine.predict(x_test[:, [j]]) == y_test[:, i])
    ranked = np.sort(table, axis=0)
    assert sap(codes, factors) == pytest.approx(np.mean(ranked[-1] - ranked[-2]))


def test_modularity_by_hand():
    # Code 0 is factor 0 and tells nothing of factor 1; code 1 is factor 1; code 2 tells both alike.
    a, b = (np.tile(x, 50) for x in ([0, 0, 1, 1], [0, 1, 0, 1]))
    factors = np.stack([a, b], axis=1)
    codes = np.stack([a, b, 2.0 * a + b], axis=1)
    found = metrics.modularity_explicitness(codes, factors, seed=0, train=140, test=60)
    # By frequencies of the rows drawn a and b are nearly independent, and 2a + b has H(a) and H(b).
    assert found.modularity == pytest.approx((1 + 1 + 0) / 3, abs=0.02)
    assert found.explicitness == pytest.approx(1)


def test_explicitness_is_the_area_under_the_curve(factors):
    codes = factors + np.random.default_rng(9).normal(size=factors.shape)
    (x, y), (x_test, y_test) = split(codes, factors, 600, 300, 0)
    areas = []
    for i in range(3):
        p = LogisticRegression().fit(x, y[:, i]).predict_proba(x_test)
        one_hot = y_test[:, i][:, None] == np.arange(SIZES[i])
        areas.append(roc_auc_score(one_hot, p))
    assert explicitness(codes, factors) == pytest.approx(np.mean(areas), abs=2e-3)


def test_irs_by_hand():
    # Factor 0 fixes code 0 up to +-1; its mean is 5, so it moves by 6 at most: 1 - 1/6. Code 1 is
    # the factor itself and does not move at all while it is held.
    factor = np.array([0, 0, 1, 1])
    codes = np.array([[-1, 0], [1, 0], [9, 4], [11, 4.0]])
    score = metrics.irs(codes, factor[:, None], seed=0, quantile=1.0)
    assert score == pytest.approx(((1 - 1 / 6) * 6 + 1 * 2) / (6 + 2))
    assert metrics.irs(np.ones((4, 2)), factor[:, None], seed=0) == 0


def test_unsupervised_scores_of_a_gaussian():
    rng = np.random.default_rng(10)
    mixing = np.array([[1, 0.6, 0], [0, 1, 0], [0, 0.3, 0.5]])
    codes = rng.normal(size=(2_000, 3)) @ mixing
    found = metrics.unsupervised_scores(np.hstack([codes, np.ones((2_000, 1))]))
    s = np.cov(codes, rowvar=False)
    assert found.total_correlation == pytest.approx(
        0.5 * (np.sum(np.log(np.diag(s))) - np.linalg.slogdet(s)[1])
    )
    root = scipy.linalg.sqrtm(s * np.diag(s)[:, None]).real  # as disentanglement_lib has it
    expected = 2 * np.trace(s) - 2 * np.trace(root)
    assert found.wasserstein_correlation == pytest.approx(expected)
    assert found.wasserstein_normalised == pytest.approx(expected / np.trace(s))
    # I of a Gaussian pair with correlation r is -1/2 log(1 - r^2); binning loses some
    pair = metrics.unsupervised_scores(codes[:, :2], bins=10)
    r = np.corrcoef(codes[:, 0], codes[:, 1])[0, 1]
    assert pair.mutual_information == pytest.approx(-0.5 * np.log(1 - r**2), rel=0.2)
    twice = metrics.unsupervised_scores(np.hstack([codes, codes[:, :1]]))
    assert twice.total_correlation == np.inf


def test_active_dimensions_by_hand():
    mean = np.array([[0, 0.05, 1], [0, -0.05, -1], [0, 0.05, 1], [0, -0.05, -1.0]])
    assert metrics.active_dimensions(mean) == 1  # variances 0, .0025, 1
    assert metrics.active_dimensions(mean, threshold=0.001) == 2


def test_udr_tells_models_that_agree_from_one_that_does_not():
    rng = np.random.default_rng(11)
    factors = rng.uniform(size=(1_000, 3))
    codes = [
        factors @ (np.eye(3)[rng.permutation(3)] * [1, -2, 3])
        + 0.01 * rng.normal(size=factors.shape)
        for _ in range(3)
    ]
    codes.append(rotated(factors / factors.std(axis=0)))
    codes = [np.hstack([c, rng.normal(size=(len(c), 2))]) for c in codes]
    kl = np.tile([2.0, 2.0, 2.0, 1e-4, 0.0], (4, 1))
    found = metrics.udr(codes, kl)
    assert (found[:3] > 0.9).all()
    assert found[3] < 0.6
    np.testing.assert_array_equal(metrics.udr(codes, np.zeros((4, 5))), 0)
    # Two models, one dimension each: the squared correlation over itself
    one = metrics.udr([codes[0][:, :1], codes[3][:, :1]], [[1.0], [1.0]])
    expected = abs(scipy.stats.spearmanr(codes[0][:, 0], codes[3][:, 0]).statistic)
    np.testing.assert_allclose(one, expected)
    # and by hand for two dimensions
    r = np.abs(scipy.stats.spearmanr(codes[0][:, :2], codes[3][:, :2]).statistic[:2, 2:])
    parts = [r[:, b].max() ** 2 / r[:, b].sum() for b in range(2)]
    parts += [r[a].max() ** 2 / r[a].sum() for a in range(2)]
    two = metrics.udr([codes[0][:, :2], codes[3][:, :2]], np.ones((2, 2)))
    np.testing.assert_allclose(two, sum(parts) / 4)
    with pytest.raises(ValueError, match="two or more"):
        metrics.udr(codes[:1], kl[:1])


SCORES = [chen, beta_vae, disentanglement, sap, modularity, irs]


@pytest.mark.parametrize("score", SCORES)
def test_a_constant_dimension_is_a_code_that_tells_nothing(perfect, factors, score):
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
