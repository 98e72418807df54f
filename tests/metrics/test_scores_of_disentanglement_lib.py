"""Scores of latents beside the numbers that disentanglement_lib's own code gave.

google-research/disentanglement_lib at 86a644d, evaluation/metrics, with gin.configurable as the
identity, scikit-learn 1.9.1 and numpy 2.4.6, on `code_set` of each kind. MIG, IRS and the
unsupervised scores take its rows as they are. The others draw factors, which are `encoded` with
noise of their own: 600 rows to fit and 600 to score, 60 of `few`; 400 votes of 16 images to fit
and to score, with the prune_dims.threshold of its study, 0.05. Of those each number is the mean
and the spread over RandomState(0) to RandomState(3).
"""

import pytest
from fixtures.code_sets import KINDS, agree, code_set

from cvae_jax import metrics

NAN, INF = float("nan"), float("inf")
# discrete_mig, IRS, gaussian_total_correlation, gaussian_wasserstein_correlation, _norm,
# mutual_info_score
OF_ROWS = {
    "perfect": (0.9929, 0.9098, 0.0, 0.0, 0.0, 0.0307),
    "rotated": (0.0329, 0.4157, 0.0, 0.0, 0.0, 0.9719),
    "duplicated": (0.0, 0.9098, INF, 3.5246, 0.5858, 0.4311),
    "noisy": (0.4666, 0.4946, 0.0014, 0.0018, 0.0005, 0.1483),
    "constant": (0.9929, 0.9098, NAN, 0.0, 0.0, 0.0092),
    "few": (0.4133, 0.5165, 0.0025, 0.0032, 0.0008, 1.0409),
}
SAP = {
    "perfect": (0.3782, 0.0162),
    "rotated": (0.0272, 0.0071),
    "duplicated": (0.0, 0.0),
    "noisy": (0.2935, 0.0117),
    "constant": (0.3739, 0.0175),
    "few": (0.2542, 0.0369),
}
DCI = {  # disentanglement, completeness, informativeness_test
    "perfect": ((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)),
    "rotated": ((0.0772, 0.0057), (0.0852, 0.0095), (0.9922, 0.0016)),
    "duplicated": ((1.0, 0.0), (0.6191, 0.0026), (1.0, 0.0)),
    "noisy": ((0.4328, 0.0167), (0.4365, 0.0151), (0.6138, 0.0107)),
    "constant": ((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)),
    "few": ((0.3109, 0.0663), (0.3231, 0.0674), (0.5833, 0.0239)),
}
MODULARITY = {  # modularity_score, explicitness_score_test
    "perfect": ((0.9998, 0.0), (1.0, 0.0)),
    "rotated": ((0.4839, 0.0110), (1.0, 0.0)),
    "duplicated": ((0.9998, 0.0), (1.0, 0.0)),
    "noisy": ((0.9935, 0.0010), (0.8874, 0.0027)),
    "few": ((0.5989, 0.0563), (0.8567, 0.0053)),
}
BETA = {
    "perfect": (1.0, 0.0),
    "rotated": (0.7588, 0.0094),
    "duplicated": (1.0, 0.0),
    "noisy": (0.9938, 0.0028),
    "constant": (1.0, 0.0),
    "few": (0.9938, 0.0028),
}
FACTOR = {
    "perfect": (1.0, 0.0),
    "rotated": (0.4406, 0.0267),
    "duplicated": (1.0, 0.0),
    "noisy": (0.9906, 0.0037),
    "constant": (1.0, 0.0),
    "few": (0.9931, 0.0037),
}

kinds = pytest.mark.parametrize("kind", KINDS)
VOTES = {"batch_size": 16, "train_votes": 400, "eval_votes": 400}


def rows(kind):
    return {"train": 60, "test": 60} if kind == "few" else {"train": 600, "test": 600}


@kinds
def test_scores_of_the_same_rows(kind):
    codes, factors = code_set(kind)
    found = metrics.unsupervised_scores(codes)
    if kind == "constant":  # its total correlation is not a number; ours leaves constants out
        assert found.total_correlation == pytest.approx(0, abs=1e-4)
        found = found._replace(total_correlation=NAN)
    ours = (metrics.mig(codes, factors), metrics.irs(codes, factors, seed=0), *found)
    assert ours == pytest.approx(OF_ROWS[kind], abs=6e-5, nan_ok=True)


@kinds
def test_sap(kind):
    agree([metrics.sap(*code_set(kind), seed=seed, **rows(kind)) for seed in range(3)], SAP[kind])


@kinds
@pytest.mark.slow
def test_dci(kind):
    found = [metrics.dci(*code_set(kind), seed=seed, **rows(kind)) for seed in range(3)]
    for i, theirs in enumerate(DCI[kind]):
        agree([f[i] for f in found], theirs)


@pytest.mark.parametrize("kind", MODULARITY)
def test_modularity_and_explicitness(kind):
    """Constant latents are left out: theirs divides by their spread and stops at the NaN."""
    found = [
        metrics.modularity_explicitness(*code_set(kind), seed=seed, **rows(kind))
        for seed in range(3)
    ]
    agree([f.modularity for f in found], MODULARITY[kind][0])
    agree([f.explicitness for f in found], MODULARITY[kind][1])


@kinds
def test_beta_vae_score(kind):
    found = [metrics.beta_vae_score(*code_set(kind), seed=seed, **VOTES) for seed in range(3)]
    agree(found, BETA[kind])


@kinds
def test_factor_score(kind):
    found = [metrics.factor_score(*code_set(kind), seed=seed, **VOTES) for seed in range(3)]
    agree(found, FACTOR[kind])
