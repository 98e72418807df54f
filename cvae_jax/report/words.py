"""What the main scores say, in plain words."""

# Group -> score -> (one sentence, whether it lies between 0 and 1, 1 the best).
SCORES = {
    "Does each factor have a code of its own?": {
        "mig": (
            "How far the code that tells most about a factor is ahead of the next one, as a share "
            "of all there is to tell. Higher is better; 1 is one code a factor.",
            True,
        ),
        "mig_chen": (
            "The same gap measured on the encoder's whole distribution, not on its means alone; "
            "another definition, so the two numbers don't compare.",
            True,
        ),
        "factor_score": (
            "Images that share one factor: how often the code that varies least names that factor. "
            "Higher is better; guessing gets one in the number of factors.",
            True,
        ),
        "beta_vae_score": (
            "How often a linear classifier names the shared factor from how codes differ. Easy to "
            "get high.",
            True,
        ),
        "sap": (
            "How much better the best single code predicts a factor than the next one. Higher is "
            "better, though good codes of many-valued factors score low too.",
            True,
        ),
        "modularity": ("Whether each code tells of one factor only. Higher is better.", True),
        "explicitness": (
            "Whether a simple classifier can read the factors off all codes together; .5 is "
            "guessing.",
            True,
        ),
        "irs": (
            "Whether a code stays put when factors other than its own change. Higher is better.",
            True,
        ),
        "dci_disentanglement": ("Whether each code serves to predict one factor only.", True),
        "dci_completeness": ("Whether each factor is predicted by one code only.", True),
        "dci_informativeness": ("How well all codes together predict the factors.", True),
    },
    "Are the images right?": {
        "iou": (
            "Overlap of an image with its reconstruction; 1 is every pixel right.",
            True,
        ),
        "squared_error": (
            "Mean squared error of a pixel of the reconstructions. Lower is better.",
            False,
        ),
        "recon": ("Nats an image that the reconstruction costs. Lower is better.", False),
        "elbo": (
            "The bound on the log likelihood of an image that a VAE maximises. Higher is better.",
            False,
        ),
        "test_elbo": ("The same bound on images that it was not trained on.", False),
        "test_log_likelihood": ("A tighter bound on the same images.", False),
        "fid_classifier": (
            "How far samples are from the data as a classifier sees them. Lower is better.",
            False,
        ),
        "fid": (
            "How far samples are from the data as Inception sees them. Lower is better.",
            False,
        ),
    },
    "How are the codes used?": {
        "kl": ("Nats that the codes cost, no less than what they say about an image.", False),
        "active_dimensions": ("How many latents are in use at all.", False),
        "aggregate_mi": ("Nats that the codes say about which image it is.", False),
        "aggregate_tc": (
            "How far the codes are from independent of each other, in nats. Lower is better.",
            False,
        ),
        "codes_mutual_information": (
            "What two codes share on average, in nats. 0 is independent.",
            False,
        ),
    },
    "What did the structure do?": {
        "cascade_kl": (
            "How far the re-encoded codes are from what the structure allows, in nats, as the "
            "critic sees it. 0 is all the way there.",
            False,
        ),
        "cascade_critic_accuracy": (
            "How often the critic tells re-encoded codes from codes that obey the structure; .5 is "
            "that it can't.",
            False,
        ),
        "ancestor_share": (
            "When one latent is redrawn: the share of what moves in the re-encoded codes that the "
            "structure has a path for.",
            True,
        ),
        "forbidden_dependence": (
            "Dependence between re-encoded codes that the structure forbids, in nats. Lower is "
            "better.",
            False,
        ),
        "forbidden_dependence_of_data": (
            "The same where the first codes are the data's, not the prior's.",
            False,
        ),
        "composition": (
            "How much composed codes know of what their parents know of the factors.",
            True,
        ),
    },
}  # fmt: skip

# Picture -> (heading, caption), in their order.
PICTURES = {
    "reconstructions": (
        "Reconstructions",
        "Images of the data set, and under each what the model makes of it: encoded, decoded.",
    ),
    "samples": ("Samples", "Images of codes that were drawn at random, from no image."),
    "traversals": (
        "Traversals",
        "One latent a row: it alone is moved from left to right. A good row changes one thing.",
    ),
    "effects": (
        "The structure and its effects",
        "The Bayesian network over the codes, and how far each re-encoded code (column) moves when "
        "one latent (row) is redrawn. Outlined: where the structure has a path.",
    ),
    "curves": ("Training", "The terms of the loss and the critics, over the steps."),
}
