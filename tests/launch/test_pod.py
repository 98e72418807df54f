"""The launcher of a TPU pod, with stand-ins for gcloud and for the hosts' programs."""

import re
import shlex
import shutil
import subprocess

import pytest
from fixtures.launchers import POD, calls, on_hosts, run

BUCKET = "gs://mine/run"


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
    line = (*POD, BUCKET, "--", *flags)
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
    line = (*POD, BUCKET, "--", "--config=x")
    done = run(tmp_path, *line, PAUSE="0", RESTARTS="2")
    assert done.returncode == code
    assert sum("multihost" in call for call in calls(tmp_path)) == starts
    assert "delete" in calls(tmp_path)[-1]


@pytest.mark.parametrize("flag", [["--workdir=runs/x"], ["--workdir", "runs/x"], ["-workdir=x"]])
def test_a_pods_run_has_the_buckets_folder_alone(tmp_path, stand_in, flag):
    stand_in("gcloud")
    line = (*POD, BUCKET, "--")
    done = run(tmp_path, *line, "--config=x.py", *flag)
    assert done.returncode == 2
    assert not (tmp_path / "calls").exists()


def test_a_copy_under_way_ends_before_the_last_one(tmp_path, stand_in):
    """What the hosts run, here: the minute's copy hangs as the run ends."""
    stand_in("hostname", "echo t1v-n-w-0")
    stand_in("sleep", f"[ -e {tmp_path}/hangs ] || exit 0; exec {shutil.which('sleep')} 60")
    stand_in("gcloud", f"touch {tmp_path}/hangs; [ -e {tmp_path}/ended ] || sleep 60")
    (train,) = [text for text in on_hosts(tmp_path, BUCKET, "--config=x") if "multihost" in text]
    home = tmp_path / "home/cvae_jax"
    (home / "run").mkdir(parents=True)
    (home / ".venv/bin").mkdir(parents=True)
    python = home / ".venv/bin/python"
    python.write_text(
        f"#!/bin/sh\nwhile [ ! -e {tmp_path}/hangs ]; do :; done; touch {tmp_path}/ended; exit 3\n"
    )
    python.chmod(0o755)
    done = run(tmp_path, "bash", "-c", f"cd {tmp_path}/home; {train}")
    assert done.returncode == 3, done.stderr
    left = subprocess.run(["pgrep", "-f", f"{tmp_path}/bin/gcloud"], check=False)
    assert left.returncode == 1  # none


def test_a_pod_is_shown_without_a_call(tmp_path, stand_in):
    stand_in("gcloud")
    done = run(tmp_path, *POD, BUCKET, "--", "--config=x.py", DRY_RUN="1")
    assert done.returncode == 0
    assert not (tmp_path / "calls").exists()
    assert shlex.split(done.stdout.splitlines()[0])[4] == "create"
    assert "--multihost --workdir=run --config=x.py" in done.stdout.replace("\\", "")
