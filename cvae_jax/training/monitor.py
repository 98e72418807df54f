"""What a training run reports: its start, means, bad numbers, a diverged critic, progress."""

import datetime
import math
import time

import numpy as np

from cvae_jax.config import methods
from cvae_jax.datasets import filters
from cvae_jax.errors import UserError
from cvae_jax.runs.weights import numbers

# A classifier that knows nothing has a loss of log 2; one worse than that by a tenth of a nat has
# been outrun by the model, and its logits are no log density ratio any more.
_DIVERGED = math.log(2) + 0.1

# 80 columns hold the longest: 300,000 steps, hours left, and the two terms that stand first.
_LAYOUT = "{percentage:3.0f}%|{bar}| {n:,}/{total:,} {remaining} left, {rate_noinv_fmt}{postfix}"
BAR = {
    "unit": "step",
    "bar_format": _LAYOUT,
    "dynamic_ncols": True,
    "smoothing": 0.05,
    "mininterval": 0.5,
}


class Clock:
    """Times a run's steps. The first call, which compiles, is in no speed and no time left."""

    def __init__(self, bar):
        self.bar = bar  # a tqdm bar on which nothing has been counted
        self.began = None  # the end of the first call
        self.steps = 0  # since then

    def count(self, steps: int) -> None:
        """Counts the steps of a call that has just ended."""
        if self.began is None:
            self.began = time.perf_counter()
            if not self.bar.disable:  # else it has nothing of this
                self.bar.initial = self.bar.n = self.bar.last_print_n = self.bar.initial + steps
                self.bar.unpause()
        else:
            self.steps += steps
            self.bar.update(steps)

    def speed(self) -> float | None:
        """Returns steps per second since the first call; None: there was no other."""
        return self.steps / (time.perf_counter() - self.began) if self.steps else None


def start_up(config, title, dataset, params, devices, workdir) -> str:
    """Returns what a run is, in four lines.

    Args:
      config: of the run.
      title: of its method.
      dataset: see `datasets.Dataset`.
      params: `Players`, of one seed.
      devices: of all processes.
      workdir: the run's folder.
    """
    critics = f", {numbers(params.critic)} of critics" if params.critic else ""
    seeds = f", {config.num_seeds} seeds at once" if config.num_seeds > 1 else ""
    channels = "grey" if dataset.channels == 1 else f"{dataset.channels} channels"
    said = [f"{dataset.size}x{dataset.size}", channels, *filters.words(config.data)]
    return "\n".join(
        (
            f"method   {title}: {numbers(params.model)} parameters{critics}",
            f"data     {dataset.name}, {dataset.num_images:,} images of {', '.join(said)}",
            f"devices  {len(devices)} x {devices[0].device_kind}: batch {config.batch_size}, "
            f"{config.num_steps:,} steps{seeds}",
            f"folder   {workdir}",
        )
    )


def refuse_not_finite(step: int, values: dict) -> None:
    """Raises UserError that names the step and which of the values are not finite."""
    bad = [name for name, value in values.items() if not np.all(np.isfinite(value))]
    if bad:
        raise UserError(
            f"step {step:,}: not finite: {', '.join(bad)}; the last checkpoint, if there is one, "
            "is kept. Start another --workdir with a lower learning rate or weight, and with "
            "--config.init_from to start from its weights"
        )


def cut_short(config) -> list[str]:
    """Returns a sentence on each schedule in use that is longer than the run."""
    method, own = methods.method_of(config), config.objective.name
    steps = {}
    if method.warms_up:
        steps["objective.warmup_steps"] = config.objective.warmup_steps
    if method.likelihood:
        steps["objective.kl_falls_steps"] = config.objective.kl_falls_steps
    if config.cascade.weight:
        steps["cascade.warmup_steps"] = config.cascade.warmup_steps
    for field, value in methods.fields_of(config).items():
        if field.endswith("_steps"):
            steps[f"objective.{own}.{field}"] = value
    return [
        f"config.{name} is {value:,}, and the run has {config.num_steps:,} steps: it ends before "
        "that schedule does"
        for name, value in steps.items()
        if value > config.num_steps
    ]


def summarise(last_step: int, window: dict) -> dict:
    """Returns means over a window of steps' metrics, each [steps, ...].

    Raises:
      UserError: a value is not finite; the message names the step and the terms.
    """
    sound = [np.isfinite(x).reshape(len(x), -1).all(axis=1) for x in window.values()]
    bad = np.flatnonzero(~np.all(sound, axis=0))
    if len(bad):
        step = last_step - len(sound[0]) + 1 + bad[0]
        refuse_not_finite(step, {name: x[bad[0]] for name, x in window.items()})
    return {name: np.mean(x, axis=0) for name, x in window.items()}


def diverged_critics(metrics: dict) -> dict[str, str]:
    """Returns a sentence for each critic that does worse than guessing, by its name."""
    weights, found = methods.critic_weights(), {}
    for key, loss in metrics.items():
        name = key.removesuffix("_critic_loss")
        if name == key or f"{name}_kl" not in metrics:  # InfoGAN's discriminator estimates no KL
            continue
        if loss > _DIVERGED:
            remedy = "lower its weight or raise its learning rate"  # of an objective of one's own
            if weights.get(name):
                remedy = f"lower {weights[name]} or raise optim.{name}.learning_rate"
            found[name] = (
                f"critic {name!r} has diverged: its loss is {loss:.2f} nats, guessing has 0.69, "
                f"and its KL estimate of {metrics[f'{name}_kl']:.1f} nats means nothing; {remedy}"
            )
    return found


def terms_to_watch(means: dict) -> str:
    """Returns some terms, those of the model first, as "recon 20.71, kl 19.97, ..."."""
    numbers = [name for name, value in means.items() if np.ndim(value) == 0]
    first = [name for name in ("recon", "kl", "mi") if name in numbers]
    more = [name for name in numbers if name.endswith(("_kl", "_critic_accuracy"))]
    return ", ".join(f"{name} {means[name]:.4g}" for name in [*first, *more])


def progress(done: int, num_steps: int, speed: float | None, means: dict) -> str:
    """Returns a line of progress for where no bar can be drawn: a file, a scheduler's log.

    Args:
      done: steps.
      num_steps: of the run.
      speed: steps per second; None: not known yet.
      means: of the metrics.
    """
    when = ""
    if speed:
        left = datetime.timedelta(seconds=round((num_steps - done) / speed))
        when = f", {speed:.1f} per second, {left} left"
    return f"step {done:,} of {num_steps:,}{when}: {terms_to_watch(means)}"
