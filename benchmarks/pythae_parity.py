"""beta-TCVAE's and FactorVAE's losses beside those of pythae, on the same latents.

pythae's own methods are called on arrays of random posteriors; nothing of it is rewritten here.
Where the two differ, pythae is also run with the one piece exchanged that is thought to be the
cause.

  pip install torch && pip install --no-deps pythae && python -m benchmarks.pythae_parity
"""

import functools
import types

import jax.numpy as jnp
import numpy as np
import torch
from pythae.models.beta_tc_vae.beta_tc_vae_model import BetaTCVAE
from pythae.models.factor_vae.factor_vae_model import FactorVAE

from cvae_jax.objectives.decomposition import decompose, log_stratified_weights
from cvae_jax.objectives.density_ratio import classification_loss

BATCH, LATENTS, DATASET_SIZE = 64, 10, 50_000
TERMS = ("mi", "tc", "dwkl")


def codes():
    """Returns posterior means, log variances and samples, float32 [BATCH, LATENTS] each."""
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(BATCH, LATENTS)).astype(np.float32)
    logvar = rng.uniform(-4, -1, (BATCH, LATENTS)).astype(np.float32)
    z = mean + np.exp(logvar / 2) * rng.normal(size=mean.shape).astype(np.float32)
    return z, mean, logvar


def pythae_terms(z, mean, logvar, stratified, weights=None):
    """Computes the three terms by pythae, one by one."""
    model = types.SimpleNamespace(
        use_mss=stratified, model_config=types.SimpleNamespace(reconstruction_loss="mse")
    )
    density = BetaTCVAE._compute_log_gauss_density
    model._compute_log_gauss_density = lambda *args: density(model, *args)
    own = functools.partial(BetaTCVAE._log_importance_weight_matrix, model)
    model._log_importance_weight_matrix = weights or own
    nothing = torch.zeros(BATCH, 1)
    arrays = [torch.tensor(x) for x in (mean, logvar, z)]
    values = []
    for term in TERMS:
        model.alpha, model.beta, model.gamma = (float(term == t) for t in TERMS)
        found = BetaTCVAE.loss_function(model, nothing, nothing, *arrays, DATASET_SIZE)[2]
        values.append(float(found))
    return np.array(values)


def right_weights(batch, size):
    """Returns the stratified weights of the paper, for pythae."""
    return torch.tensor(np.asarray(log_stratified_weights(jnp.arange(batch), batch, size)))


def factor_losses(z, mean, logvar):
    """Returns (KL by the critic, its loss) of pythae's FactorVAE and ours, for a fixed critic."""
    w = np.random.default_rng(1).normal(size=LATENTS).astype(np.float32)
    permuted = np.stack([np.roll(column, i) for i, column in enumerate(z.T)], axis=1)
    model = types.SimpleNamespace(
        gamma=1.0,
        model_config=types.SimpleNamespace(reconstruction_loss="mse"),
        # two logits, of which one is 0, are one logit
        discriminator=lambda v: torch.stack([v @ torch.tensor(w), torch.zeros(len(v))], dim=1),
    )
    nothing = torch.zeros(BATCH, 1)
    arrays = [torch.tensor(x) for x in (mean, logvar, z, permuted)]
    recon, model_loss, critic = FactorVAE.loss_function(model, nothing, nothing, *arrays)
    kl = -0.5 * np.mean(np.sum(1 + logvar - mean**2 - np.exp(logvar), axis=1))
    theirs = float(model_loss) - float(recon) - kl, float(critic)
    ours = np.mean(z @ w), classification_loss(jnp.asarray(z @ w), jnp.asarray(permuted @ w))[0]
    return np.array(theirs), np.array(ours)


def main():
    """Prints the terms of both, in nats."""
    arrays = codes()
    rows = [("beta-TCVAE, " + n, *pair) for n, pair in _beta_tcvae(arrays)]
    rows.append(("FactorVAE: KL, critic's loss", *factor_losses(*arrays)))
    for name, theirs, ours in rows:
        values = "  ".join(f"{a:.4f} {b:.4f}" for a, b in zip(theirs, ours, strict=True))
        print(f"{name:<58}{values}   difference {np.max(np.abs(theirs - ours)):.1e}")


def _beta_tcvae(arrays):
    ours = {
        e: np.array(decompose(*arrays, DATASET_SIZE, None, e)) for e in ("weighted", "stratified")
    }
    yield "weighted: mi, tc, dwkl (pythae, ours)", (pythae_terms(*arrays, False), ours["weighted"])
    yield "stratified", (pythae_terms(*arrays, True), ours["stratified"])
    fixed = pythae_terms(*arrays, True, right_weights)
    yield "stratified, our weights in pythae", (fixed, ours["stratified"])


if __name__ == "__main__":
    main()
