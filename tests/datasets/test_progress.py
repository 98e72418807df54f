"""What the preparation of a data set shows: this package's messages and one bar, nothing else."""

import logging
import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from fixtures.tiny_dsprites import COUNT

from cvae_jax.datasets import progress

PREPARE = """
import sys, warnings
from absl import logging
from cvae_jax import cli
from cvae_jax.datasets import dsprites
from fixtures.tiny_dsprites import load_tiny
import tensorflow_datasets as tfds
write = tfds.core.GeneratorBasedBuilder._download_and_prepare
def loud(*args, **kwargs):
    print("a library's print")
    logging.warning("a library's log")
    warnings.warn_explicit("a library's warning", UserWarning, "x", 1, module="tensorflow_datasets")
    return write(*args, **kwargs)
tfds.core.GeneratorBasedBuilder._download_and_prepare = loud
sys.exit(cli.run(lambda argv: load_tiny(argv[0]), sys.argv[1:]))
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": f".{os.pathsep}tests"}


def test_a_file_gets_one_line(tmp_path):
    command = [sys.executable, "-W", "always", "-c", PREPARE, str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(f"preparing tiny: {COUNT} images into {tmp_path}/.*, once, about 1 s", line)


def test_a_terminal_shows_one_bar_at_a_time_and_keeps_the_line(tmp_path):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-c", PREPARE, str(tmp_path)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the terminal's other end is closed
            pass
    os.close(ours)
    assert child.returncode == 0
    shown = shown.decode()
    assert "\x1b[A" not in shown  # no second bar below the first
    pieces = {piece.partition(":")[0].strip() for piece in re.split(r"[\r\n]+", shown)}
    assert pieces - {""} == {"preparing tiny", "preparing", "reading"}
    lines = [line.rpartition("\r")[2].strip() for line in shown.replace("\r\n", "\n").split("\n")]
    assert len([line for line in lines if line]) == 1


def test_after_it_tfds_speaks_as_before():
    from absl import logging as absl_logging
    from tensorflow_datasets.core.utils import tqdm_utils

    verbosity = absl_logging.get_verbosity()
    for bars in (False, True):
        tqdm_utils.display_progress_bar(bars)
        with pytest.raises(ZeroDivisionError), progress.without_that_of_tfds():
            _ = 1 / tqdm_utils._active  # False while it is quiet
        assert tqdm_utils._active == bars
        assert absl_logging.get_verbosity() == verbosity


@pytest.mark.parametrize(
    ("total", "words"),
    [(10, ["4 of 10", "8 of 10", "10 of 10"]), (None, ["4", "8", "12"])],
)
def test_long_work_counts_its_images(monkeypatch, caplog, total, words):
    """In chunks of four, of which the last is short where the number is known."""
    monkeypatch.setattr(progress, "_SHOW_EVERY", -1)
    caplog.set_level(logging.INFO, "cvae_jax")
    assert list(progress.watched("abc", "reading", total, 4)) == ["a", "b", "c"]
    assert [record.message for record in caplog.records] == [f"reading: {w} images" for w in words]


def test_short_work_says_nothing(caplog):
    caplog.set_level(logging.INFO, "cvae_jax")
    assert list(progress.watched("abc", "reading", 3)) == ["a", "b", "c"]
    assert not caplog.records
