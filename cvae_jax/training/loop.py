"""The loop: build, restore, step, watch, log, save, evaluate."""

import contextlib
import functools
import logging
import signal
import time
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from cvae_jax.cli import RESULTS
from cvae_jax.config import checks
from cvae_jax.datasets import order
from cvae_jax.devices import processes
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluate
from cvae_jax.evaluation.results import results_of, table
from cvae_jax.files import expanded
from cvae_jax.runs import checkpoints, data_record, identity, tracker
from cvae_jax.runs.metrics_log import MetricsWriter, scalars
from cvae_jax.runs.model import Model
from cvae_jax.runs.workdir import CONFIG, write_json
from cvae_jax.signals import Stopped, stop_requests
from cvae_jax.step import train_step
from cvae_jax.training import begin, calls, monitor, seed_scores, seeds

log = logging.getLogger(__name__)
shown = logging.getLogger(RESULTS)

_ASK_EVERY = 10  # steps after which several processes ask each other whether to stop
_SHOW_EVERY = 20  # seconds between lines of progress where there is no terminal for a bar


def train_and_evaluate(config, workdir, *, dataset=None, networks=None, objective=None):
    """Trains as the config says, resuming from workdir's last checkpoint; evaluates and draws.

    Args:
      config: a ConfigDict, see configs/. More num_steps than a finished run had train it further.
      workdir: the run's folder.
      dataset: images of one's own in place of config.data: a `datasets.Dataset`, an array [N, H,
        W, C] (uint8, or float in [0, 1]), or a mapping with images and perhaps factors [N, k] and
        factor_names, as an open .npz is one. config.data.size is then that of the images.
      networks: encoder and decoder of one's own: `networks.Networks` of linen modules, see
        `networks.checks`; config.networks can name them instead.
      objective: a whole `Objective` in place of the config's method; config.cascade.weight is
        then 0.

    A run with parts of one's own is resumed with the same ones, and `cvae_jax.load` takes the same
    arguments networks and objective.

    Returns:
      The final TrainState, replicated over the local devices; of several seeds a list of them.

    Raises:
      UserError: the config, data, parts, folder or checkpoint can't be used, or a loss is not
        finite (of several seeds: those of all).
      Stopped: SIGINT or SIGTERM; the state is saved.
    """
    checks.check_types(config)  # the next lines read some
    config, dataset = begin.with_data(config, dataset)
    said = str(config).encode(errors="backslashreplace")  # a path may hold what UTF-8 can't
    processes.require_same("config", data_record.digest(said))
    workdir = expanded(workdir)
    # Only the first process has the folder.
    begins = not processes.any_of(processes.first() and (Path(workdir) / CONFIG).exists())
    checks.check(config, len(processes.devices()), processes.count(), begins=begins)
    with seeds.open_runs(workdir, config) as runs:
        begin.check_parts(config, runs, networks, objective)
        dataset = begin.load_data(config, dataset)
        built = begin.method(config, dataset, networks, objective)
        states, start = begin.states(
            config, runs, dataset, built, networks=networks, objective=objective
        )
        seeds.keep_configs(runs, workdir, config)  # nothing can be refused any more
        if start:
            log.info("resumed from the checkpoint of step %s in %s", f"{start:,}", workdir)
        devices = processes.devices()
        title = identity.title(config, built.record)
        # no name for the parameters, which would keep them on the device
        told = monitor.start_up(config, title, dataset, states[0].params, devices, workdir)
        log.info("%s", told)
        for sentence in () if "objective" in built.record else monitor.cut_short(config):
            log.warning("%s", sentence)
        objective, optimizers = built.objective, built.optimizers
        states = _train(config, runs, states, start, dataset, objective, optimizers)
        results = _evaluate(runs, states, config.num_steps, objective, dataset)
        if len(runs) == 1:
            return states[0]
        together = seed_scores.gather(runs, results)
        write_json(Path(workdir) / "results.json", together)
        shown.info("all seeds: %s", table(together))
    return states


def _evaluate(runs, states, step, objective, dataset):
    """Returns the results of the runs that have not diverged."""
    results = []
    with processes.together():  # the others wait here for the first
        for run, state in zip(runs, states, strict=True):
            if len(runs) > 1:
                log.info("seed %d", run.config.seed)
            if run.diverged:
                continue
            with processes.together():
                found = results_of(run.workdir, step) if processes.first() else None
            if found:
                log.info("scored and drawn before:")
                shown.info("%s", table(found))
            if not processes.any_of(found is not None):
                known = dataset.channels, dataset.num_images
                model = Model(run.config, objective, state.params, step, *known)
                found = evaluate.evaluate_run(model, run.workdir, dataset)
            tracker.log_scores(run.board, found)
            results.append(found)
    return results


def _sound(runs, check):
    """Returns check(i) of every run i that has not diverged; marks those that it refuses.

    Raises:
      UserError: it refuses the only run, or the last one.
    """
    found, reason = {}, None
    for i, run in enumerate(runs):
        if run.diverged:
            continue
        try:
            found[i] = check(i)
        except UserError as error:
            reason = error
            if len(runs) > 1:
                run.diverge(str(error))
                log.warning("seed %d is left out from here on: %s", run.config.seed, error)
    if not found:
        raise reason
    return found


def _means(fetched, done, i):
    """Returns the means of run i's metrics over the window that ends with step done."""
    window = jax.tree.map(lambda *x: np.concatenate(x), *(metrics[i] for metrics in fetched))
    return monitor.summarise(done, window)


def _report(runs, writers, by_run, done, rate):
    """Writes each run's means where they are kept; returns their means over runs."""
    with processes.together():
        for i, means in by_run.items():
            means["steps_per_second"] = rate
            if i in writers:
                writers[i].write(done, means)
                tracker.log_metrics(runs[i].board, done, scalars(means))
    return jax.tree.map(lambda *x: np.mean(x, axis=0), *by_run.values())


def _warn_of_diverged_critics(runs, by_run, done, before) -> set:
    """Warns about newly diverged critics; returns all diverged (run, critic) pairs."""
    diverged = {
        (i, name): sentence
        for i, means in by_run.items()
        for name, sentence in monitor.diverged_critics(means).items()
    }
    for i, name in sorted(set(diverged) - before):
        seed = f"seed {runs[i].config.seed}: " if len(runs) > 1 else ""
        log.warning("step %s: %s%s", f"{done:,}", seed, diverged[i, name])
    return set(diverged)


def _save(runs, states, step):
    """Saves what is finite; a critic's gradient is in no metric, so the state is looked at."""

    def finite(i):
        names = {}
        # the optimizer's too: an infinite moment holds its parameter where it is
        for of, tree in (("", states[i].params), ("optimizer", states[i].opt_state)):
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
                names[of + jax.tree_util.keystr(path)] = leaf
        monitor.refuse_not_finite(step, names)

    with processes.together():
        for i in _sound(runs, finite) if processes.first() else ():
            checkpoints.save(runs[i].manager, states[i])


def _train(config, runs, states, start, dataset, objective, optimizers):
    """Trains from step start to config.num_steps; returns the final states, saved."""
    platform = jax.local_devices()[0].platform
    planned = calls.calls(start, config.num_steps, calls.steps_per_call(config, platform))
    state, fetch, run, unstack = calls.make(
        train_step, config, states, dataset, objective, optimizers
    )
    writers, hidden = {}, True
    with processes.together():
        if processes.first():
            writers = {
                i: MetricsWriter(r.workdir, start) for i, r in enumerate(runs) if not r.diverged
            }
            hidden = None  # a bar where there is a terminal
    bar = tqdm(total=config.num_steps, initial=start, disable=hidden, **monitor.BAR)
    window, window_start, counted = [], time.perf_counter(), start
    clock = monitor.Clock(bar)
    last_shown, diverged = 0.0, set()
    batches = order.prefetch(lambda call: (*call, fetch(*call)), planned)
    with contextlib.ExitStack() as stack, bar, stop_requests() as requests:
        for closed in (batches, *writers.values()):
            stack.enter_context(contextlib.closing(closed))
        for first, count, images in batches:
            state, metrics = run(state, images, first)
            if platform == "cpu":
                # Queued steps on several virtual CPU devices deadlock.
                jax.block_until_ready(state)
            window.append(metrics)
            clock.count(count)
            done = first + count
            last = done == config.num_steps
            # Processes are asked now and then, as the question is a message to all.
            stop = bool(requests)
            if processes.count() > 1:
                stop = done % _ASK_EVERY < count and processes.any_of(stop)
            scored = config.eval.every and done % config.eval.every == 0 and not last
            save = last or stop or scored or done % config.checkpoint_every == 0
            if save or done % config.log_every == 0:
                # Before a save: what is not finite must not become the last checkpoint.
                fetched = [unstack(metrics) for metrics in jax.device_get(window)]
                by_run = _sound(runs, functools.partial(_means, fetched, done))
                now = time.perf_counter()
                rate = (done - counted) / (now - window_start)
                means = _report(runs, writers, by_run, done, rate)
                bar.set_postfix_str(monitor.terms_to_watch(means), refresh=False)
                if bar.disable and (last or now - last_shown > _SHOW_EVERY):
                    log.info("%s", monitor.progress(done, config.num_steps, clock.speed(), means))
                    last_shown = now
                diverged = _warn_of_diverged_critics(runs, by_run, done, diverged)
                window, window_start, counted = [], now, done
            if save:
                _save(runs, unstack(state), done)
            if stop:
                break
            if scored:
                _evaluate(runs, unstack(state), done, objective, dataset)
                window_start = time.perf_counter()
        if processes.any_of(bool(requests)):  # one may have come with the last step
            raise Stopped(requests[0] if requests else signal.SIGTERM)
    return unstack(state)
