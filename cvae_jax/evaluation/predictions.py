"""Scores of what classifiers read from latents, on request: each Subject -> {score: entry}."""

from cvae_jax import metrics
from cvae_jax.evaluation.subject import entry


def _downstream_entries(subject, predictor):
    """Accuracies by the number of labels that the data have, and the efficiency."""
    found = metrics.downstream(
        subject.mean, subject.dataset.factors, predictor=predictor, seed=subject.seed
    )
    detail, scores = f", {found.scored:,} images to score on", {}
    for labels, accuracy in found.accuracy.items():
        name = f"downstream_{predictor}_{labels}"
        scores |= entry(name, accuracy, labels, subject.seed, detail=detail)
    name = f"efficiency_{predictor}"
    return scores | entry(name, found.efficiency, labels, subject.seed, detail=detail)


def downstream_logistic_entries(subject):
    """By logistic regression; fitted fifty times for each factor and number of labels."""
    return _downstream_entries(subject, "logistic")


def downstream_trees_entries(subject):
    """By boosted trees."""
    return _downstream_entries(subject, "trees")


def strong_entries(subject):
    """Accuracy on values not fitted on, and what is lost."""
    found = metrics.strong_generalisation(subject.mean, subject.dataset.factors, seed=subject.seed)
    detail = f", {found.usual:.3f} on values fitted on"
    scores = entry("strong_accuracy", found.accuracy, found.labels, subject.seed, detail=detail)
    return scores | entry("strong_gap", found.gap, found.labels, subject.seed, detail=detail)


def unfairness_entries(subject):
    """Mean and largest distance, and the accuracy they must be read beside."""
    found = metrics.unfairness(subject.mean, subject.dataset.factors, seed=subject.seed)
    values = {"mean": found.mean, "max": found.largest, "accuracy": found.accuracy}
    scores = {}
    for name, value in values.items():
        scores |= entry(f"unfairness_{name}", value, found.labels, subject.seed)
    return scores
