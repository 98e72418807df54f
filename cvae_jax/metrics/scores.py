"""Every score by its key in results.json: name, range, direction, sentence, definition.

The registry, the report, the tables and docs/metrics.md read it here.
"""

import re
from typing import NamedTuple

from cvae_jax.metrics.downstream import SIZES
from cvae_jax.metrics.predictors import PREDICTORS


class Score(NamedTuple):
    """What readers must know of a score."""

    label: str  # its name
    range: str  # "0 to 1", "0 up", with the unit where it has one
    better: str  # "higher" or "lower"; "": neither
    sentence: str  # what it says
    definition: str  # how it is computed; results.json adds the settings of the run
    counts: str = "images"  # what its `samples` are


def _downstream(words, labels):
    """The accuracy of a classifier fitted on so many labels."""
    return Score(f"Accuracy of {labels:,} labels, {words}", "0 to 1", "higher",
        f"How often {words}, fitted on {labels:,} labelled images, can name a factor's value from "
        "all latents.",
        f"downstream task, disentanglement_lib: {words}, mean over factors", "labels")  # fmt: skip


def _efficiency(words):
    """The accuracy of few labels as a share of that of many."""
    return Score(f"Sample efficiency, {words}", "0 up", "higher",
        "The accuracy of 100 labels as a share of that of 10,000. Latents that know little have it "
        "easy: read it beside the accuracy.",
        f"accuracy of 100 labels / of 10,000, disentanglement_lib: {words}",
        "labels")  # fmt: skip


SCORES = {
    "mig": Score("MIG", "0 to 1", "higher",
        "The lead of the latent that knows most about a factor over the runner-up, as a share of "
        "the factor's entropy; 1 is one latent per factor.",
        "MIG, disentanglement_lib: means, 20 bins"),
    "mig_chen": Score("MIG (Chen et al.)", "about 0 to 1", "higher",
        "The same lead, measured on the encoder's whole distribution instead of its means. The two "
        "numbers do not compare.",
        "MIG, Chen et al. 2018: q(z|x) itself", "draws"),
    "factor_score": Score("FactorVAE score", "0 to 1", "higher",
        "Among images that share one of k factors, how often the latent that varies least names "
        "that factor; guessing gets 1/k.",
        "FactorVAE score, disentanglement_lib: 10,000 votes to fit, 5,000 to score"),
    "beta_vae_score": Score("beta-VAE score", "0 to 1", "higher",
        "How often a linear classifier names the shared one of k factors from the differences of "
        "latents. High values are easy to get; guessing gets 1/k.",
        "beta-VAE score, disentanglement_lib: 10,000 points to fit, 5,000 to score"),
    "sap": Score("SAP", "0 to 1", "higher",
        "How much better the best single latent predicts a factor than the runner-up. Good latents "
        "of factors with many values score low, too.",
        "SAP, disentanglement_lib: linear machine on one latent"),
    "modularity": Score("Modularity", "0 to 1", "higher",
        "Whether each latent knows about one factor only.",
        "modularity, disentanglement_lib: 20 bins"),
    "explicitness": Score("Explicitness", "0 to 1", "higher",
        "Whether a linear classifier can read the factors from all latents together; 0.5 is "
        "guessing.",
        "explicitness, area under the curve"),
    "irs": Score("Interventional robustness", "up to 1", "higher",
        "Whether a latent stays where it is when factors other than its own change.",
        "interventional robustness, disentanglement_lib: 0.99 quantile, factors in 20 bins"),
    "dci_disentanglement": Score("DCI disentanglement", "0 to 1", "higher",
        "Whether each latent serves to predict one factor only.",
        "DCI, disentanglement_lib: boosted trees, 10,000 to fit, 5,000 to score"),
    "dci_completeness": Score("DCI completeness", "0 to 1", "higher",
        "Whether each factor is predicted from one latent only.",
        "DCI, disentanglement_lib: boosted trees, 10,000 to fit, 5,000 to score"),
    "dci_informativeness": Score("DCI informativeness", "0 to 1", "higher",
        "How well all latents together predict the factors.",
        "DCI, disentanglement_lib: boosted trees, 10,000 to fit, 5,000 to score"),
    "infom": Score("InfoM", "0 to 1", "higher",
        "Whether each latent knows about one factor only, by information that does not depend on "
        "bins. What no latent knows is not missed.",
        "InfoM, Hsu et al. 2023: information by ten nearest neighbours, active latents"),
    "infoe": Score("InfoE", "up to 1", "higher",
        "How much of the factors a linear model reads from all latents together.",
        "InfoE, Hsu et al. 2023: logistic regression without a penalty, scored on its own rows"),
    "infoc": Score("InfoC", "0 to 1", "higher",
        "Whether each factor is known by one latent only.",
        "InfoC, Hsu et al. 2023: information by ten nearest neighbours, active latents"),
    "runner_up_information": Score("Information of the runner-up", "0 to 1", "",
        "What the second latent of a factor adds to the first. A low MIG by copies has 0 here, one "
        "by latents that share the factor has more.",
        "I(second latent; factor given first latent) / H(factor), means, 20 bins, less its bias"),
    **{
        f"downstream_{kind}_{labels}": _downstream(words, labels)
        for kind, words in PREDICTORS.items()
        for labels in SIZES
    },
    **{f"efficiency_{kind}": _efficiency(words) for kind, words in PREDICTORS.items()},
    "strong_accuracy": Score("Strong generalisation", "0 to 1", "higher",
        "How often boosted trees predict a factor where another factor has values that they were "
        "not fitted on.",
        "strong downstream task, disentanglement_lib: boosted trees, 1,000 labels, 10 experiments "
        "for each factor", "labels"),
    "strong_gap": Score("Strong generalisation gap", "up to 1", "lower",
        "The share of the accuracy that is lost on such values. Latents that know little have "
        "little to lose.",
        "1 - accuracy on values not fitted on / on others, disentanglement_lib: boosted trees, "
        "1,000 labels", "labels"),
    "unfairness_mean": Score("Unfairness, mean", "0 to 1", "lower",
        "How far the prediction of a factor moves when another one alone changes. Latents that "
        "know little are fairer: compare at equal accuracy.",
        "unfairness, disentanglement_lib: boosted trees, total variation, mean over values and "
        "pairs of factors", "labels"),
    "unfairness_max": Score("Unfairness, largest", "0 to 1", "lower",
        "The same of the worst pair of factors at its worst value.",
        "unfairness, disentanglement_lib: boosted trees, total variation, largest of all",
        "labels"),
    "unfairness_accuracy": Score("Accuracy of the predictions", "0 to 1", "higher",
        "How often the predictions whose unfairness is measured are right.",
        "accuracy of boosted trees on rows not fitted on, mean over factors", "labels"),
    "codes_total_correlation": Score("Gaussian total correlation", "0 up, nats", "lower",
        "Linear dependence between the latents; 0 is uncorrelated.",
        "nats, of a Gaussian with the latents' covariance"),
    "codes_wasserstein_correlation": Score("Wasserstein correlation", "0 up", "lower",
        "Linear dependence between the latents, in their own units squared.",
        "of the same Gaussian, in the latents' units squared"),
    "codes_wasserstein_normalised": Score("Wasserstein correlation, normalised", "0 up", "lower",
        "The same as a share of the latents' variance.",
        "the same as a share of the latents' variance"),
    "codes_mutual_information": Score("Mutual information of pairs", "0 up, nats", "lower",
        "What two latents share on average; 0 is independent.",
        "nats, mean over pairs of latents, 20 bins"),
    "aggregate_mi": Score("I(x; z)", "0 to log N, nats", "",
        "What the latents say about which image it is.",
        "nats, I(x; z), q(z) of all images; std is the standard error", "draws"),
    "aggregate_tc": Score("Total correlation", "0 up, nats", "lower",
        "How far the latents are from independent of each other, over all images.",
        "nats, total correlation, q(z) of all images; std is the standard error", "draws"),
    "active_dimensions": Score("Active latents", "0 to d", "",
        "How many latents are in use at all.",
        "latents whose posterior mean has a variance above 0.01 (Burda et al. 2016)"),
    "squared_error": Score("Squared error", "0 to 1", "lower",
        "Mean squared error per pixel of the reconstructions.",
        "mean squared error of reconstructions per pixel, values from 0 to 1"),
    "iou": Score("Intersection over union", "0 to 1", "higher",
        "Overlap of an image with its reconstruction; 1 is every pixel right.",
        "mean intersection over union of image and reconstruction, threshold 0.5"),
    "recon": Score("Reconstruction loss", "any, nats", "lower",
        "What the reconstruction costs per image.",
        "nats per image, mean over training images"),
    "kl": Score("KL", "0 up, nats", "",
        "What the latents cost per image: no less than what they say about it.",
        "nats per image, mean over training images"),
    "elbo": Score("ELBO", "any, nats", "higher",
        "The lower bound on an image's log likelihood that a VAE maximises. Of images that are not "
        "binary the Bernoulli likelihood is a cross entropy, no normalised density.",
        "nats per image, mean over training images"),
    "mi": Score("I(x; z), as logged", "any, nats", "",
        "The information between latents and image as training logs it.",
        "nats, information between latents and image"),
    "tc": Score("Total correlation, as logged", "any, nats", "lower",
        "The total correlation of the latents as training logs it.",
        "nats per image, total correlation"),
    "dwkl": Score("Dimension-wise KL, as logged", "any, nats", "",
        "How far each latent's own distribution is from the prior, summed, as training logs it.",
        "nats per image, sum of KL(q(z_j) || p(z_j))"),
    "generator_loss": Score("Generator loss", "any", "lower",
        "How well the critic tells generated images from real ones, as the generator's loss.",
        "loss of generated images, with the noise of the end of training"),
    "factor_kl": Score("Total correlation, FactorVAE's critic", "any, nats", "lower",
        "The total correlation of the latents as FactorVAE's critic sees it.",
        "nats, the critic's estimate"),
    "cascade_kl": Score("Cascade KL", "any, nats", "lower",
        "How far the re-encoded latents are from what the structure allows, as the critic sees it; "
        "0 is no difference.",
        "nats, the critic's estimate"),
    "test_elbo": Score("ELBO, test split", "any, nats", "higher",
        "The lower bound on images that the model was not trained on. Of images that are not "
        "binary the Bernoulli likelihood is a cross entropy, no normalised density.",
        "nats per image of the test split, from logits (Bernoulli of images that are not binary: "
        "no normalised density)"),
    "test_log_likelihood": Score("Log likelihood, test split", "any, nats", "higher",
        "A tighter lower bound on the same images; no density where the ELBO is of none.",
        "log p(x), lower bound, from logits (Bernoulli of images that are not binary: no "
        "normalised density)"),
    "fid": Score("FID", "0 up", "lower",
        "How far samples are from the data as Inception sees them.",
        "Fréchet distance of Inception-v3 features, pytorch-fid's"),
    "kid": Score("KID", "about 0 up", "lower",
        "The same by a kernel; its estimate has no bias from the number of images.",
        "kernel distance of Inception-v3 features, pytorch-fid's"),
    "is": Score("Inception score", "1 up", "higher",
        "Whether samples are clearly of one class each, and of many classes together.",
        "inception score of Inception-v3 features, pytorch-fid's, 10 splits"),
    "fid_classifier": Score("FID, classifier", "0 up", "lower",
        "How far samples are from the data as a classifier of these data sees them.",
        "Fréchet distance of features of a classifier of these data"),
    "kid_classifier": Score("KID, classifier", "about 0 up", "lower",
        "The same by a kernel.",
        "kernel distance of features of a classifier of these data"),
    "is_classifier": Score("Inception score, classifier", "1 up", "higher",
        "Whether samples clearly have one value of each factor, and all values together.",
        "inception score of a classifier of these data, 10 splits"),
    "ancestor_share": Score("Ancestor share", "0 to 1", "higher",
        "When one posterior latent is redrawn and the image sampled: the share of the movement of "
        "the re-encoded latents for which the structure has a path.",
        "share of the latents' movement that comes from their ancestors when one posterior z is "
        "redrawn, x_hat sampled",
        "draws"),
    "forbidden_dependence": Score("Forbidden dependence", "about 0 up, nats", "lower",
        "Dependence between re-encoded latents that the structure forbids, from prior latents and "
        "sampled images.",
        "nats of dependence that the structure forbids, Gaussian copula, prior latents, x_hat "
        "sampled", "draws"),
    "forbidden_dependence_of_data": Score("Forbidden dependence, posterior", "about 0 up, nats",
        "lower",
        "The same from posterior latents; where the critic sees z too, with the dependence among "
        "them, and else that of z or of the re-encoded latents, the larger.",
        "nats of dependence that the structure forbids, Gaussian copula, posterior latents, "
        "x_hat sampled"),
    "composition": Score("Composition", "0 to 1", "higher",
        "How much composed latents, re-encoded from sampled images, know of what their parents "
        "know about the factors.",
        "factor information that composed nodes share with their poorest parent, x_hat sampled"),
    "hierarchy": Score("Hierarchy", "0 to 1", "higher",
        "Whether a high-order latent moves the factors of the image that its parts move, and each "
        "part less than it; 1 is parts with a factor of their own each, and a whole that moves all "
        "these.",
        "how far wholes and parts of the structure move the same factors, each part others; read "
        "from sampled x_hat when one posterior z is redrawn",
        "draws"),
}  # fmt: skip


# computed beside the metrics, of a run's own structure
OF_THE_STRUCTURE = (
    "ancestor_share",
    "forbidden_dependence",
    "forbidden_dependence_of_data",
    "composition",
    "hierarchy",
)

HELD_OUT = "_held_out"  # behind the name of a score: of images that training did not see


def known(name: str) -> Score | None:
    """Returns what is known of an entry of results.json; None: a term of one's own objective."""
    return SCORES.get(name.removesuffix(HELD_OUT))


# Their estimates depend on the number of images (Chong & Forsyth 2020, arXiv:1911.07023).
_BY_NUMBER = ("fid", "is", "fid_classifier", "is_classifier")


_TO_SEMICOLON = re.compile(r"(?:\([^()]*\)|[^;])*")  # outside brackets


def of_definition(definition: str) -> tuple[str, str]:
    """Splits a definition at its first semicolon outside brackets: what it is, and the rest.

    What follows says of how many draws or seeds a value is the mean, or what chance gives.
    """
    what = _TO_SEMICOLON.match(definition).group()
    return what, definition[len(what) :]


def form(name: str, entry: dict) -> tuple:
    """Returns what two entries of results.json must share to compare: definition, number of images.

    The definition is that of `of_definition`; the number that of FID and Inception scores alone.
    """
    number = entry["samples"] if name.removesuffix(HELD_OUT) in _BY_NUMBER else 0
    return of_definition(entry["definition"])[0], number


def counted(name: str, entry: dict) -> str:
    """Returns what an entry of results.json rests on: "2,000 draws", "120 images"."""
    score = known(name)
    unit = score.counts if score else "images"
    return f"{entry['samples']:,} {unit}"
