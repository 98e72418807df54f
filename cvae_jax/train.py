"""The loop: build, restore, step, watch, log, save, evaluate."""

import contextlib
import datetime
import logging
import math
import signal
import time

import jax
import numpy as np
from tqdm import tqdm

from cvae_jax import build, checkpoints, checks, evaluate, loading, parallel
from cvae_jax.command_line import Stopped
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.step import create_train_state, train_step
from cvae_jax.workdir import open_workdir, write_json
from cvae_jax.writers import MetricsWriter

log = logging.getLogger(__name__)

# A classifier that knows nothing has a loss of log 2; one worse than that by a tenth of a nat has
# been outrun by the model, and its logits are no log density ratio any more.
_LOST = math.log(2) + 0.1

_BAR = {"dynamic_ncols": True, "smoothing": 0.05, "mininterval": 0.5}
_TELL_EVERY = 20  # seconds between lines of progress where there is no terminal for a bar


@contextlib.contextmanager
def stop_requests():
    """Collect SIGINT and SIGTERM in the list yielded; a second signal of a kind acts at once."""
    requests, before = [], {}

    def note(number, frame):
        del frame
        requests.append(number)
        signal.signal(number, before[number])

    # Handlers belong to the main thread; in another (a notebook's worker) signals act as they did.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summarise(first_step: int, window: list[dict]) -> dict:
    """Means over a window of steps' metrics.

    Raises:
      UserError: a value is not finite; the message names the step and the terms.
    """
    window = jax.device_get(window)
    for step, metrics in enumerate(window, first_step):
        bad = [name for name, value in metrics.items() if not np.all(np.isfinite(value))]
        if bad:
            raise UserError(
                f"step {step}: not finite: {', '.join(bad)}; the last checkpoint is kept. Start "
                "another --workdir with a lower learning rate or weight, and with "
                "--config.init_from to go on from these weights"
            )
    return {name: np.mean([m[name] for m in window], axis=0) for name in window[0]}


def lost_critics(metrics: dict) -> list[str]:
    """Sentences about critics that do worse than guessing, after which their KL means nothing."""
    return [
        f"critic {name!r} has lost: its loss is {metrics[key]:.2f} nats, guessing has 0.69, and "
        f"its KL estimate of {metrics[name + '_kl']:.1f} nats means nothing; lower {name}.weight "
        f"or raise optim.{name}.learning_rate"
        for key in metrics
        if (name := key.removesuffix("_critic_loss")) != key
        and f"{name}_kl" in metrics  # InfoGAN's discriminator estimates none
        and metrics[key] > _LOST
    ]


def train_and_evaluate(config, workdir):
    """Train as the config says, resuming from workdir's last checkpoint; evaluate and draw.

    Args:
      config: a ConfigDict, see configs/.
      workdir: the run's folder.

    Returns:
      The final TrainState, replicated over the local devices.

    Raises:
      UserError: the config, data, folder or checkpoint can't be used, or a loss is not finite.
      Stopped: SIGINT or SIGTERM; the state is saved.
    """
    devices = jax.local_devices()
    checks.check(config, len(devices))
    with (
        open_workdir(workdir, config) as workdir,
        checkpoints.open_checkpoints(workdir) as manager,
    ):
        dataset = pipeline.load(config.data.name, config.data.size, config.data.dir)
        info = build.DataInfo(dataset.size, dataset.channels, len(dataset.factors))
        write_json(workdir / "data.json", info._asdict())
        objective = build.objective(config, info)
        optimizers = build.optimizers(config)
        example = dataset.images(np.arange(config.batch_size))
        # jitted: initialisation op by op compiles a hundred small programs
        create = jax.jit(lambda rng: create_train_state(rng, objective, optimizers, example))
        state = create(jax.random.key(config.seed))
        if config.init_from:
            state = state._replace(params=loading.params_like(config.init_from, state.params))
        state = parallel.replicate(state, devices)
        state = checkpoints.restore(manager, state) or state
        if int(state.step):
            log.info("resumed from the checkpoint of step %d in %s", int(state.step), workdir)
        state = _train(config, workdir, manager, state, dataset, objective, optimizers)
        evaluate.evaluate_run(config, workdir, int(state.step), objective, state.params, dataset)
    return state


def _train(config, workdir, manager, state, dataset, objective, optimizers):
    """From the state's step to config.num_steps; returns the final state, saved."""
    devices = jax.local_devices()
    step_fn = parallel.pmap_step(train_step, devices, objective=objective, optimizers=optimizers)
    start = int(state.step)
    writer = MetricsWriter(workdir, start)
    bar = tqdm(total=config.num_steps, initial=start, unit="step", disable=None, **_BAR)
    window, window_start, told, lost_before = [], time.perf_counter(), 0.0, False

    def fetch(step):
        index = pipeline.batch_indices(config.seed, step, config.batch_size, len(dataset.factors))
        return parallel.shard(dataset.images(index), devices)

    batches = pipeline.prefetch(fetch, start, config.num_steps)
    with (
        contextlib.closing(writer),
        bar,
        contextlib.closing(batches),
        stop_requests() as requests,
    ):
        for step, images in enumerate(batches, start):
            state, metrics = step_fn(state, images)
            if devices[0].platform == "cpu":
                # Queued steps on several virtual CPU devices deadlock.
                jax.block_until_ready(state)
            window.append(metrics)
            bar.update()
            done = step + 1
            last = done == config.num_steps
            save = last or bool(requests) or done % config.checkpoint_every == 0
            if save or done % config.log_every == 0:
                # Before a save: what is not finite must not become the last checkpoint.
                means = summarise(done - len(window) + 1, window)
                now = time.perf_counter()
                means["steps_per_second"] = len(window) / (now - window_start)
                writer.write(done, means)
                bar.set_postfix_str(_terms(means), refresh=False)
                if bar.disable and (last or now - told > _TELL_EVERY):
                    log.info("%s", _progress(done, config.num_steps, means))
                    told = now
                lost = lost_critics(means)
                for sentence in lost if not lost_before else ():
                    log.warning("step %d: %s", done, sentence)
                lost_before = bool(lost)
                window, window_start = [], now
            if save:
                checkpoints.save(manager, state)
            if requests:
                raise Stopped(requests[0])
            if config.eval.every and done % config.eval.every == 0 and not last:
                evaluate.evaluate_run(config, workdir, done, objective, state.params, dataset)
                window_start = time.perf_counter()
    return state


def _terms(means):
    """The terms to watch, as "recon 20.71, kl 19.97, ..."."""
    names = [
        n for n in means if n in ("recon", "kl", "mi") or n.endswith(("_kl", "_critic_accuracy"))
    ]
    return ", ".join(f"{name} {means[name]:.4g}" for name in names)


def _progress(done, num_steps, means):
    """A line of progress for where no bar can be drawn: a file, a scheduler's log."""
    rate = means["steps_per_second"]
    left = datetime.timedelta(seconds=round((num_steps - done) / rate))
    return f"step {done:,} of {num_steps:,}, {rate:.1f} a second, {left} left: {_terms(means)}"
