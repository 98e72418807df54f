"""What the methods are called and where they come from, by config.objective.name."""

NAMES = {
    "vae": "VAE",
    "beta_vae": "beta-VAE",
    "annealed_vae": "annealed VAE",
    "factor_vae": "FactorVAE",
    "beta_tcvae": "beta-TCVAE",
    "infogan": "InfoGAN",
}
PAPERS = {
    "vae": "Kingma & Welling 2014",
    "beta_vae": "Higgins et al. 2017",
    "annealed_vae": "Burgess et al. 2018",
    "factor_vae": "Kim & Mnih 2018",
    "beta_tcvae": "Chen et al. 2018",
    "infogan": "Chen et al. 2016",
}


def title(config) -> str:
    """Returns what a config's method is called, with its cascade."""
    name = NAMES[config.objective.name]
    if not config.cascade.weight:
        return name
    return f"{name} with the cascade, structure {config.cascade.structure or 'independent'}"
