"""Scores of predictions beside the numbers that disentanglement_lib's own code gave.

google-research/disentanglement_lib at 86a644d: `downstream_task`, `strong_downstream_task` and
`fairness` of evaluation/metrics, with gin.configurable as the identity, scikit-learn 1.5.2 and
numpy 2.2.6. Their data set draws factors as `code_set` of a kind has them; its images are
`encoded` with noise of their own, or for fairness the rows of `code_set` themselves. Each number
is a mean and the spread over repeats, with RandomState(0), RandomState(1) and so on: 12 for ten
labels, eight for fairness, four for the others. Ten labels by logistic regression are left out:
their LogisticRegressionCV raises where a fold has one value.
"""

import numpy as np
import pytest
from fixtures.code_sets import KINDS, agree, code_set

from cvae_jax import metrics

# 1,200 rows; 120 of `few`: 80 labels instead of 100, 30 instead of 200
TREES_10 = {
    "perfect": (0.7007, 0.0537),
    "rotated": (0.4397, 0.0474),
    "duplicated": (0.7061, 0.0642),
    "noisy": (0.4766, 0.0415),
    "constant": (0.6980, 0.0748),
    "few": (0.4502, 0.0389),
}
TREES_100 = {
    "perfect": (1.0, 0.0),
    "rotated": (0.8302, 0.0277),
    "duplicated": (1.0, 0.0),
    "noisy": (0.5835, 0.0075),
    "constant": (1.0, 0.0),
    "few": (0.5938, 0.0183),
}
LOGISTIC_100 = {
    "perfect": (1.0, 0.0),
    "rotated": (1.0, 0.0),
    "duplicated": (1.0, 0.0),
    "noisy": (0.6369, 0.0095),
    "constant": (1.0, 0.0),
    "few": (0.6252, 0.0123),
}
# num_train 200, num_test 300, n_experiment 4: mean_test_accuracy, mean_strong_test_accuracy
STRONG = {
    "perfect": ((1.0, 0.0), (1.0, 0.0)),
    "rotated": ((0.9286, 0.0134), (0.4514, 0.0247)),
    "duplicated": ((1.0, 0.0), (1.0, 0.0)),
    "noisy": ((0.5981, 0.0086), (0.5683, 0.0179)),
    "constant": ((1.0, 0.0), (1.0, 0.0)),
    "few": ((0.5886, 0.0303), (0.5274, 0.0115)),
}
# num_train 584, 58 of `few`, all different; num_test_points_per_class 100:
# mean_fairness:mean_pred:mean_sens, mean_fairness:max_pred:max_sens,
# max_fairness:mean_pred:mean_sens, max_fairness:max_pred:max_sens
FAIRNESS = {
    "perfect": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "rotated": ((0.0055, 0.0013), (0.0146, 0.0041), (0.0087, 0.0025), (0.0234, 0.0061)),
    "duplicated": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "noisy": ((0.0507, 0.0034), (0.0772, 0.0107), (0.0722, 0.0086), (0.1094, 0.0221)),
    "constant": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "few": ((0.0882, 0.0091), (0.1225, 0.0178), (0.1277, 0.0141), (0.1842, 0.0288)),
}

kinds = pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k == "noisy" else pytest.mark.slow) for k in KINDS]
)


@kinds
@pytest.mark.parametrize("predictor", [pytest.param("trees", marks=pytest.mark.slow), "logistic"])
def test_accuracy_by_labels(kind, predictor):
    codes, factors = code_set(kind)
    many = 80 if kind == "few" else 100
    sizes = (10, many) if predictor == "trees" else (many,)
    found = [
        metrics.downstream(codes, factors, predictor=predictor, seed=seed, sizes=sizes).accuracy
        for seed in range(3)
    ]
    agree([f[many] for f in found], (TREES_100 if predictor == "trees" else LOGISTIC_100)[kind])
    if predictor == "trees":
        agree([f[10] for f in found], TREES_10[kind])


@pytest.mark.slow
@kinds
def test_strong_generalisation(kind):
    codes, factors = code_set(kind)
    rows = {"train": 30, "test": 60} if kind == "few" else {"train": 200, "test": 300}
    found = [
        metrics.strong_generalisation(codes, factors, seed=seed, experiments=4, **rows)
        for seed in range(2)
    ]
    agree([f.usual for f in found], STRONG[kind][0])
    agree([f.accuracy for f in found], STRONG[kind][1])


@kinds
@pytest.mark.slow
def test_fairness(kind):
    codes, factors = code_set(kind)
    rows = {"train": 58, "check": 60} if kind == "few" else {"train": 584, "check": 400}
    found = [metrics.unfairness(codes, factors, seed=seed, **rows) for seed in range(3)]
    agree([f.mean for f in found], FAIRNESS[kind][0])
    agree([np.nanmax(f.by_mean) for f in found], FAIRNESS[kind][1])
    agree([np.nanmean(f.by_max) for f in found], FAIRNESS[kind][2])
    agree([f.largest for f in found], FAIRNESS[kind][3])
