"""The launcher of a TPU pod, with stand-ins for gcloud and for the hosts' programs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

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
    assert "the run ended with code 255; started again" in done.stderr
    verbs = [
        next(w for w in x.split() if w in ("describe", "create", "delete", "scp", "ssh"))
        for x in calls(tmp_path)
    ]
    start = ["create", "scp", "ssh", "ssh", "ssh", "ssh"]
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


def test_a_cut_connection_ends_what_it_left_and_keeps_the_slice(tmp_path, stand_in):
    """The network is away, also for gcloud itself, and comes back to a slice that trains."""
    stand_in(
        "gcloud",
        f"""
trained=$(grep -c multihost {tmp_path}/calls)
described=$(grep -c describe {tmp_path}/calls)
case "$*" in
  *describe*) [ "$described" = 3 ] || exit 1; echo READY ;;
  *create*) [ "$trained" = 0 ] ;;
  *multihost*) [ "$trained" = 2 ] || exit 255 ;;
esac""",
    )
    done = run(tmp_path, *POD, BUCKET, "--", "--config=x", PAUSE="0")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "the run ended with code 255; started again",
        "no slice yet; tried again",
    ]
    kinds = ("create", "delete", "scp", "multihost", "kill -KILL")
    made = [next((k for k in kinds if k in x), "") for x in calls(tmp_path)]
    start = ["kill -KILL", "multihost"]
    assert [*filter(None, made)] == ["create", "scp", *start, "create", *start, "delete"]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("*scp*", "copying the checkout"),
        ("*pip*", "installing it"),
        ("*matched*", f"fetching {BUCKET}"),
    ],
)
def test_what_fails_before_training_is_named_and_not_for_ever(tmp_path, stand_in, call, named):
    """The slice is there all the time, and costs: it is not made again for each try."""
    stand_in("gcloud", f'case "$*" in *describe*) echo READY ;; {call}) exit 255 ;; esac')
    done = run(tmp_path, *POD, BUCKET, "--", "--config=x", PAUSE="0", RESTARTS="2")
    assert done.returncode == 1
    again, last = f"{named} ended with code 1; started again", f"{named} ended with code 1"
    assert done.stderr.splitlines() == [again, again, last]
    made = calls(tmp_path)
    assert sum(" create " in x for x in made) == 1
    assert not any("multihost" in x for x in made)
    assert [" delete " in x for x in (made[1], made[-1])] == [True, True]  # an older one, this one


@pytest.mark.parametrize("old", [True, False])
def test_an_older_python3_of_the_hosts_is_replaced(tmp_path, stand_in, old):
    """3.10 of the default image; what the hosts run, here."""
    (install,) = [x for x in on_hosts(tmp_path, BUCKET, "--config=x") if "pip install" in x]
    least = re.search(r"python_requires = >=3\.(\d+)", Path("setup.cfg").read_text())[1]
    assert f"sys.version_info < (3, {least})" in install
    here = f"{tmp_path}/home/cvae_jax/.venv/bin"
    made = f"mkdir -p {here}; cp {tmp_path}/bin/python3 {here}/python"
    stand_in("python3", f'case "$*" in -c*) exit {int(old)} ;; *venv*) {made} ;; esac')
    (tmp_path / "home/cvae_jax/.venv/of_another_machine").mkdir(parents=True)
    done = run(tmp_path, "bash", "-c", f"cd {tmp_path}/home; {install}")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home/cvae_jax/.venv/of_another_machine").exists()
    own = ["-m venv .venv"]
    brought = ["-m pip install -q uv", "-m uv venv -q --seed --python 3.12 .venv"]
    said = [x.removeprefix("python3 ") for x in (tmp_path / "calls").read_text().splitlines()]
    assert said[1:] == [*(brought if old else own), "-m pip install -q -e .[tpu]"]


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


SAVING = """
import pathlib, signal, sys, time
def save(number, frame):
    signal.signal(number, signal.SIG_DFL)  # a second one ends it unsaved
    pathlib.Path("saving").touch()
    time.sleep(1)
    pathlib.Path("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
pathlib.Path("ready").touch()
time.sleep(60)
"""


def test_what_a_cut_connection_left_saves_before_the_next_start(tmp_path, stand_in):
    """What the hosts run, here, and twice: the first to end it may be cut itself."""
    stand_in("hostname", "echo t1v-n-w-0")
    stand_in("gcloud")
    commands = on_hosts(tmp_path, BUCKET, "--config=x")
    (stop,) = [text for text in commands if "kill -KILL" in text]
    (train,) = [text for text in commands if "multihost" in text]
    home = tmp_path / "home/cvae_jax"
    (home / "run").mkdir(parents=True)
    (home / ".venv/bin").mkdir(parents=True)
    python = home / ".venv/bin/python"
    python.write_text(f"#!{sys.executable}\n{SAVING}")
    python.chmod(0o755)

    def begin(text):
        environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        return subprocess.Popen(["bash", "-c", text], cwd=tmp_path / "home", env=environment)

    def await_file(path):
        deadline = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    assert begin(stop).wait(10) == 0  # nothing is left
    with begin(train) as left:
        await_file(home / "ready")
        with begin(stop) as cut:
            await_file(home / "saving")
            assert begin(stop).wait(20) == cut.wait(20) == 0
        assert left.wait(5) == 143
    assert (home / "saved").exists()
    assert "gcloud storage rsync" in (tmp_path / "calls").read_text()  # the last copy
    (home / "pod.pid").write_text("1")  # of a shell that was killed: nobody holds the lock
    assert begin(stop).wait(10) == 0
    python.write_text("#!/bin/sh\nexit 3\n")
    assert begin(train).wait(10) == 3


def test_a_pod_is_shown_without_a_call(tmp_path, stand_in):
    stand_in("gcloud")
    done = run(tmp_path, *POD, BUCKET, "--", "--config=x.py", DRY_RUN="1")
    assert done.returncode == 0
    assert not (tmp_path / "calls").exists()
    assert shlex.split(done.stdout.splitlines()[0])[4] == "create"
    assert "--multihost --workdir=run --config=x.py" in done.stdout.replace("\\", "")
