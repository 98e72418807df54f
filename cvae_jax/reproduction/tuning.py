"""The settings tried for each method before its seeds were run: six each, five for our variant.

They take half the steps of the scale, on a seed that no table shows. configs/paper.py holds the
best by MIG.
"""

import itertools

from cvae_jax.reproduction import paper
from cvae_jax.reproduction.runs import Run

SEED = 100
DATA = "dsprites"
SCORES = ("mig", "mig_chen", "factor_score", "recon")

_BETAS = [{"objective.beta_tcvae.beta": b} for b in (2.0, 3.0, 4.0, 6.0, 8.0, 10.0)]

# method -> settings, each the fields that it changes
SETTINGS = {
    "beta_vae": [{"objective.beta_vae.beta": b} for b in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)],
    "beta_tcvae": _BETAS,
    "beta_tcvae_weighted": _BETAS,
    "factor_vae": [{"objective.factor_vae.weight": w} for w in (3.0, 5.0, 10.0, 20.0, 35.0, 60.0)],
    "infogan": [
        {"objective.infogan.continuous_weight": w} for w in (0.03, 0.1, 0.2, 0.3, 0.5, 1.0)
    ],
    paper.OURS: [
        *({"cascade.weight": w} for w in (1.0, 3.0, 6.0, 12.0, 25.0)),
        {"cascade.weight": 6.0, "cascade.critic_input": "joint"},
    ],
    paper.OURS_SAMPLED: [
        {"cascade.weight": w, "cascade.critic_input": seen}
        for seen in ("z_hat", "joint")
        for w in (10.0, 20.0, 40.0, 60.0, 80.0)
    ],
    paper.OURS_POSTERIOR: [{"cascade.weight": w} for w in (6.0, 12.0, 25.0, 50.0, 100.0)],
}
_SLOW = ("infogan",)


def planned() -> list[Run]:
    """Returns all runs, the methods taking turns; InfoGAN, whose steps are slowest, comes last."""
    runs = [
        Run("tuning", DATA, method, SEED, (*setting.items(),))
        for settings in itertools.zip_longest(*SETTINGS.values())
        for method, setting in zip(SETTINGS, settings, strict=True)
        if setting
    ]
    return sorted(runs, key=lambda run: run.method in _SLOW)
