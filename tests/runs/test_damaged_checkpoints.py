"""A run's checkpoints, damaged: refused in one line that offers the one before."""

import hashlib
import json
import os
import shutil
import tracemalloc

import helpers
import pytest
from fixtures.damage import DEEP, FILES, HUGE, cases, refused
from fixtures.short_runs import in_checkpoint, resume

from cvae_jax.runs import checkpoints, loading
from cvae_jax.runs.workdir import read_json

pytestmark = pytest.mark.usefixtures("limits")


@cases(
    ("what", "damage"),
    {
        f"{what}-{name}": (what, damage)
        for what in ("array", "manifest.ocdbt", "_METADATA", "_CHECKPOINT_METADATA", "sha256.json")
        for name, damage in FILES.items()
    },
)
def test_a_damaged_checkpoint_is_refused(run, what, damage):
    damage(in_checkpoint(run, what))
    remedy = f"to resume from the one before it, step 2, rm -r {run}/checkpoints/4"
    refused(lambda: loading.load(run), "the checkpoint of step 4 is damaged", remedy)


def keep_but(run, content):
    """The list of the last checkpoint says so."""
    in_checkpoint(run, "sha256.json").write_bytes(content)


@cases(
    "content",
    {
        "list": b"[]",
        "null": b"null",
        "number": b"3",
        "nothing_listed": b"{}",
        "deep": DEEP,
        "other_types": b'{"default/manifest.ocdbt": 3}',
        "a_way_out": b'{"../../../config.json": "0"}',
    },
)
def test_a_senseless_list_is_refused(run, content):
    keep_but(run, content)
    refused(lambda: loading.load(run), "the checkpoint of step 4 is damaged", "rm -r")


def test_a_list_that_is_a_pipe_or_has_no_end_is_refused(run):
    path = in_checkpoint(run, "sha256.json")
    path.unlink()
    os.mkfifo(path)
    refused(lambda: loading.load(run), "the checkpoint of step 4 is damaged (it is no file)")
    path.unlink()
    with path.open("wb") as file:
        file.truncate(HUGE)
    refused(lambda: loading.load(run), "step 4 is damaged (it has 1,000,000,000,000 bytes")


def test_a_checkpoints_files_are_never_whole_in_memory(tmp_path):
    with (tmp_path / "array").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        found = checkpoints.hashes(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert found == {"array": hashlib.sha256(bytes(64 << 20)).hexdigest()}


def test_a_checkpoint_of_other_shapes_is_refused(run):
    content = read_json(run / "data.json") | {"channels": 3}
    (run / "data.json").write_text(json.dumps(content))
    refused(lambda: loading.load(run), "step 4", "another model", "put back the config.json")


def test_a_run_without_its_last_list_is_that_of_the_one_before(run, short_run, tmp_path):
    in_checkpoint(run, "sha256.json").unlink()
    before = shutil.copytree(short_run, tmp_path / "before")
    shutil.rmtree(before / "checkpoints/4")
    found = loading.load(run)
    assert found.step == 2
    helpers.assert_trees_equal(found.params, loading.load(before).params)


@cases("name", {name: name for name in ("_METADATA", "array", "sha256.json")})
def test_a_run_does_not_resume_from_a_damaged_checkpoint(run, name):
    FILES["a_bit"](in_checkpoint(run, name))
    refused(lambda: resume(run), "the checkpoint of step 4 is damaged", "rm -r")


@cases("content", {"file": b"", "zip": b"PK\3\4"})
def test_a_file_in_place_of_the_checkpoints_is_refused(run, content):
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").write_bytes(content)
    refused(lambda: loading.load(run), run)
    refused(lambda: resume(run), run / "checkpoints")
