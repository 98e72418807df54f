"""The evaluation of a run: scored, written into its folder, drawn."""

import logging
import shlex
import time

from cvae_jax import files
from cvae_jax.cli import RESULTS
from cvae_jax.devices import processes
from cvae_jax.errors import UserError
from cvae_jax.evaluation import pictures, results
from cvae_jax.evaluation.scoring import score, score_held_out, subject_of
from cvae_jax.evaluation.structure import structure_entries, structure_scores
from cvae_jax.runs import data_record

log = logging.getLogger(__name__)
shown = logging.getLogger(RESULTS)


def evaluate_run(model, workdir, dataset, names=None, options=None) -> dict:
    """Scores a model, writes results.json, draws the plots and logs the table.

    Of several processes all encode and the first does the rest; the others return {}.

    Args:
      model: see `runs.model.Model`.
      workdir: the folder of its run.
      dataset: what it was trained on; what was held out of it is scored beside it.
      names: of `metrics.groups.METRICS`; these alone are computed. None: config.eval.metrics, the
        structure's scores and the plots. What else results.json holds of the same step and
        data stays.
      options: a `subject.Options`; None: its defaults.

    Returns:
      The content of results.json.

    Raises:
      UserError: the images have not the model's channels; results.json holds scores of other data,
        and names are given; none of the names could be scored; or the folder can't be written.
    """
    start = time.perf_counter()
    data_record.require_channels(workdir, model, dataset)
    facts = results.facts(model, workdir, dataset)
    if changed := facts["data"].get("changed"):
        log.warning("the data differ from those %s was trained on: %s", workdir, changed)
    results.kept(workdir, facts, names)  # or refused, before the work
    with processes.together():
        if processes.first():
            files.require_writable(workdir / "results.json")
    log.info("encoding %s images", f"{dataset.num_images:,}")
    subject = subject_of(model, dataset, options)
    held_out = dataset.held_out and subject_of(model, dataset.held_out, options)
    if not processes.first():
        return {}
    entries = score(subject, names) | (score_held_out(held_out, names) if held_out else {})

    def write(**more):
        content = facts | {"scores": entries} | more
        return results.write(workdir, content, names, time.perf_counter() - start)

    if names is not None:
        if not entries:
            raise UserError("nothing was scored: see above why each metric was left out")
        shown.info("%s", results.table(facts | {"scores": entries}))
        return write()
    write()  # what comes next may need more memory, or a disk for its plots
    structure = structure_scores(subject)
    entries |= structure_entries(subject, structure)
    shown.info("%s", results.table(facts | {"scores": entries}))
    write(structure=structure)
    return write(structure=structure, pictures=_draw(subject, workdir, structure))


def _draw(subject, workdir, structure) -> list[str]:
    """Draws the plots; returns their paths in the run's folder."""
    try:
        paths = pictures.draw_all(subject, workdir, structure)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"can't write plots to {workdir}/plots: {reason}; fix it and evaluate again"
        ) from None
    log.info("plots: %s", "  ".join(str(path) for path in paths))
    log.info("a page with sliders: %s", shlex.join(["cvae", "report", str(workdir)]))
    return [str(path.relative_to(workdir)) for path in paths]
