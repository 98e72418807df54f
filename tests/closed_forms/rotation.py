"""Each method's penalty on latents rotated against the factors, in nats per image.

Two uniform factors f of variance 1 make images x = diag(1 / v)^1/2 f; the likelihood's noise is 1.
The decoder W is linear, W = U L R, and turned by R against the factors; U and L are the best that
there are for it, and so is the encoder: with M = W' W + 1 its posterior mean is M^-1 W' x, and its
diagonal variances are S = diag(1 / M_jj). Not turned, latent j is factor j up to a
variance v_j = exp(-2 nats_j). The second pass makes z_hat = M^-1 W' W z + noise of S.

  ELBO                     its loss compared with latents that are not turned
  TC, first pass           FactorVAE's and beta-TCVAE's penalty: of the posterior latents
  TC, prior latents        the cascade's, structure independent; z_hat is Gaussian: closed form
  TC, posterior latents    the same with cascade.source=posterior
  joint, posterior latents the KL that the critic of (z, z_hat) sees, cascade.critic_input=joint

  python -m tests.closed_forms.rotation
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize

from cvae_jax.metrics import mixture

_GRID = 150  # values of each factor
_NATS = ((3.0, 3.0), (3.5, 3.0), (2.0, 1.5), (2.0, 0.3))
_DEGREES = (15, 45)


class Model(NamedTuple):
    """A linear autoencoder of two factors."""

    loss: float  # -ELBO up to a constant, nats
    decoder: np.ndarray  # W, latents to images [2, 2]
    first: np.ndarray  # factors to the mean of latents [2, 2]
    again: np.ndarray  # z to the mean of z_hat [2, 2]
    variances: np.ndarray  # of the posteriors [2]


class Penalties(NamedTuple):
    """Nats per image."""

    elbo: float
    first_pass: float
    codes_of_prior: float
    codes_of_data: float
    joint_of_data: float


def _turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _model(v, decoder) -> Model:
    precision = decoder.T @ decoder + np.eye(2)
    encoder = np.linalg.solve(precision, decoder.T)
    missed = np.trace(np.diag(1 / v) @ np.linalg.inv(decoder @ decoder.T + np.eye(2)))
    loss = 0.5 * (missed + np.log(np.diag(precision)).sum())
    factors = encoder * np.sqrt(1 / v)
    return Model(loss, decoder, factors, encoder @ decoder, 1 / np.diag(precision))


def turned(nats, degrees: float) -> Model:
    """Returns the best model whose latents are turned by so many degrees."""
    v = np.exp(-2 * np.asarray(nats))

    def decoder(params):
        scales = np.exp(0.5 * params[:2])  # L^2 is exp(params)
        return _turn(params[2]) @ np.diag(scales) @ _turn(np.radians(degrees))

    start = [*np.log(1 / v - 1), 0.0]
    best = scipy.optimize.minimize(lambda p: _model(v, decoder(p)).loss, start, tol=1e-10)
    return _model(v, decoder(best.x))


def penalties(nats, degrees: float) -> Penalties:
    """Computes each penalty of the best model of latents so turned.

    Args:
      nats: of information of each latent on its factor when not turned, [2].
      degrees: of the turn.
    """
    model = turned(nats, degrees)
    values = np.sqrt(3) * (2 * np.arange(_GRID) + 1 - _GRID) / _GRID  # variance 1
    factors = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 2)
    mean, noise = factors @ model.first.T, np.diag(model.variances)  # [_GRID^2, 2]
    again = model.again
    prior = again @ again.T + noise
    return Penalties(
        elbo=model.loss - turned(nats, 0).loss,
        first_pass=total_correlation(mean, noise),
        codes_of_prior=0.5 * (np.log(np.diag(prior)).sum() - np.linalg.slogdet(prior)[1]),
        codes_of_data=total_correlation(mean @ again.T, again @ noise @ again.T + noise),
        joint_of_data=joint_kl(mean, model.variances, again),
    )


def total_correlation(mean, covariance) -> float:
    """Estimates the total correlation, nats, of the mixture of N(mean_i [d], covariance [d, d])."""
    root = np.linalg.cholesky(covariance)
    z = mean + np.random.default_rng(0).normal(size=mean.shape) @ root.T
    logvar = np.broadcast_to(np.log(np.diag(covariance)), mean.shape)
    product = mixture.log_marginals(z, mean, logvar).sum(axis=1)
    return float(np.mean(log_mixture(z, mean, covariance) - product))


def joint_kl(mean, variances, again) -> float:
    """Estimates KL(q(z, z_hat) || prod_j q(z_j) q(z_hat_j | z_j)) of `independent`, nats.

        E log q(z) + E log q(z_hat | z) - sum_j E log q(z_j, z_hat_j)

    Args:
      mean: of the posteriors q(z | x), [n, d]; q(z) is their mixture.
      variances: of all of them, and of z_hat given z, [d].
      again: z to the mean of z_hat, [d, d].
    """
    rng, d = np.random.default_rng(0), len(variances)
    deviations = np.sqrt(variances)
    z = mean + rng.normal(size=mean.shape) * deviations
    noise = rng.normal(size=mean.shape)
    z_hat = z @ again.T + noise * deviations
    of_all = log_mixture(z, mean, np.diag(variances))
    of_all += np.sum(-0.5 * noise**2 - 0.5 * np.log(2 * np.pi * variances), axis=1)
    of_pairs = 0.0
    for j in range(d):
        row = again[j]
        across = row[j] * variances[j]
        covariance = [[variances[j], across], [across, row**2 @ variances + variances[j]]]
        means = np.stack([mean[:, j], mean @ row], axis=1)
        of_pairs += log_mixture(np.stack([z[:, j], z_hat[:, j]], axis=1), means, covariance)
    return float(np.mean(of_all - of_pairs))


def log_mixture(z, mean, covariance):
    """Returns the log density of the mixture of N(mean_i, covariance) at z, [n]; means [m, d]."""
    root = np.linalg.cholesky(covariance)
    white, white_mean = (np.linalg.solve(root, x.T).T for x in (z, mean))
    joint = mixture.log_joint(white, white_mean, np.zeros_like(mean))
    return joint - np.log(np.diag(root)).sum()


def main() -> None:
    """Prints the table."""
    columns = ("ELBO", "TC, first pass", "TC, prior latents", "TC, posterior latents")
    columns += ("joint, posterior latents",)
    print("| nats of the latents | turned by | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for nats in _NATS:
        for degrees in _DEGREES:
            values = [value if abs(value) > 1e-7 else 0 for value in penalties(nats, degrees)]
            cells = " | ".join(f"{value:.2g}" for value in values)
            print(f"| {nats[0]} and {nats[1]} | {degrees} degrees | {cells} |")


if __name__ == "__main__":
    main()
