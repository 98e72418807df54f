"""Checkpoints: saved, restored, the last three kept; damage is named."""

import subprocess

import helpers
import pytest

from cvae_jax.errors import UserError
from cvae_jax.runs import checkpoints


def test_checkpoints_round_trip_keep_three_and_name_damage(tmp_path):
    with checkpoints.open_checkpoints(tmp_path) as manager:
        assert checkpoints.restore(manager, helpers.small_state()) is None
        for step in (1, 2, 3, 4):
            checkpoints.save(manager, helpers.small_state(step))
        assert checkpoints.saved_steps(manager) == [2, 3, 4]
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(4)
        )
    # one flipped bit in the largest file of the last checkpoint
    files = [p for p in (tmp_path / "checkpoints/4").rglob("*") if p.is_file()]
    target = max(files, key=lambda p: p.stat().st_size)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    with checkpoints.open_checkpoints(tmp_path) as manager:
        with pytest.raises(UserError, match=r"step 4 is damaged .* step 3, rm -r .*checkpoints/4$"):
            checkpoints.restore(manager, helpers.small_state())
    for name in ("3", "4"):
        subprocess.run(["rm", "-r", str(tmp_path / "checkpoints" / name)], check=True)
    with checkpoints.open_checkpoints(tmp_path) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(2)
        )


def test_a_save_killed_before_its_list_does_not_count(tmp_path):
    with checkpoints.open_checkpoints(tmp_path) as manager:
        for step in (1, 2):
            checkpoints.save(manager, helpers.small_state(step))
    (tmp_path / "checkpoints/2/sha256.json").unlink()
    with checkpoints.open_checkpoints(tmp_path, read_only=True) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(1)
        )
    assert (tmp_path / "checkpoints/2").exists()  # not a reader's to remove
    with checkpoints.open_checkpoints(tmp_path) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(1)
        )
        checkpoints.save(manager, helpers.small_state(2))
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(2)
        )


def test_a_file_missing_or_added_is_damage(tmp_path):
    with checkpoints.open_checkpoints(tmp_path) as manager:
        checkpoints.save(manager, helpers.small_state(1))
        (tmp_path / "checkpoints/1/added").write_text("x")
        with pytest.raises(UserError, match=r"damaged \(added is not as it was written\)"):
            checkpoints.restore(manager, helpers.small_state())
        (tmp_path / "checkpoints/1/added").unlink()
        checkpoints.restore(manager, helpers.small_state())
        next((tmp_path / "checkpoints/1").rglob("manifest.ocdbt")).unlink()
        with pytest.raises(UserError, match=r"manifest.ocdbt is not as it was written"):
            checkpoints.restore(manager, helpers.small_state())
