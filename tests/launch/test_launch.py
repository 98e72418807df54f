"""The launchers of one machine and of SLURM, with stand-ins for srun and scontrol."""

import re
import shlex
import sys

import pytest
from fixtures.launchers import calls, run


def test_local_shows_what_it_would_do(tmp_path):
    line = (sys.executable, "launch/local.py", "--processes=2", "--gpus", "--dry_run", "--")
    done = run(
        tmp_path, *line, "--config=configs/dsprites.py", "--config.cascade.structure=1>3 2>3"
    )
    lines = [shlex.split(x) for x in done.stdout.splitlines()]
    for index, words in enumerate(lines):
        assert words[0] == f"CUDA_VISIBLE_DEVICES={index}"
        assert words[1:4] == [sys.executable, "-m", "cvae_jax.main"]
        assert words[5] == "--config.cascade.structure=1>3 2>3"
        assert words[-2:] == ["--num_processes=2", f"--process_id={index}"]
    assert len(lines) == 2
    assert lines[0][-3] == lines[1][-3]  # they meet at one port


@pytest.mark.parametrize(
    ("allowed", "given"), [("4,5", ["4", "5"]), ("GPU-a, GPU-b,7", ["GPU-a", "GPU-b"])]
)
def test_local_takes_of_the_gpus_that_it_may_see(tmp_path, allowed, given):
    line = (sys.executable, "launch/local.py", "--gpus", "--dry_run")
    rest = ("--", "--config=configs/dsprites.py")
    shown = run(tmp_path, *line, "--processes=2", *rest, CUDA_VISIBLE_DEVICES=allowed).stdout
    assert re.findall(r"^CUDA_VISIBLE_DEVICES=(\S+)", shown, re.MULTILINE) == given
    done = run(tmp_path, *line, "--processes=4", *rest, CUDA_VISIBLE_DEVICES=allowed)
    assert done.returncode == 2
    assert f"CUDA_VISIBLE_DEVICES={allowed} names" in done.stderr


@pytest.mark.parametrize("options", [["--processes=0"], ["--processes=1", "--restarts=-1"]])
def test_local_starts_nothing_with_numbers_that_make_no_sense(tmp_path, options):
    done = run(tmp_path, sys.executable, "launch/local.py", *options, "--", "--config=x.py")
    assert done.returncode == 2
    assert "--processes must be at least 1, --restarts at least 0" in done.stderr


@pytest.mark.parametrize(
    ("code", "queued_again"), [(0, False), (2, False), (143, True), (75, True), (134, True)]
)
def test_slurm_queues_again_what_a_restart_fixes(tmp_path, stand_in, code, queued_again):
    stand_in("srun", f"exit {code}")
    stand_in("scontrol")
    line = ("bash", "launch/slurm.sbatch", "--config=configs/dsprites.py")
    done = run(tmp_path, *line, SLURM_JOB_ID="7", PYTHON="python", SLURM_RESTART_COUNT="19")
    start = "srun --kill-on-bad-exit=0 python -m cvae_jax.main --config=configs/dsprites.py"
    assert calls(tmp_path) == [start] + ["scontrol requeue 7"] * queued_again
    assert done.returncode == (0 if queued_again else code)


def test_slurm_gives_each_process_the_cores_that_the_job_has(tmp_path):
    """A job's srun takes --cpus-per-task from nothing but its own options."""
    line = ("bash", "launch/slurm.sbatch", "--config=configs/dsprites.py")

    def shown(**cores):
        return shlex.split(run(tmp_path, *line, DRY_RUN="1", PYTHON="python", **cores).stdout)

    start = ["srun", "--kill-on-bad-exit=0"]
    rest = ["python", "-m", "cvae_jax.main", "--config=configs/dsprites.py"]
    assert shown() == [*start, *rest]
    assert shown(SLURM_CPUS_PER_TASK="") == [*start, *rest]
    assert shown(SLURM_CPUS_PER_TASK="12") == [*start, "--cpus-per-task=12", *rest]


def test_slurm_does_not_queue_again_for_ever(tmp_path, stand_in):
    stand_in("srun", "exit 1")
    stand_in("scontrol")
    line = ("bash", "launch/slurm.sbatch", "--config=configs/dsprites.py")
    done = run(tmp_path, *line, SLURM_JOB_ID="7", SLURM_RESTART_COUNT="20")
    assert done.returncode == 1
    assert "after 20 restarts" in done.stderr
    assert len(calls(tmp_path)) == 1


def test_a_line_of_a_sweep(tmp_path):
    def task(i, file="launch/sweep.txt"):
        line = ("bash", "launch/slurm.sbatch", f"--sweep={file}", "--config.num_steps=5")
        return run(tmp_path, *line, DRY_RUN="1", SLURM_ARRAY_TASK_ID=str(i), PYTHON="python")

    words = shlex.split(task(4).stdout)
    assert words[5:] == [
        "--config=configs/dsprites.py",
        "--workdir=runs/sweep/own_0",
        "--config.seed=0",
        "--config.cascade.structure=1>3 2>3",
        "--config.num_steps=5",
    ]
    done = task(7)
    assert done.returncode == 2
    assert done.stderr == "launch/sweep.txt has no line 7\n"
    (tmp_path / "sweep").write_text("--workdir='x y --config.seed=1\n")
    assert task(1, tmp_path / "sweep").returncode == 2  # a quote that does not end
    (tmp_path / "sweep").write_text("--workdir=$(touch /tmp/x) `id`\n")  # nothing of it is run
    assert shlex.split(task(1, tmp_path / "sweep").stdout)[5:-1] == [
        "--workdir=$(touch",
        "/tmp/x)",
        "`id`",
    ]
