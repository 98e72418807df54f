"""What the metrics of a training run say: means, bad numbers, a critic that has lost, progress."""

import datetime
import math

import numpy as np

from cvae_jax.config import methods
from cvae_jax.errors import UserError

# A classifier that knows nothing has a loss of log 2; one worse than that by a tenth of a nat has
# been outrun by the model, and its logits are no log density ratio any more.
_LOST = math.log(2) + 0.1


def refuse_not_finite(step: int, values: dict) -> None:
    """Raise UserError that names the step and which of the values are not finite."""
    bad = [name for name, value in values.items() if not np.all(np.isfinite(value))]
    if bad:
        raise UserError(
            f"step {step}: not finite: {', '.join(bad)}; the last checkpoint, if there is one, "
            "is kept. Start another --workdir with a lower learning rate or weight, and with "
            "--config.init_from to go on from its weights"
        )


def summarise(last_step: int, window: dict) -> dict:
    """Means over a window of steps' metrics, each [steps, ...].

    Raises:
      UserError: a value is not finite; the message names the step and the terms.
    """
    sound = [np.isfinite(x).reshape(len(x), -1).all(axis=1) for x in window.values()]
    bad = np.flatnonzero(~np.all(sound, axis=0))
    if len(bad):
        step = last_step - len(sound[0]) + 1 + bad[0]
        refuse_not_finite(step, {name: x[bad[0]] for name, x in window.items()})
    return {name: np.mean(x, axis=0) for name, x in window.items()}


def lost_critics(metrics: dict) -> dict[str, str]:
    """A sentence for each critic that does worse than guessing, by its name."""
    weights, found = methods.critic_weights(), {}
    for key, loss in metrics.items():
        name = key.removesuffix("_critic_loss")
        if name == key or f"{name}_kl" not in metrics:  # InfoGAN's discriminator estimates no KL
            continue
        if loss > _LOST:
            found[name] = (
                f"critic {name!r} has lost: its loss is {loss:.2f} nats, guessing has 0.69, and "
                f"its KL estimate of {metrics[f'{name}_kl']:.1f} nats means nothing; lower "
                f"{weights[name]} or raise optim.{name}.learning_rate"
            )
    return found


def terms(means):
    """The terms to watch, as "recon 20.71, kl 19.97, ..."."""
    names = [
        n for n in means if n in ("recon", "kl", "mi") or n.endswith(("_kl", "_critic_accuracy"))
    ]
    return ", ".join(f"{name} {means[name]:.4g}" for name in names)


def progress(done, num_steps, means):
    """A line of progress for where no bar can be drawn: a file, a scheduler's log."""
    rate = means["steps_per_second"]
    left = datetime.timedelta(seconds=round((num_steps - done) / rate))
    return f"step {done:,} of {num_steps:,}, {rate:.1f} a second, {left} left: {terms(means)}"
