"""The FactorVAE score in disentanglement_lib's definition, as a function of arrays."""

import numpy as np

from cvae_jax.metrics.inputs import checked, group, require_at_least

VARIANCE_ROWS = 10_000  # rows behind the global variance
MIN_STD = 0.05  # a dimension that varies less has collapsed to the prior
CHUNK = 1_000  # votes drawn at once: 1,000 x 64 rows x 10 dimensions are 5 MB


def factor_score(codes, factors, *, seed, batch_size=64, train_votes=10_000, eval_votes=5_000):
    """Computes the accuracy of a majority vote on which factor was fixed in a batch.

    A vote: choose a factor i and one of its values, draw a batch of rows that share it, and name

        j = argmin_j Var_batch(c_j) / Var(c_j)

    The training votes map each dimension j to the factor i it was named for most often; the score
    is the accuracy of that map on the evaluation votes. By Kim & Mnih 2018, with the settings of
    Locatello et al. 2019 (disentanglement_lib, `factor_vae`, its `eval_accuracy`): variances with
    ddof 1, global ones from 10,000 rows, dimensions with a standard deviation under 0.05 left out.
    The library renders new images for every batch; here rows are drawn from the arrays, with
    replacement as its samples are, and a value is as likely as it is frequent. A value of a single
    row has no variance to compare and is not chosen.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: seed of the rows and factors drawn.
      batch_size: rows behind one vote.
      train_votes: votes that fit the map.
      eval_votes: votes that score it.

    Returns:
      Accuracy between 0 and 1, chance being about 1/k; 0 if every dimension was left out.

    Raises:
      ValueError: if codes are not finite, factors not integers or constant, if the two have
        different numbers of rows, if no two rows share a value of some factor, if there is but one
        factor, which every vote names, if batch_size is 1, or of no votes.
    """
    codes, factors = checked(codes, factors)
    if factors.shape[1] < 2:
        raise ValueError("factor_score needs two factors or more")
    require_at_least(2, batch_size=batch_size)  # rows of a variance
    require_at_least(1, train_votes=train_votes, eval_votes=eval_votes)
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(codes), min(len(codes), VARIANCE_ROWS), replace=False)
    variances = np.var(codes[rows], axis=0, ddof=1)  # [d]
    active = np.sqrt(variances) >= MIN_STD
    if not active.any():
        return 0.0
    scaled = codes[:, active] / np.sqrt(variances[active])  # its variances are the ratios above
    groups = [group(factor, i) for i, factor in enumerate(factors.T)]
    train = _votes(rng, scaled, groups, batch_size, train_votes)  # [k, active]
    evaluation = _votes(rng, scaled, groups, batch_size, eval_votes)
    named = train.argmax(axis=0)  # the factor each dimension stands for
    return float(evaluation[named, np.arange(len(named))].sum() / eval_votes)


def _votes(rng, scaled, groups, batch_size, votes):
    """Counts how often each dimension was named for each fixed factor, [k, d]."""
    table = np.zeros((len(groups), scaled.shape[1]), np.int64)
    fixed = np.bincount(rng.integers(len(groups), size=votes), minlength=len(groups))  # [k]
    for i, (order, starts, counts) in enumerate(groups):
        for done in range(0, fixed[i], CHUNK):
            anchors = rng.integers(len(starts), size=min(CHUNK, fixed[i] - done))[:, None]
            within = rng.integers(counts[anchors], size=(len(anchors), batch_size))
            batches = scaled[order[starts[anchors] + within]]  # [votes, batch, d]
            named = np.var(batches, axis=1, ddof=1).argmin(axis=1)
            table[i] += np.bincount(named, minlength=scaled.shape[1])
    return table
