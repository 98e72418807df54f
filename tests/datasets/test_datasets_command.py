"""`cvae datasets`: the table of data sets, and one prepared."""

import helpers
import pytest

from cvae_jax.datasets import __main__ as datasets_program
from cvae_jax.datasets import catalogue
from cvae_jax.errors import UserError


def test_table_and_prepare(tmp_path, capsys):
    data_dir = f"--data_dir={tmp_path}"
    datasets_program.main(["datasets", data_dir])
    table = capsys.readouterr().out
    for name in (*catalogue.ENTRIES, "folder:PATH", "npz:PATH", "tfds:NAME", "mnist_5k"):
        assert name in table
    assert "prepared" not in table
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    datasets_program.main(["datasets", data_dir, "prepare", f"folder:{folder}"])
    assert "3 images, 3 pictures of pictures; factors: none" in capsys.readouterr().out
    (tmp_path / "heads3d" / "small" / "1.0.0").mkdir(parents=True)
    datasets_program.main(["datasets", data_dir])
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("heads3d_small")]
    assert line.endswith("prepared")
    with pytest.raises(UserError, match="no preparing"):
        datasets_program.main(["datasets", data_dir, "prepare", "npz:a.npz"])
    with pytest.raises(UserError, match="did you mean 'heads3d'"):
        datasets_program.main(["datasets", data_dir, "prepare", "heads3"])
