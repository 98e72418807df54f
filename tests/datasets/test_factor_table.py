"""factors.csv, the labels of a folder's pictures: classes in their order, what is refused."""

import helpers
import numpy as np
import pytest

from cvae_jax.errors import UserError


def test_folder_with_labels(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    table = "file,shape,scale\nb.png,square,10\na.jpg,disc,9\nsub/c.PNG,square,9\nextra.png,x,1\n"
    (folder / "factors.csv").write_text(table)
    dataset = helpers.load_folder(folder, tmp_path / "data")
    assert dataset.factor_names == ("shape", "scale")
    np.testing.assert_array_equal(dataset.factors, [[0, 0], [1, 1], [1, 0]])  # 9 before 10
    assert dataset.factor_sizes == (2, 2)
    (folder / "factors.csv").write_text(table.replace("sub/c.PNG,square", "sub/c.PNG,triangle"))
    assert helpers.load_folder(folder, tmp_path / "data").factor_sizes == (3, 2)  # read again


def test_whole_numbers_that_floats_do_not_tell_apart_are_classes_of_their_own(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    table = "file,id\nb.png,9007199254740993\na.jpg,9007199254740992\nsub/c.PNG,0.5\n"
    (folder / "factors.csv").write_text(table)
    dataset = helpers.load_folder(folder, tmp_path / "data")
    np.testing.assert_array_equal(dataset.factors[:, 0], [1, 2, 0])  # a.jpg, b.png, sub/c.PNG


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,shape,x,x\n", "several columns named x"),
        ("file,shape,\n", "a column without a name"),
        ("file,shape\nb.png,1\na.jpg,\n", "line 3: no value of shape"),
        ("file,shape\nb.png,1\na.jpg,NaN\n", "line 3: no value of shape"),
    ],
)
def test_labels_that_would_count_wrongly(tmp_path, table, message):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    (folder / "factors.csv").write_text(table)
    with pytest.raises(UserError, match=message):
        helpers.load_folder(folder, tmp_path / "data")


def test_a_scale_of_values_is_warned_of(tmp_path, caplog):
    folder = tmp_path / "pictures"
    helpers.write_pictures(folder, helpers.noise_dataset(24, 8))
    lines = ["file,a,x", *(f"{i:03}.png,{i % 2},{i / 7}" for i in range(24))]
    (folder / "factors.csv").write_text("\n".join(lines))
    helpers.load_folder(folder, tmp_path / "data", 8)
    assert "x has 24 values in 24 pictures, each a class of its own" in caplog.text
    assert "a has" not in caplog.text
