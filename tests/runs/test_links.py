"""Links on fixed names, in a folder that came from elsewhere: nothing behind them is touched."""

import fcntl
import json
import os
import sys

import helpers
import jax
import numpy as np
import pytest
from fixtures.exports import drawn
from fixtures.short_runs import program, resume

from cvae_jax import evaluate, files
from cvae_jax.datasets import sources
from cvae_jax.errors import UserError
from cvae_jax.plots import page
from cvae_jax.report import run_page
from cvae_jax.runs import checkpoints
from cvae_jax.runs.holding import in_use, open_workdir
from cvae_jax.runs.metrics_log import MetricsWriter
from cvae_jax.runs.workdir import read_config, read_results, write_json
from cvae_jax.step import TrainState


@pytest.fixture
def precious(tmp_path):
    """A file of someone's, and afterwards a look at it."""
    path = tmp_path / "precious"
    path.write_text("of someone's")
    yield path
    assert path.read_text() == "of someone's"


def test_a_file_takes_a_name_and_leaves_what_a_link_points_to(tmp_path, precious):
    for name in ("results.json", "results.json.part", ".results.json.part"):
        (tmp_path / name).symlink_to(precious)
    write_json(tmp_path / "results.json", {"a": 1})
    assert not (tmp_path / "results.json").is_symlink()
    assert json.loads((tmp_path / "results.json").read_text()) == {"a": 1}
    assert (tmp_path / "results.json").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_temporary_names_are_random_and_gone(tmp_path):
    names = set()
    for _ in range(2):
        with files.replacing(tmp_path / "a.json", "w") as file:
            (name,) = {path.name for path in tmp_path.glob(".a.json.*")}
            names.add(name)
            file.write("{}")
        assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert len(names) == 2


def test_what_a_killed_one_left_is_removed_and_nothing_else(tmp_path):
    left = [tmp_path / ".images.npy.0123.part", tmp_path / ".images.npy.4567.part"]
    other = tmp_path / ".other.npy.0123.part"
    for path in (*left, other):
        path.touch()
    files.remove_leftovers(tmp_path / "images.npy")
    assert [*tmp_path.iterdir()] == [other]


def test_locks_are_neither_truncated_nor_opened_through_a_link(tmp_path, precious):
    (tmp_path / "kept.lock").write_text("content")
    with files.locked(tmp_path / "kept.lock"):
        pass
    assert (tmp_path / "kept.lock").read_text() == "content"
    for name in (".lock", ".results.lock"):
        (tmp_path / name).symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"), files.locked(tmp_path / ".lock"):
        pass
    with files.locked_if_possible(tmp_path / ".results.lock"):
        pass  # without a lock
    with pytest.raises(UserError, match="can't write --workdir"):
        with open_workdir(tmp_path, helpers.small_config()):
            pass
    assert not in_use(tmp_path)
    with precious.open() as other:  # nobody holds it
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_in_use(tmp_path):
    assert not in_use(tmp_path)
    with open_workdir(tmp_path, helpers.small_config()):
        assert in_use(tmp_path)
    assert not in_use(tmp_path)
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / ".lock")
    assert not in_use(tmp_path)  # and it does not wait for a writer


def test_curves_and_checkpoints_go_to_files_of_their_own(tmp_path, precious):
    (tmp_path / "metrics.jsonl").symlink_to(precious)
    precious.write_text('{"step": 2, "loss": 1.5}\n')
    writer = MetricsWriter(tmp_path, 4)
    writer.write(5, {"loss": 1.0})
    writer.close()
    assert precious.read_text() == '{"step": 2, "loss": 1.5}\n'
    precious.write_text("of someone's")
    state = TrainState(np.int32(3), drawn({"a": jax.ShapeDtypeStruct((4,), np.float32)}), {}, None)
    elsewhere = tmp_path / "elsewhere" / "60"
    elsewhere.mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(elsewhere.parent)
    with pytest.raises(UserError, match="it is a link"):
        with checkpoints.open_checkpoints(tmp_path / "run"):
            pass
    assert elsewhere.exists()
    with checkpoints.open_checkpoints(tmp_path) as manager:
        checkpoints.save(manager, state._replace(rng=jax.random.key(0)))
    assert {path.name for path in (tmp_path / "checkpoints/3").iterdir()} >= {"sha256.json"}
    assert not [*tmp_path.rglob("*.part")]


@pytest.mark.slow
def test_an_evaluation_and_a_resume_write_through_no_link(run, precious):
    for name in ("results.json.part", ".results.lock", "plots/traversals.png", "plots/graph.png"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(precious)
    program(evaluate.main, f"--workdir={run}", "--metrics=terms")()
    resume(run)


def test_a_report_passes_on_no_file_behind_a_link(run, tmp_path):
    secret = b"\x89PNG\r\n\x1a\n of someone's"
    (tmp_path / "secret.png").write_bytes(secret)
    plots = run / "plots"
    plots.mkdir(exist_ok=True)
    (plots / "samples.png").write_bytes(b"\x89PNG\r\n\x1a\n drawn")
    for name, make in {
        "traversals.png": lambda path: path.symlink_to(tmp_path / "secret.png"),
        "effects.png": lambda path: path.write_bytes(b"no picture"),
        "structure.png": os.mkfifo,
        "curves.png": lambda path: path.write_bytes(bytes(17 << 20)),
    }.items():
        (plots / name).unlink(missing_ok=True)
        make(plots / name)
    config, results = read_config(run), read_results(run / "results.json")
    assert set(run_page._report(run, config, results, (), "").pictures) == {"samples"}
    plots.rename(tmp_path / "elsewhere")
    plots.symlink_to(tmp_path / "elsewhere")
    assert not run_page._report(run, config, results, (), "").pictures


WRITER = """
import pathlib
class SummaryWriter:
    def __init__(self, folder, purge_step):
        pathlib.Path(folder).mkdir(exist_ok=True)
        (pathlib.Path(folder) / "events").touch()
    def close(self):
        pass
"""


def test_curves_for_tensorboard_go_to_a_folder_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "tensorboardX.py").write_text(WRITER)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)  # forgotten again after the test
    del sys.modules["tensorboardX"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tensorboard").symlink_to(tmp_path / "elsewhere")
    MetricsWriter(tmp_path, 0).close()
    assert not any((tmp_path / "elsewhere").iterdir())
    assert (tmp_path / "tensorboard" / "events").exists()


def test_a_picture_replaces_a_link(tmp_path, precious):
    import matplotlib.figure

    (tmp_path / "a.png").symlink_to(precious)
    page.save(matplotlib.figure.Figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "a.png").is_symlink()


def test_a_download_goes_to_no_link(tmp_path, precious, monkeypatch):
    class Response:
        status, length, content = 200, 0, b"new"

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def read(self, count):
            content, self.content = self.content, b""
            return content

    monkeypatch.setattr(sources.urllib.request, "urlopen", lambda *args, **kwargs: Response())
    (tmp_path / "a.part").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        sources.download("https://example.com/a", tmp_path / "a.part")
