"""Scoring: a model and its data in, entries of results.json out. No files are written."""

import jax

from cvae_jax.devices import batches
from cvae_jax.evaluation import faults, registry
from cvae_jax.evaluation.subject import Options, Subject
from cvae_jax.metrics import groups
from cvae_jax.metrics.scores import HELD_OUT, of_definition

# Of the test split, and of the model's images against the data's.
_OF_WHOLE_SETS = ("held_out", "classifier", "inception")


def subject_of(model, dataset, options=None) -> Subject:
    """Encodes every image of a data set, whose factors without a score are left out.

    Of several processes each encodes its share.

    Args:
      model: see `runs.model.Model`.
      dataset: see `datasets.Dataset`.
      options: an `Options`; None: its defaults.
    """
    mean, logvar = batches.encode_all(model.objective, model.params, dataset, jax.local_devices())
    scorable = faults.scorable_factors(dataset, model.config.seed)
    return Subject(model, scorable, mean, logvar, options or Options())


def score(subject: Subject, names=None) -> dict:
    """Returns the scores named, {score: entry}; the structure's are `structure.structure_scores`.

    Args:
      subject: what is scored.
      names: of `metrics.groups.METRICS`; None: config.eval.metrics.
    """
    faults.warn_of_latents(subject)
    names = groups.named(subject.config.eval.metrics) if names is None else names
    return registry.make(subject, names)


def score_held_out(subject: Subject, names=None) -> dict:
    """Returns scores of the images that training did not see, as entries NAME_held_out.

    Args:
      subject: the held-out part, see `datasets.filters`.
      names: as for `score`; those that a part of a set can't have are left out.
    """
    names = groups.named(subject.config.eval.metrics) if names is None else names
    entries = registry.make(subject, [name for name in names if name not in _OF_WHOLE_SETS])
    return {
        name + HELD_OUT: content | {"definition": _of_held_out(content["definition"])}
        for name, content in entries.items()
    }


def _of_held_out(definition: str) -> str:
    """The words of a score, some of which say that it is of the images of training."""
    words, of_draws = of_definition(definition.replace("training images", "images"))
    return f"{words}, of the images that were held out of training{of_draws}"
