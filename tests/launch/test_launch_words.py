"""What reaches a launcher from its surroundings is data: none of it is run."""

import os
import shlex
import subprocess
import sys

import pytest
from fixtures import launchers

CODE = (
    "$(touch ran)",
    "`touch ran`",
    "1p;w ran\n1",
    "1e touch ran",
    "a[$(touch ran)]",
    "; touch ran",
)


def run(tmp_path, *command, **variables):
    return subprocess.run(
        command,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )


@pytest.mark.parametrize("variable", ["SLURM_ARRAY_TASK_ID", "RESTARTS", "SLURM_RESTART_COUNT"])
@pytest.mark.parametrize("code", CODE)
def test_a_number_of_slurms_is_a_number(tmp_path, variable, code):
    variables = {"DRY_RUN": "1", "SLURM_ARRAY_TASK_ID": "1"} | {variable: code}
    (tmp_path / "sweep").write_text("--config=x.py\n")
    script = os.path.abspath("launch/slurm.sbatch")
    done = run(tmp_path, "bash", script, "--sweep=sweep", **variables)
    assert done.returncode == 2
    assert done.stderr == f"{variable} is no number\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("task", ["1", "01", "2"])
def test_a_task_is_a_line(tmp_path, task):
    (tmp_path / "sweep").write_text("# first\n--config=a.py\n\n--config=b.py\n")
    script = os.path.abspath("launch/slurm.sbatch")
    done = run(tmp_path, "bash", script, "--sweep=sweep", DRY_RUN="1", SLURM_ARRAY_TASK_ID=task)
    assert shlex.split(done.stdout)[-1] == f"--config={'ab'[int(task) - 1]}.py"


def test_a_sweep_in_the_users_home(tmp_path):
    """A shell leaves the ~ behind --sweep= as it is."""
    (tmp_path / "sweep").write_text("--config=a.py\n")
    script, variables = os.path.abspath("launch/slurm.sbatch"), {"HOME": str(tmp_path)}
    variables |= {"DRY_RUN": "1", "SLURM_ARRAY_TASK_ID": "1"}
    done = run(tmp_path, "bash", script, "--sweep=~/sweep", **variables)
    assert shlex.split(done.stdout)[-1] == "--config=a.py"


@pytest.mark.parametrize("code", [*CODE, "a b", "a'b"])
def test_a_buckets_name_is_one_word_on_the_hosts(tmp_path, code):
    """What gcloud would run there, run here with stand-ins for gcloud and python."""
    (tmp_path / "bin").mkdir()
    log = tmp_path / "calls"
    stand_in = f'#!/usr/bin/env bash\nprintf "%s\\n" "$@" --- >> {log}\n'
    for name in ("gcloud", "sleep"):
        (tmp_path / "bin" / name).write_text(stand_in)
        (tmp_path / "bin" / name).chmod(0o755)
    bucket = f"gs://mine/{code}"
    commands = launchers.on_hosts(tmp_path, bucket, "--config=x.py")
    (fetch,) = [text for text in commands if "mkdir -p" in text]
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    run(tmp_path, "bash", "-c", fetch, PATH=path)
    assert f"\n{bucket}\n" in log.read_text()
    assert not list(tmp_path.rglob("ran"))
    (train,) = [word for word in commands if "cvae_jax.main" in word]
    assert f" run {quoted(tmp_path, bucket)} || exit" in train


GCLOUD = """
import pathlib, re, shutil, sys
*words, source, bucket = sys.argv[1:]
source, bucket = pathlib.Path(source), pathlib.Path(bucket)
pattern = next((x.partition("=")[2] for x in words if x.startswith("--exclude=")), "a^")
for path in source.rglob("*"):
    name = str(path.relative_to(source))
    if path.is_file() and not re.match(pattern, name):
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, bucket / name)
if source.name == "run":  # in the meantime one is saved, and one is removed
    new = source / "checkpoints" / "20"
    new.mkdir(exist_ok=True)
    for name in ("data", "sha256.json"):
        (new / name).write_text("20")
    shutil.rmtree(source / "checkpoints" / "5", ignore_errors=True)
"""


def test_a_checkpoint_saved_during_a_copy_waits_for_the_next(tmp_path):
    """A list of checksums in the bucket has its files beside it, and is of a whole checkpoint."""
    (tmp_path / "gcloud.py").write_text(GCLOUD)
    bucket = tmp_path / "bucket"
    for step in ("5", "10"):
        (tmp_path / "run/checkpoints" / step).mkdir(parents=True)
        for name in ("data", "sha256.json"):
            (tmp_path / "run/checkpoints" / step / name).write_text(step)
    commands = launchers.on_hosts(tmp_path, bucket, "--config=x.py")
    (train,) = [text for text in commands if "cvae_jax.main" in text]
    keep = train[train.index("(rm -rf lists") : train.index("; done) & fi")]
    program = f'gcloud() {{ {sys.executable} {tmp_path}/gcloud.py "$@"; }}\n{keep}'
    for complete in ({"10"}, {"10", "20"}):
        run(tmp_path, "bash", "-c", program)
        lists = {path.parent.name for path in bucket.rglob("sha256.json")}
        assert lists == complete
        assert all((bucket / "checkpoints" / step / "data").exists() for step in lists)


def quoted(tmp_path, text):
    return run(tmp_path, "bash", "-c", 'printf %q "$1"', "_", text).stdout


NO_HOME = """
import os, pwd
def none(*args):
    raise KeyError("uid not found")
pwd.getpwuid = pwd.getpwnam = none
os.environ.pop("HOME", None)
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["datasets"], "~/tensorflow_datasets stands for no home folder here"),
        (["datasets", "--data_dir=~x/y"], "~x of ~x/y stands for no home folder here"),
        (["datasets", "--data_dir=data", "prepare", "folder:~/y"], "~ of ~/y stands for"),
        (["train", "--config=dsprites:quick", "~/run"], "~ of ~/run stands for no home folder"),
        (["encode", "~/run"], "~ of ~/run stands for no home folder"),
    ],
)
def test_no_home_and_no_entry_among_the_users(tmp_path, arguments, message):
    """As in a container that runs with any user's number."""
    (tmp_path / "sitecustomize.py").write_text(NO_HOME)
    paths = f"{tmp_path}:{os.getcwd()}"
    done = run(tmp_path, sys.executable, "-m", "cvae_jax", *arguments, PYTHONPATH=paths)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "~").exists()
