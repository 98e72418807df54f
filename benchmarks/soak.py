"""A run that is killed, torn and started again at random, beside the same run left alone.

Every life of the run ends in one of these ways, drawn with a seed:

  start-up  SIGKILL within the first seconds
  training  SIGKILL some steps after it went on
  saving    SIGKILL while a checkpoint is half written
  torn      as training, and half of the newest checkpoint's largest file is gone, as after a
            power cut; the run then refuses it and names a command, which is run
  stopped   SIGTERM, which saves

With --processes=2 one of the processes is killed, or all are. After each the run's folder must be
readable; in the end its parameters must be those of the run left alone, bit for bit.

  python -m benchmarks.soak --kills=50
  python -m benchmarks.soak --kills=10 --processes=2
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from absl import logging as absl_logging

from cvae_jax import loading
from cvae_jax.errors import UserError
from cvae_jax.workdir import CONFIG, read_config
from cvae_jax.writers import read_metrics

KINDS = ("start-up", "training", "saving", "torn", "stopped")
_PATIENCE = 180  # seconds for a life


def small_run(num_steps, data="dsprites_small"):
    """Flags of a run of the smallest images and networks, with a save every ten steps."""
    fields = {
        "data.name": data, "data.size": 16, "num_steps": num_steps, "batch_size": 16,
        "log_every": 5, "checkpoint_every": 10, "objective.latents": 4,
        "cascade.critic_layers": 2, "cascade.critic_width": 32, "eval.num_images": 100,
        "eval.metrics": "terms",
    }  # fmt: skip
    flags = [f"--config.{name}={value}" for name, value in fields.items()]
    return ["--config=configs/dsprites.py:quick", *flags]


def command(workdir, flags, processes, restarts=0):
    """The run's command line; several processes are started again so many times."""
    flags = [f"--workdir={workdir}", *flags]
    if processes == 1:
        return [sys.executable, "-m", "cvae_jax.main", *flags]
    options = (f"--processes={processes}", f"--restarts={restarts}")
    return [sys.executable, "launch/local.py", *options, "--", *flags]


def saved_step(workdir) -> int:
    """The last step that a checkpoint holds; 0: none does."""
    lists = Path(workdir).glob("checkpoints/*/sha256.json")
    return max((int(path.parent.name) for path in lists), default=0)


def members(workdir) -> dict[int, list[str]]:
    """Process numbers of the run, of all that train it, and their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text().split("\0")
        except OSError:  # it has ended
            continue
        if "cvae_jax.main" in words and f"--workdir={workdir}" in words:
            found[int(path.parent.name)] = words
    return found


def require_readable(workdir) -> None:
    """Raise AssertionError unless what is in a run's folder can be read."""
    workdir = Path(workdir)
    if not (workdir / CONFIG).exists():
        return
    read_config(workdir)
    read_metrics(workdir / "metrics.jsonl")
    if saved_step(workdir):
        assert loading.load(workdir).step == saved_step(workdir)


def final_state(workdir):
    """The state of a run's last checkpoint."""
    return loading.restore(workdir)[-1]


def require_same(a, b) -> None:
    """Raise AssertionError unless two runs ended with the same bits."""
    assert saved_step(a) == saved_step(b)
    leaves = zip(*(jax.tree.leaves(final_state(workdir)) for workdir in (a, b)), strict=True)
    for x, y in leaves:
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def await_moment(process, workdir, kind, rng, stride) -> None:
    """Return when the life is to end.

    Raises:
      AssertionError: it ended by itself, or the moment does not come.
    """
    begun, deadline = saved_step(workdir), time.monotonic() + _PATIENCE
    begin_by, target = time.monotonic() + rng.uniform(0, 4), begun + rng.uniform(0, stride)
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended with code {process.returncode}, step {begun} on"
        now = saved_step(workdir)
        if kind == "start-up" and time.monotonic() > begin_by:
            return
        if kind == "saving" and now > begun and [*Path(workdir).glob("checkpoints/*tmp*")]:
            return
        if kind not in ("start-up", "saving") and now > max(begun, target):
            time.sleep(rng.uniform(0, 0.1))
            return
        time.sleep(0.001)
    raise AssertionError(f"no moment of kind {kind} within {_PATIENCE} s")


def end_life(process, workdir, kind, rng) -> None:
    """Kill one process of the run or all, or ask it to stop; returns when all have ended."""
    pids = [*members(workdir)]
    if kind == "stopped":
        process.send_signal(signal.SIGTERM)
    elif len(pids) > 1 and rng.random() < 0.5:
        os.kill(rng.choice(pids), signal.SIGKILL)  # the others must end by themselves
    else:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait(timeout=_PATIENCE)
    while members(workdir):  # of a launcher that was quicker
        time.sleep(0.1)
    if kind == "stopped":
        assert code == 128 + signal.SIGTERM, f"code {code} after SIGTERM"
    else:
        assert code, "it ended as if nothing had happened"


def tear(workdir) -> None:
    """Cut the newest checkpoint's largest file in half."""
    folder = Path(workdir) / f"checkpoints/{saved_step(workdir)}"
    largest = max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def mend(workdir, flags) -> None:
    """Run the command again: it must refuse the torn checkpoint in a line whose end mends it."""
    done = subprocess.run(
        command(workdir, flags, 1), capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    error = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2, done.stderr
    assert "is damaged" in error, error
    folder = Path(error.rsplit("rm -r ", 1)[1])
    assert Path(workdir).absolute() in (folder.absolute(), *folder.absolute().parents), error
    shutil.rmtree(folder)


def draw(kills, seed) -> list[str]:
    """How so many lives end: each kind as often as the others, in any order."""
    kinds = [KINDS[i % len(KINDS)] for i in range(kills)]
    random.Random(seed).shuffle(kinds)
    return kinds


def soak(workdir, flags, *, kinds, seed, processes=1, num_steps, stderr=None):
    """Ends of life by kind, of a run that is trained to its end in spite of them.

    Args:
      workdir: the run's folder, new.
      flags: of the run, see `small_run`.
      kinds: how its lives end, of KINDS, before it is left alone.
      seed: of all that is drawn.
      processes: that train the run.
      num_steps: of the run.
      stderr: where the run's messages go.
    """
    rng, survived = random.Random(seed), collections.Counter()

    def start():
        return subprocess.Popen(
            command(workdir, flags, processes), stderr=stderr, start_new_session=True
        )

    for kind in kinds:
        process = start()
        try:
            await_moment(process, workdir, kind, rng, num_steps / len(kinds))
            end_life(process, workdir, kind, rng)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        require_readable(workdir)
        if kind == "torn":
            tear(workdir)
            mend(workdir, flags)
            require_readable(workdir)
        survived[kind] += 1
        print(f"{kind}: step {saved_step(workdir)} of {num_steps}", flush=True)
    assert start().wait() == 0
    return survived


def main():
    """Soak, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default="dsprites_small")
    args = parser.parse_args()
    absl_logging.set_verbosity(absl_logging.FATAL)  # orbax tells of every folder it opens
    flags, start = small_run(args.steps, args.data), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w") as log:
        alone, soaked = Path(folder) / "alone", Path(folder) / "soaked"
        subprocess.run(command(alone, flags, args.processes), stderr=log, check=True)
        try:
            survived = soak(
                soaked, flags, kinds=draw(args.kills, args.seed), seed=args.seed,
                processes=args.processes, num_steps=args.steps, stderr=log,
            )  # fmt: skip
            require_same(alone, soaked)
        except (AssertionError, UserError, subprocess.TimeoutExpired) as error:
            kept = shutil.copytree(folder, tempfile.mkdtemp(prefix="soak_"), dirs_exist_ok=True)
            raise SystemExit(f"not survived: {error}\nits files: {kept}") from error
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(survived.items()))
    print(
        f"survived {args.kills} ({counts}) with {args.processes} process(es) in "
        f"{time.monotonic() - start:.0f} s; all bits equal"
    )


if __name__ == "__main__":
    main()
