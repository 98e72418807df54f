"""What each method's penalty says of codes that are turned against the factors, in nats an image.

Two uniform factors f, seen through noise; encoder and decoder are linear, the best there are for
codes turned by an angle (probabilistic PCA with diagonal posteriors). Not turned, code j is factor
j and knows it up to a posterior variance v_j = exp(-2 nats_j). With a turn R, posteriors have the
precision M = R' diag(1 / v) R, of which diagonal ones keep the variances S = diag(1 / M_jj), and

    mean of the data's codes = R' diag(1 - v)^1/2 f,     z_hat = R' diag(1 - v) R z + noise of S

  ELBO                     1/2 (sum_j log M_jj - log det M): what diagonal posteriors cost
  TC, first pass           FactorVAE's and beta-TCVAE's penalty: of the codes of the data
  TC, codes of the prior   the cascade's, structure independent; z_hat is Gaussian: closed form
  TC, codes of the data    the same with cascade.source=posterior

  python -m benchmarks.rotation
"""

import numpy as np

from cvae_jax.metrics import mixture

_GRID = 150  # values of each factor
# Nats that each of the two codes says: as in a VAE's runs on dSprites, and in beta-VAE's with 8.
_NATS = ((3.5, 3.0), (2.0, 1.5))
_DEGREES = (0, 15, 45)


def penalties(nats, degrees: float) -> tuple[float, float, float, float]:
    """The four penalties, nats.

    Args:
      nats: that each code says of its factor when not turned, [2].
      degrees: of the turn.
    """
    v = np.exp(-2 * np.asarray(nats))
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    precision = turn.T @ np.diag(1 / v) @ turn
    variances = 1 / np.diag(precision)
    again = turn.T @ np.diag(1 - v) @ turn
    elbo = -0.5 * (np.log(variances).sum() + np.linalg.slogdet(precision)[1])

    values = np.sqrt(3) * (2 * np.arange(_GRID) + 1 - _GRID) / _GRID  # variance 1
    factors = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 2)
    mean = factors * np.sqrt(1 - v) @ turn  # [_GRID^2, 2]
    first = np.diag(variances)
    second = again @ first @ again.T + first
    covariance = again @ again.T + first
    prior = 0.5 * (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1])
    codes_of_data = total_correlation(mean @ again.T, second)
    return elbo, total_correlation(mean, first), prior, codes_of_data


def total_correlation(mean, covariance) -> float:
    """Of the mixture of N(mean_i, covariance), nats; means [n, d], covariance [d, d]."""
    root = np.linalg.cholesky(covariance)
    z = mean + np.random.default_rng(0).normal(size=mean.shape) @ root.T
    white, white_mean = (np.linalg.solve(root, x.T).T for x in (z, mean))
    joint = mixture.log_joint(white, white_mean, np.zeros_like(mean))
    logvar = np.broadcast_to(np.log(np.diag(covariance)), mean.shape)
    product = mixture.log_marginals(z, mean, logvar).sum(axis=1)
    return float(np.mean(joint - np.log(np.diag(root)).sum() - product))


def main() -> None:
    """Print the table."""
    columns = ("ELBO", "TC, first pass", "TC, codes of the prior", "TC, codes of the data")
    print("| nats of the codes | turned by | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for nats in _NATS:
        for degrees in _DEGREES:
            values = [value if abs(value) > 1e-7 else 0 for value in penalties(nats, degrees)]
            cells = " | ".join(f"{value:.2g}" for value in values)
            print(f"| {nats[0]} and {nats[1]} | {degrees} degrees | {cells} |")


if __name__ == "__main__":
    main()
