"""The folder of a run: its config, one run at a time, fields that came later."""

import errno
import fcntl
import os
import subprocess
import sys

import helpers
import pytest

from cvae_jax import files
from cvae_jax.errors import UserError
from cvae_jax.runs.holding import in_use, keep_config, open_workdir
from cvae_jax.runs.workdir import read_config, read_json, write_json


def test_another_config_in_the_same_folder_is_refused(tmp_path):
    with open_workdir(tmp_path, helpers.small_config()):
        (tmp_path / "data.json").touch()  # it had its data
    config = helpers.small_config(seed=7, **{"cascade.weight": 1.5})
    with pytest.raises(UserError, match=r"\(cascade.weight 6.0 -> 1.5, seed 0 -> 7\)"):
        with open_workdir(tmp_path, config):
            pass
    # where the data lie may change
    with open_workdir(tmp_path, helpers.small_config(**{"data.dir": "/x"})):
        pass


def test_seeds_that_were_trained_alone_resume_together(tmp_path):
    for seed in (0, 1):
        with open_workdir(tmp_path / f"seed_{seed}", helpers.small_config(seed=seed)):
            (tmp_path / f"seed_{seed}/data.json").touch()
            (tmp_path / f"seed_{seed}/checkpoints/4").mkdir(parents=True)
            (tmp_path / f"seed_{seed}/checkpoints/4/sha256.json").touch()
    with open_workdir(tmp_path, helpers.small_config(num_seeds=2)):
        assert read_config(tmp_path).num_seeds == 2


@pytest.mark.parametrize("lost", ["config.json", "data.json"])
def test_checkpoints_without_the_rest_of_their_run_are_refused(tmp_path, lost):
    with open_workdir(tmp_path, helpers.small_config()):
        (tmp_path / "data.json").touch()
        (tmp_path / "checkpoints/4").mkdir(parents=True)
        (tmp_path / "checkpoints/4/sha256.json").touch()
    (tmp_path / lost).unlink()
    with pytest.raises(UserError, match=f"holds checkpoints and no {lost}: put it back"):
        with open_workdir(tmp_path, helpers.small_config(seed=7)):
            pass


@pytest.mark.parametrize("fields", [{}, {"num_seeds": 2}], ids=["one_seed", "two_seeds"])
@pytest.mark.parametrize(
    "name", ["config.json", "metrics.jsonl", "results.json", "checkpoints/1000/params/w"]
)
def test_what_another_program_has_in_a_folder_is_refused_and_kept(tmp_path, name, fields):
    """Orbax's checkpoints of any project are folders of a number: ours alone are removed."""
    files = {tmp_path / "notes.txt", tmp_path / name}
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.write_text('{"step": 1000}\n')
    with pytest.raises(UserError, match=f"holds a?.*{name.split('/')[0]}.*choose another"):
        with open_workdir(tmp_path, helpers.small_config(**fields)):
            pass
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == files
    assert {file.read_text() for file in files} == {'{"step": 1000}\n'}


def test_weights_may_move_and_those_of_another_run_are_others(tmp_path):
    """The folders of all seeds have the same last names."""
    first, other, moved = (tmp_path / name / "seed_0" for name in ("first", "other", "moved"))
    for folder in (first, other):
        folder.mkdir(parents=True)

    def config(weights):
        return helpers.small_config(init_from=str(weights))

    def opened(weights):
        return open_workdir(tmp_path / "run", config(weights))

    with opened(first):
        (tmp_path / "run/data.json").touch()
    with pytest.raises(UserError, match=r"another config \(init_from .*first.* -> .*other"):
        with opened(other):
            pass
    first.parent.rename(moved.parent)
    with opened(moved):
        assert read_config(tmp_path / "run").init_from == str(first)  # it may still be refused
        keep_config(tmp_path / "run", config(moved))
    assert read_config(tmp_path / "run").init_from == str(moved)


def test_a_refused_start_leaves_a_folder_that_was_there_as_it_was(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/.lock").touch()
    with pytest.raises(UserError, match="no data"):
        with open_workdir(tmp_path / "mine", helpers.small_config()):
            raise UserError("no data")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [".lock"]


def test_a_run_older_than_a_field_has_its_default(tmp_path):
    with open_workdir(tmp_path, helpers.small_config()):
        (tmp_path / "data.json").touch()
    stored = read_json(tmp_path / "config.json")
    del stored["optim"]["decay_from"], stored["objective"]["infogan"]
    write_json(tmp_path / "config.json", stored)
    config = read_config(tmp_path)
    assert config.optim.decay_from == 1.0
    assert config.objective.infogan.noise == 62
    assert config.batch_size == 16
    with open_workdir(tmp_path, helpers.small_config()):
        pass
    with pytest.raises(UserError, match=r"\(optim.decay_from 1.0 -> 0.5\)"):
        with open_workdir(tmp_path, helpers.small_config(**{"optim.decay_from": 0.5})):
            pass


def test_a_folder_in_use_is_refused(tmp_path):
    config = helpers.small_config(num_steps=1)
    with open_workdir(tmp_path, config):
        code = (
            "import sys; sys.path.insert(0, 'tests'); import helpers\n"
            "from cvae_jax.runs.holding import open_workdir\n"
            f"with open_workdir({str(tmp_path)!r}, helpers.small_config(num_steps=1)): pass"
        )
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    assert "another run is at work in" in other.stderr
    with open_workdir(tmp_path, config):
        pass


def test_a_lock_that_a_refused_start_has_removed_holds_nothing(tmp_path, monkeypatch):
    """Between opening the lock and holding it, the start that held it was refused."""
    folder, real = tmp_path / "run", fcntl.flock

    def late(lock, operation):
        (folder / ".lock").unlink()
        real(lock, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(UserError, match="run the same command again"):
        with open_workdir(folder, helpers.small_config(num_steps=1)):
            pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_holds_runs_all_the_same(tmp_path, monkeypatch, caplog, number):
    """As Lustre without `-o flock` and NFS without its daemon."""

    def refuses(lock, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with open_workdir(tmp_path / "run", helpers.small_config(num_steps=1)) as folder:
        assert read_config(folder).num_steps == 1
        assert not in_use(folder)
    with files.locked(tmp_path / "study.lock"):
        assert "no locks" in caplog.text
