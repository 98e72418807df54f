"""Commands that a message prints mean what they say in a shell, whatever a folder is named."""

import re
import shlex
import shutil
import subprocess

import helpers
import pytest
from fixtures.damage import FILES, flip, rewriting
from fixtures.short_runs import in_checkpoint, resume

from cvae_jax.datasets import tfds_catalogue
from cvae_jax.errors import UserError
from cvae_jax.report import __main__ as report
from cvae_jax.reproduction import runs as paper_runs
from cvae_jax.runs import loading
from cvae_jax.runs.holding import open_workdir

NAME = "keep run; $(touch ran)"


@pytest.fixture
def awkward(run):
    """The run in a folder whose name a shell would take apart."""
    return run.rename(run.with_name(NAME))


def message(act):
    with pytest.raises(UserError) as caught:
        act()
    return str(caught.value)


def test_the_remedy_for_a_damaged_checkpoint_removes_that_alone(awkward, tmp_path):
    (tmp_path / "keep").mkdir()
    rewriting(lambda content: flip(content))(in_checkpoint(awkward, "array"))
    said = message(lambda: resume(awkward))
    (command,) = re.findall(r"(rm -r .*)", said)
    assert shlex.split(command) == ["rm", "-r", str(awkward / "checkpoints/4")]
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path)
    assert (tmp_path / "keep").is_dir()
    assert not (tmp_path / "ran").exists()
    assert not (awkward / "checkpoints/4").exists()
    FILES["half"](awkward / "checkpoints/2/sha256.json")
    (command,) = re.findall(r"(rm -r .*)", message(lambda: resume(awkward)))
    assert shlex.split(command) == ["rm", "-r", str(awkward)]


def words(said, start, count):
    """The first words of the command that begins so."""
    return shlex.split(said[said.index(start) :].replace("'s", ""))[:count]


def test_commands_that_name_a_run(awkward):
    (awkward / "results.json").unlink()
    said = message(lambda: report.main(["report", f"--workdir={awkward}"]))
    assert words(said, "cvae evaluate", 3)[2] == str(awkward)
    with pytest.raises(UserError, match="holds a run of another config") as caught:
        with open_workdir(awkward, helpers.small_config(seed=7)):
            pass
    assert words(str(caught.value), "'--config.init", 1) == [f"--config.init_from={awkward}"]
    shutil.rmtree(awkward / "checkpoints")
    said = message(lambda: loading.load(awkward))
    assert f"--workdir={awkward}" in words(said, "--config=...", 2)


def test_commands_of_data_and_of_records(tmp_path):
    said = message(lambda: tfds_catalogue.load("mnist", 28, tmp_path / NAME, "train"))
    flags = [f"--data_dir={tmp_path / NAME}", "--file_format=array_record"]
    assert words(said, "tfds build", 5) == ["tfds", "build", "mnist", *flags]
    run = paper_runs.Run("half", "dsprites", "vae", 0, (("cascade.structure", "1>3 2>3"),))
    arguments = paper_runs.arguments([run])
    assert shlex.split(paper_runs.command([run])) == ["python", *arguments]
