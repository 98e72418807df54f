"""The launchers, with stand-ins for srun, scontrol and gcloud; a sweep gathered."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys

import helpers
import numpy as np
import pytest

from cvae_jax import gather
from cvae_jax.errors import UserError
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.workdir import read_json, write_json
from cvae_jax.studies import ended, show


@pytest.fixture
def stand_in(tmp_path):
    """A function (name, script) that puts a program in front of PATH; calls go to a file."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name, script="exit 0"):
        path = folder / name
        path.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >> {tmp_path}/calls\n{script}\n')
        path.chmod(0o755)

    return make


def run(tmp_path, *command, **variables):
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", **variables}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def calls(tmp_path):
    lines = (tmp_path / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith(("gcloud compute", "srun", "scontrol"))]


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


def test_a_preempted_pod_is_created_again(tmp_path, stand_in):
    """No slice is free, then one trains, is preempted, is created again and ends its run."""
    stand_in(
        "gcloud",
        f"""
count=$(grep -c "multihost" {tmp_path}/calls)
case "$*" in
  *describe*) [ "$count" = 0 ] && exit 1; echo PREEMPTED ;;
  *create*) [ $(grep -c " create " {tmp_path}/calls) != 1 ] ;;
  *multihost*) [ "$count" = 2 ] || exit 255 ;;
esac""",
    )
    flags = ("--config=configs/dsprites.py", "--config.cascade.structure=1>3 2>3")
    line = ("bash", "launch/tpu_pod.sh", "pod", "zone", "v4-16", "gs://mine/run", "--", *flags)
    done = run(tmp_path, *line, PAUSE="0")
    assert done.returncode == 0, done.stderr
    assert "ended with code 255; started again" in done.stderr
    verbs = [
        next(w for w in x.split() if w in ("describe", "create", "delete", "scp", "ssh"))
        for x in calls(tmp_path)
    ]
    start = ["create", "scp", "ssh", "ssh", "ssh"]
    tried = ["describe", "create"]
    assert verbs == [*tried, "describe", *start, "describe", "delete", *start, "delete"]
    # gcloud matches the pattern from a path's beginning
    (pattern,) = set(re.findall(r"--exclude='(.*?)'", (tmp_path / "calls").read_text()))
    assert re.match(pattern, "checkpoints/10/sha256.json")
    assert re.match(pattern, "sha256.json")
    assert not re.match(pattern, "checkpoints/10/default/manifest.ocdbt")
    trained = [x for x in calls(tmp_path) if "multihost" in x]
    assert "--worker=all" in trained[0]
    assert (
        r"--workdir=run --config=configs/dsprites.py --config.cascade.structure=1\>3\ 2\>3"
        in trained[0]
    )
    assert run(tmp_path, "bash", "launch/tpu_pod.sh", "pod").returncode == 2


@pytest.mark.parametrize(("code", "starts"), [(0, 1), (2, 1), (1, 3)])
def test_a_pod_starts_again_after_an_error_of_gcloud_and_not_for_ever(
    tmp_path, stand_in, code, starts
):
    """gcloud ends with 1 where the slice is gone, as a program does after a traceback."""
    stand_in("gcloud", f'case "$*" in *describe*) echo READY ;; *multihost*) exit {code} ;; esac')
    line = (
        "bash",
        "launch/tpu_pod.sh",
        "pod",
        "zone",
        "v4-16",
        "gs://mine/run",
        "--",
        "--config=x",
    )
    done = run(tmp_path, *line, PAUSE="0", RESTARTS="2")
    assert done.returncode == code
    assert sum("multihost" in call for call in calls(tmp_path)) == starts
    assert "delete" in calls(tmp_path)[-1]


@pytest.mark.parametrize("flag", [["--workdir=runs/x"], ["--workdir", "runs/x"], ["-workdir=x"]])
def test_a_pods_run_has_the_buckets_folder_alone(tmp_path, stand_in, flag):
    stand_in("gcloud")
    line = ("bash", "launch/tpu_pod.sh", "pod", "zone", "v4-16", "gs://mine/run", "--")
    done = run(tmp_path, *line, "--config=x.py", *flag)
    assert done.returncode == 2
    assert not (tmp_path / "calls").exists()


def test_a_copy_under_way_ends_before_the_last_one(tmp_path, stand_in):
    """What the hosts run, here: the minute's copy hangs as the run ends."""
    stand_in("hostname", "echo t1v-n-w-0")
    stand_in("sleep", f"[ -e {tmp_path}/hangs ] || exit 0; exec {shutil.which('sleep')} 60")
    stand_in("gcloud", f"touch {tmp_path}/hangs; [ -e {tmp_path}/ended ] || sleep 60")
    line = (
        "bash",
        "launch/tpu_pod.sh",
        "pod",
        "zone",
        "v4-16",
        "gs://mine/run",
        "--",
        "--config=x",
    )
    shown = run(tmp_path, *line, DRY_RUN="1").stdout
    said = run(tmp_path, "bash", "-c", "gcloud() { printf '%s\\0' \"$@\"; }\n" + shown).stdout
    (train,) = [word for word in said.split("\0") if "multihost" in word]
    home = tmp_path / "home/cvae_jax"
    (home / "run").mkdir(parents=True)
    (home / ".venv/bin").mkdir(parents=True)
    python = home / ".venv/bin/python"
    python.write_text(
        f"#!/bin/sh\nwhile [ ! -e {tmp_path}/hangs ]; do :; done; touch {tmp_path}/ended; exit 3\n"
    )
    python.chmod(0o755)
    script = f"cd {tmp_path}/home; {train.removeprefix('--command=')}"
    done = run(tmp_path, "bash", "-c", script)
    assert done.returncode == 3, done.stderr
    left = subprocess.run(["pgrep", "-f", f"{tmp_path}/bin/gcloud"], check=False)
    assert left.returncode == 1  # none


def test_a_pod_is_shown_without_a_call(tmp_path, stand_in):
    stand_in("gcloud")
    line = ("launch/tpu_pod.sh", "pod", "zone", "v4-16", "gs://mine/run", "--", "--config=x.py")
    done = run(tmp_path, "bash", *line, DRY_RUN="1")
    assert done.returncode == 0
    assert not (tmp_path / "calls").exists()
    assert shlex.split(done.stdout.splitlines()[0])[4] == "create"
    assert "--multihost --workdir=run --config=x.py" in done.stdout.replace("\\", "")


def finished(path, config, value, step=20, names=("mig",), source="noise"):
    with open_workdir(path, config):
        score = {"value": value, "definition": "MIG; of one run", "samples": 1, "seed": 0}
        content = {
            "step": step,
            "scores": dict.fromkeys(names, score),
            "data": {"name": "noise", "source": source},
            "device": "1 x cpu",
            "versions": {},
        }
        write_json(path / "results.json", content)


def test_runs_that_differ_by_their_seed_are_one_row(tmp_path):
    structure = "cascade.structure"
    for seed, value in ((0, 0.1), (1, 0.2), (2, 0.6)):
        finished(tmp_path / f"a{seed}", helpers.small_config(seed=seed), value)
    other = {structure: "1>3"}
    finished(tmp_path / "b", helpers.small_config(**other), 0.5)
    finished(tmp_path / "c", helpers.small_config(seed=9, **other), 0.5, step=10)
    with open_workdir(tmp_path / "d", helpers.small_config(seed=4)):
        pass
    rows, unfinished = gather.gather([tmp_path])
    assert [path.name for path in unfinished] == ["c", "d"]
    assert [row.fields for row in rows] == [{structure: "independent"}, {structure: "1>3"}]
    assert rows[0].seeds == [0, 1, 2]
    text = gather.table(rows, ["mig", "sap"])
    assert text.splitlines() == [
        "cascade.structure 'independent'; seeds 0, 1, 2",
        f"  mig                     0.3000 ± {np.std([0.1, 0.2, 0.6], ddof=1):.4f}",
        "cascade.structure '1>3'; seeds 0",
        "  mig                     0.5000",
    ]
    gather.write_csv(tmp_path / "out.csv", rows)
    lines = [*csv.DictReader((tmp_path / "out.csv").read_text().splitlines())]
    assert [line[structure] for line in lines] == ["independent", "1>3"]
    assert float(lines[0]["mean"]) == pytest.approx(0.3)
    assert lines[0]["values"] == "0.1 0.2 0.6"
    finished(tmp_path / "again", helpers.small_config(), 0.5)
    with pytest.raises(UserError, match="are the same run, seed 0: name one"):
        gather.gather([tmp_path])
    with pytest.raises(UserError, match=r"no run under .*/d has ended"):
        gather.gather([tmp_path / "d"])


def test_scores_of_other_numbers_of_samples_are_no_mean(tmp_path, caplog):
    for seed, (value, samples) in enumerate([(48.9, 500), (61.2, 10_000), (50.1, 500)]):
        path = tmp_path / f"{seed}"
        finished(path, helpers.small_config(seed=seed), value, names=["fid", "mig"])
        content = read_json(path / "results.json")
        content["scores"]["fid"] = content["scores"]["fid"] | {"samples": samples}
        write_json(path / "results.json", content)
    (row,), _ = gather.gather([tmp_path])
    assert row.values == {"fid": [48.9, 50.1], "mig": [48.9, 61.2, 50.1]}
    assert f"{tmp_path}/1: left out of the means, as they are of another" in caplog.text


def test_runs_on_other_images_are_drawn_apart(tmp_path):
    for seed, source in enumerate(["noise", "noise", "stripes", "stripes"]):
        path = tmp_path / "runs" / str(seed)
        finished(path, helpers.small_config(seed=seed), 0.1 * seed, source=source)
    found, _ = ended.ended_runs([tmp_path / "runs"])
    drawn = show.write(found, ["mig"], tmp_path / "plots")
    violins = [path.name for path in drawn if "violins" in path.name]
    assert violins == ["violins_noise__source_noise.png", "violins_noise__source_stripes.png"]


def test_seeds_that_lack_a_score_or_have_other_data(tmp_path):
    for seed, names in ((0, ["mig"]), (1, ["mig", "sap"]), (2, ["mig", "sap"])):
        finished(tmp_path / f"{seed}", helpers.small_config(seed=seed), 0.1 * seed, names=names)
    finished(tmp_path / "3", helpers.small_config(seed=3), 9.0, source="others")
    rows, _ = gather.gather([tmp_path])
    text = gather.table(rows, ["mig", "sap"])
    assert text.splitlines() == [
        "source 'noise'; seeds 0, 1, 2",
        "  mig                     0.1000 ± 0.1000",
        "  sap                     0.1500 ± 0.0707 of 2 seeds",
        "source 'others'; seeds 3",
        "  mig                     9.0000",
    ]
    with pytest.raises(UserError, match=r"unknown score 'migg'; did you mean 'mig'\? there are"):
        gather.main(["gather", str(tmp_path), "--scores=mig, sap,migg"])
    with pytest.raises(UserError, match=r"there is no folder .*nope"):
        gather.main(["gather", str(tmp_path / "nope")])
