"""What the report shows, in its order; the words of scores are in `metrics.scores`."""

# Heading -> the scores under it.
GROUPS = {
    "Does each factor have a latent of its own?": (
        "mig",
        "mig_chen",
        "factor_score",
        "beta_vae_score",
        "sap",
        "modularity",
        "explicitness",
        "irs",
        "dci_disentanglement",
        "dci_completeness",
        "dci_informativeness",
    ),
    "Are the images right?": (
        "iou",
        "squared_error",
        "recon",
        "elbo",
        "test_elbo",
        "test_log_likelihood",
        "fid_classifier",
        "fid",
    ),
    "How are the latents used?": (
        "kl",
        "active_dimensions",
        "aggregate_mi",
        "aggregate_tc",
        "codes_mutual_information",
    ),
    "What did the structure do?": (
        "cascade_kl",
        "ancestor_share",
        "forbidden_dependence",
        "forbidden_dependence_of_data",
        "composition",
        "hierarchy",
    ),
}

# Plot -> (heading, caption), in their order.
PICTURES = {
    "reconstructions": (
        "Reconstructions",
        "Images of the data set, and under each its reconstruction: encoded and decoded.",
    ),
    "samples": ("Samples", "Images decoded from prior latents, z ~ p(z)."),
    "traversals": (
        "Traversals",
        "One latent at a time is moved, the others stay those of a typical image. A good latent "
        "changes one thing.",
    ),
    "hierarchy": (
        "The hierarchy",
        "The structure's latents, each with the images that it makes as it is moved, high-order "
        "latents above what they are made of. Edges are as thick as what their two ends share "
        "given the child's other parents, in nats. Under it: how far each latent moves each factor "
        "of the image.",
    ),
    "effects": (
        "The structure and its effects",
        "The Bayesian network over the latents, and how far each re-encoded latent (column) moves "
        "when one latent (row) is redrawn. Outlined: where the structure has a path.",
    ),
    "curves": ("Training", "The terms of the loss and the critics, over the steps."),
}
