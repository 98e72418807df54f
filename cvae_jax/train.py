"""The loop: build, restore, step, watch, log, save, evaluate."""

import contextlib
import datetime
import functools
import logging
import math
import signal
import time
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from cvae_jax import build, checkpoints, checks, evaluate, loading, parallel, seeds
from cvae_jax.command_line import Stopped
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.step import create_train_state, train_step
from cvae_jax.workdir import write_json
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
      The final TrainState, replicated over the local devices; of several seeds a list of them.

    Raises:
      UserError: the config, data, folder or checkpoint can't be used, or a loss is not finite (of
        several seeds: those of all).
      Stopped: SIGINT or SIGTERM; the state is saved.
    """
    devices = jax.local_devices()
    checks.check(config, len(devices))
    with seeds.open_runs(workdir, config) as runs:
        dataset = pipeline.load(config.data.name, config.data.size, config.data.dir)
        info = build.DataInfo(dataset.size, dataset.channels, len(dataset.factors))
        objective = build.objective(config, info)
        optimizers = build.optimizers(config)
        example = dataset.images(np.arange(config.batch_size))
        # jitted: initialisation op by op compiles a hundred small programs
        create = jax.jit(lambda rng: create_train_state(rng, objective, optimizers, example))
        states = []
        for run in runs:
            write_json(run.workdir / "data.json", info._asdict())
            state = create(jax.random.key(run.config.seed))
            if config.init_from:
                state = state._replace(params=loading.params_like(config.init_from, state.params))
            states.append(parallel.replicate(state, devices) if len(runs) == 1 else state)
        states = seeds.restore(runs, states)
        states = _train(config, runs, states, dataset, objective, optimizers)
        results = _evaluate(runs, states, config.num_steps, objective, dataset)
        if len(runs) == 1:
            return states[0]
        together = seeds.gather(runs, results)
        write_json(Path(workdir) / "results.json", together)
        log.info("all seeds: %s", evaluate.table(together))
    return states


def _evaluate(runs, states, step, objective, dataset):
    """Results of the runs that have not diverged."""
    results = []
    for run, state in zip(runs, states, strict=True):
        if len(runs) > 1:
            log.info("seed %d: %s", run.config.seed, run.diverged or run.workdir)
        if not run.diverged:
            results.append(
                evaluate.evaluate_run(
                    run.config, run.workdir, step, objective, state.params, dataset
                )
            )
    return results


def _program(config, runs, states, dataset, objective, optimizers):
    """What depends on the number of seeds: (state, fetch, step_fn, unstack).

    fetch(step) is a batch on the devices, step_fn(state, batch, step) -> (state, metrics), and
    unstack a list by seed of a state or of metrics.
    """
    devices = jax.local_devices()
    kwargs = {"objective": objective, "optimizers": optimizers}

    def images(run, step):
        count = len(dataset.factors)
        index = pipeline.batch_indices(run.config.seed, step, config.batch_size, count)
        return dataset.images(index)

    if len(runs) == 1:
        one = parallel.pmap_step(train_step, devices, **kwargs)
        return (
            states[0],
            lambda step: parallel.shard(images(runs[0], step), devices),
            lambda state, batch, step: one(state, batch),
            lambda tree: [tree],
        )
    return (
        seeds.stack(states, devices),
        lambda step: seeds.stack([images(run, step) for run in runs], devices),
        seeds.pmap_step(train_step, devices, **kwargs),
        functools.partial(seeds.unstack, count=len(runs)),
    )


def _summarise(runs, first_step, windows):
    """Means of a window for every seed that has not diverged, by its place; marks those that do."""
    means, reason = {}, None
    for i, (run, window) in enumerate(zip(runs, windows, strict=True)):
        if run.diverged:
            continue
        try:
            means[i] = summarise(first_step, window)
        except UserError as error:
            reason = error
            if len(runs) > 1:
                run.diverge(str(error))
                log.warning("seed %d is left out from here on: %s", run.config.seed, error)
    if not means:
        raise reason or UserError(f"every seed in {runs[0].workdir.parent} has diverged")
    return means


def _train(config, runs, states, dataset, objective, optimizers):
    """From the states' step to config.num_steps; returns the final states, saved."""
    state, fetch, step_fn, unstack = _program(config, runs, states, dataset, objective, optimizers)
    on_cpu = jax.local_devices()[0].platform == "cpu"
    start = max(int(s.step) for s in states)
    if start:
        log.info("resumed from the checkpoint of step %d in %s", start, runs[0].workdir)
    writers = [MetricsWriter(run.workdir, start) for run in runs]
    bar = tqdm(total=config.num_steps, initial=start, unit="step", disable=None, **_BAR)
    window, window_start, told, lost_before = [], time.perf_counter(), 0.0, False
    batches = pipeline.prefetch(fetch, start, config.num_steps)
    with contextlib.ExitStack() as stack, bar, stop_requests() as requests:
        for closed in (batches, *writers):
            stack.enter_context(contextlib.closing(closed))
        for step, images in enumerate(batches, start):
            state, metrics = step_fn(state, images, step)
            if on_cpu:
                # Queued steps on several virtual CPU devices deadlock.
                jax.block_until_ready(state)
            window.append(metrics)
            bar.update()
            done = step + 1
            last = done == config.num_steps
            save = last or bool(requests) or done % config.checkpoint_every == 0
            if save or done % config.log_every == 0:
                # Before a save: what is not finite must not become the last checkpoint.
                fetched = [unstack(metrics) for metrics in jax.device_get(window)]
                by_run = _summarise(runs, done - len(window) + 1, [*zip(*fetched, strict=True)])
                now = time.perf_counter()
                rate = len(window) / (now - window_start)
                for i, means in by_run.items():
                    means["steps_per_second"] = rate
                    writers[i].write(done, means)
                means = jax.tree.map(lambda *x: np.mean(x, axis=0), *by_run.values())
                bar.set_postfix_str(_terms(means), refresh=False)
                if bar.disable and (last or now - told > _TELL_EVERY):
                    log.info("%s", _progress(done, config.num_steps, means))
                    told = now
                lost = {s for means in by_run.values() for s in lost_critics(means)}
                for sentence in lost if not lost_before else ():
                    log.warning("step %d: %s", done, sentence)
                lost_before = bool(lost)
                window, window_start = [], now
            if save:
                for run, one in zip(runs, unstack(state), strict=True):
                    if not run.diverged:
                        checkpoints.save(run.manager, one)
            if requests:
                raise Stopped(requests[0])
            if config.eval.every and done % config.eval.every == 0 and not last:
                _evaluate(runs, unstack(state), done, objective, dataset)
                window_start = time.perf_counter()
    return unstack(state)


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
