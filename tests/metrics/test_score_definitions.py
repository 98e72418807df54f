"""Each score of codes against factors by another way: by hand, loops, integration, sklearn."""

import numpy as np
import pytest
import scipy.stats
from fixtures.known_codes import FEW, SIZES, explicitness, rotated, sap
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

from cvae_jax import metrics
from cvae_jax.metrics.inputs import split

PAIRS = [(i, value) for i, size in enumerate(SIZES) for value in range(size)]


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
    # Latent 0 is factor 0 alone, latent 1 is factor 1 alone; latent 2 knows both alike.
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
    # Factor 0 fixes latent 0 up to ±1; its mean is 5, so it moves by 6 at most: 1 - 1/6. Latent 1
    # is the factor itself and does not move at all while it is held.
    factor = np.array([0, 0, 1, 1])
    codes = np.array([[-1, 0], [1, 0], [9, 4], [11, 4.0]])
    score = metrics.irs(codes, factor[:, None], seed=0, quantile=1.0)
    assert score == pytest.approx(((1 - 1 / 6) * 6 + 1 * 2) / (6 + 2))
    assert metrics.irs(np.ones((4, 2)), factor[:, None], seed=0) == 0


def test_irs_takes_20_bins_of_a_factor():
    rng = np.random.default_rng(1)
    factors = np.stack([rng.integers(0, 47, 3_000), rng.integers(0, 3, 3_000)], axis=1)
    codes = factors @ rng.normal(size=(2, 4)) + rng.normal(size=(3_000, 4))
    robust = np.zeros((4, 2))
    for i, factor in enumerate(factors.T):
        cut = np.digitize(factor, np.histogram(factor, 20)[1][:-1])
        for j, code in enumerate(codes.T):
            worst = [
                np.quantile(np.abs(code[cut == v] - code[cut == v].mean()), 0.99) for v in set(cut)
            ]
            robust[j, i] = 1 - np.mean(worst) / np.abs(code - code.mean()).max()
    largest = np.abs(codes - codes.mean(axis=0)).max(axis=0)
    expected = np.average(robust.max(axis=1), weights=largest)
    assert metrics.irs(codes, factors, seed=0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [1_000, 1_234, 3_000])
def test_constant_latents_know_no_factor(n):
    factors = np.random.default_rng(0).integers(0, 3, (n, 2))
    assert metrics.modularity_explicitness(np.ones((n, 2)), factors, seed=0).modularity == 0


def test_a_vote_needs_two_rows(perfect, factors):
    with pytest.raises(ValueError, match="batch_size is 1: it must be at least 2"):
        metrics.factor_score(perfect, factors, seed=0, batch_size=1)


def test_explicitness_needs_a_value_both_there_and_not():
    codes = np.random.default_rng(0).normal(size=(300, 3))
    factors = np.stack([np.arange(300) == 0, np.arange(300) % 2], axis=1).astype(int)
    with pytest.raises(ValueError, match=r"but one value of a factor|constant"):
        metrics.modularity_explicitness(codes, factors, seed=0, train=200, test=100)
