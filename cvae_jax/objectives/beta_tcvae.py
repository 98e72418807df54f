"""beta-TCVAE: the three parts of the VAE's KL, each with a weight of its own."""

from cvae_jax.networks import Networks
from cvae_jax.objectives.base import Objective, at_step
from cvae_jax.objectives.decomposition import decompose
from cvae_jax.objectives.vae import penalised_vae


def beta_tcvae(
    networks: Networks,
    *,
    dataset_size: int,
    alpha=1.0,
    beta=6.0,
    gamma=1.0,
    estimator: str = "stratified",
    **kwargs,
) -> Objective:
    """Returns beta-TCVAE: alpha * MI + beta * TC + gamma * dwKL in place of the KL.

    Chen et al. 2018 (arXiv:1802.04942, Eq. 4).

    Args:
      networks: as for `vae`.
      dataset_size: N, the number of training images.
      alpha: of the mutual information; weights are numbers or functions of the step.
      beta: of the total correlation; theirs is 6 for dSprites.
      gamma: of the dimension-wise KL.
      estimator: "stratified" or "weighted", for the loss: two different ones, and Chen et al. train
        with the second. What is logged is always the first's.
      **kwargs: as for `vae`.
    """

    def penalty(posterior, step, axis_name):
        mi, tc, dwkl = decompose(*posterior, dataset_size, axis_name, estimator)
        return at_step(alpha, step) * mi + at_step(beta, step) * tc + at_step(gamma, step) * dwkl

    return penalised_vae(networks, penalty, dataset_size=dataset_size, **kwargs)
