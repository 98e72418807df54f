"""What one latent knows of a factor when another one is known."""

import numpy as np

from cvae_jax.metrics.inputs import BINS, checked
from cvae_jax.metrics.mig import binned, entropy, information


def conditional_information(codes, factors, *, bins=BINS):
    """Computes the information of each latent with each factor, given another latent.

        I(c_a; v_i | c_b) = I(c_a, c_b; v_i) - I(c_b; v_i)

    over the empirical frequencies, latents in equal bins as for `mutual_information`: its table
    and this one add up exactly. 0: b knows all that a knows, as a copy does. More than I(c_a; v_i):
    the two know the factor jointly, as two latents of a rotation do. The estimate has a positive
    bias, of up to (bins - 1) (values - 1) bins / 2n nats; there is none where b determines v_i.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k]; the values are names.
      bins: equal-width bins per latent.

    Returns:
      Information in nats of the ordered pair (a, b) with factor i, [d, d, k]; at most the factor's
      entropy less what b knows. 0 where a is b.

    Raises:
      ValueError: see `mutual_information`.
    """
    cut, values = _labels(codes, factors, bins)
    alone = np.array([[information(b, v) for v in values] for b in cut])  # [d, k]
    table = np.zeros((len(cut), len(cut), len(values)))
    for a, b in zip(*np.triu_indices(len(cut), 1), strict=True):
        both = np.array([information(cut[a] * bins + cut[b], v) for v in values])
        table[a, b], table[b, a] = both - alone[b], both - alone[a]
    return np.maximum(table, 0)  # rounding


def runner_up_information(codes, factors, *, seed, bins=BINS):
    """Computes what the second latent of a factor adds to the first, as a share of its entropy.

        1/k sum_i I(c_b; v_i | c_a) / H(v_i)

    a and b are the two latents with the most information on factor i, as in MIG: it says whether a
    low MIG comes from a copy (0) or from latents that share the factor (towards 1). What the same
    estimate finds after a shuffle of v_i among rows with the same bin of c_a is subtracted, down
    to 0: it is the bias. It is no score: latents of noise have 0 as perfect ones do.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of the shuffle.
      bins: equal-width bins per latent.

    Returns:
      The share, between 0 and 1.

    Raises:
      ValueError: see `mutual_information`; also if there is but one latent.
    """
    cut, values = _labels(codes, factors, bins)
    if len(cut) < 2:
        raise ValueError("runner_up_information needs codes of two dimensions or more")
    rng, shares = np.random.default_rng(seed), []
    for value in values:
        ranked = np.argsort([information(latent, value) for latent in cut], kind="stable")
        first, second = cut[ranked[-1]], cut[ranked[-2]]
        order = np.argsort(first, kind="stable")
        mixed = np.empty_like(value)
        # the same rows of each bin, in random order within it
        mixed[order] = value[np.lexsort((rng.random(len(value)), first))]
        added = _given(second, value, first, bins) - _given(second, mixed, first, bins)
        shares.append(max(added, 0) / entropy(value))
    return float(np.mean(shares))


def _labels(codes, factors, bins):
    """Returns latents and factors as label arrays [n] that count from 0, or raises."""
    codes, factors = checked(codes, factors)
    if len(codes) < bins:
        raise ValueError(f"{len(codes)} samples are too few for {bins} bins")
    cut = [binned(latent, bins) for latent in codes.T]
    return cut, [np.unique(factor, return_inverse=True)[1] for factor in factors.T]


def _given(a, value, b, bins):
    """Returns I(a; value | b) in nats."""
    return information(a * bins + b, value) - information(b, value)
