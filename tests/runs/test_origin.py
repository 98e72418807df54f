"""The commit of a checkout, by git itself."""

import datetime
import shutil
import subprocess

import pytest

from cvae_jax.runs.origin import commit, origin


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_the_commit_is_gits_and_says_if_files_differ(tmp_path):
    def git(*args):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *who, *args]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    git("tag", "-a", "v1", "-m", "a tag")
    head = git("rev-parse", "HEAD")
    assert commit(tmp_path) == head[:12]
    (tmp_path / "file").write_text("b")
    assert commit(tmp_path) == f"{head[:12]}-dirty"


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert commit(tmp_path) == ""
    (tmp_path / ".git").mkdir()  # of a repository that is none
    assert commit(tmp_path) == ""


def test_the_time_is_of_now_in_utc():
    began = datetime.datetime.fromisoformat(origin()["began"])
    assert began.utcoffset() == datetime.timedelta(0)
    now = datetime.datetime.now(datetime.UTC)
    assert abs((now - began).total_seconds()) < 60
