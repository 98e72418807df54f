"""A folder of pictures as a data set: what is read, when again, and what is refused."""

import os

import helpers
import numpy as np
import pytest
from PIL import Image

from cvae_jax.errors import UserError
from cvae_jax.training.loop import train_and_evaluate


def test_folder(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    dataset = helpers.load_folder(folder, tmp_path / "data")
    assert (dataset.size, dataset.channels, dataset.factor_names) == (16, 1, ())
    assert dataset.factors.shape == (3, 0)
    assert dataset.source == "3 pictures of pictures"
    images = dataset.images(np.arange(3))  # sorted by name: a.jpg, b.png, sub/c.PNG
    shades = np.array([120, 60, 180])[:, None, None, None]
    np.testing.assert_array_equal(images, np.broadcast_to(shades, (3, 16, 16, 1)))


def test_folder_in_colour_and_the_central_square(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    pixels = np.zeros((30, 90, 3), np.uint8)
    pixels[:, 30:60] = (10, 20, 30)
    Image.fromarray(pixels).save(folder / "wide.png")
    dataset = helpers.load_folder(folder, tmp_path / "data", 64)
    images = dataset.images(np.arange(4))
    assert images.shape == (4, 64, 64, 3)
    np.testing.assert_array_equal(images[3], np.broadcast_to((10, 20, 30), (64, 64, 3)))
    assert (images[0] == 120).all()  # grey as colour


def test_folder_is_read_again_when_a_picture_changes(tmp_path, caplog):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    helpers.load_folder(folder, tmp_path / "data")
    (folder / "b.png").unlink()
    dataset = helpers.load_folder(folder, tmp_path / "data")
    assert dataset.num_images == 2
    os.chmod(folder / "a.jpg", 0)
    helpers.load_folder(folder, tmp_path / "data")  # unchanged: no picture is opened
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "a.jpg").write_bytes(b"no picture"), r"a\.jpg is no picture"),
        (lambda f: os.truncate(f / "a.jpg", 45), r"a\.jpg is no picture"),
        (lambda f: (f / "factors.csv").write_text("file\n"), "needs a header such as"),
        (lambda f: (f / "factors.csv").write_text(""), "needs a header such as"),
        (lambda f: (f / "factors.csv").write_text("file,a\nb.png,1\n"), r"no row for a\.jpg \(2"),
        (lambda f: (f / "factors.csv").write_text("file,a\nb.png,1,2\n"), "line 2: 3 values for 2"),
        (lambda f: [(f / n).unlink() for n in helpers.THREE], "holds no pictures"),
    ],
)
def test_wrong_folder(tmp_path, change, message):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    change(folder)
    with pytest.raises(UserError, match=message) as caught:
        helpers.load_folder(folder, tmp_path / "data")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "data").rglob("*.npy*"))


def test_pictures_are_as_a_viewer_shows_them(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    half = np.zeros((16, 16), np.uint8)
    half[:8] = 255  # bright above; turned by a quarter: bright on the right
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(half).save(folder / "a.png", exif=turned)
    disc = np.zeros((16, 16, 2), np.uint8)
    disc[4:12, 4:12, 1] = 255  # black on nothing
    Image.fromarray(disc, "LA").save(folder / "b.png")
    Image.fromarray(half).convert("P").save(folder / "c.gif")  # a palette of greys
    deep = np.linspace(0, 60_000, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(folder / "d.png", transparency=0)
    dataset = helpers.load_folder(folder, tmp_path / "data")
    assert dataset.channels == 1
    a, b, c, d = dataset.images(np.arange(4))[..., 0]
    assert (a[:, 8:] == 255).all()
    assert (a[:, :8] == 0).all()
    assert (b[4:12, 4:12] == 0).all()
    assert b[0, 0] == 255
    np.testing.assert_array_equal(c, half)
    np.testing.assert_array_equal(d, deep >> 8)


def test_a_folder_of_another_state_is_no_damage(tmp_path, caplog, monkeypatch):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    helpers.load_folder(folder, tmp_path / "data")
    (folder / "b.png").unlink()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        helpers.load_folder(folder, tmp_path / "data")
        assert "has changed: read again" in caplog.text
        assert "damaged" not in caplog.text
        caplog.clear()
        helpers.load_folder("pictures", tmp_path / "data")  # by another way to it
    assert not caplog.text


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        helpers.load_folder(tmp_path / "nothing", tmp_path)


def test_pictures_of_more_than_eight_bits(tmp_path):
    wide = np.full((20, 20), 60 * 256 + 17, np.uint16)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(wide).save(tmp_path / "pictures" / "a.png")
    dataset = helpers.load_folder(tmp_path / "pictures", tmp_path / "data")
    assert (dataset.images(np.arange(1)) == 60).all()
    Image.fromarray(np.zeros((20, 20), np.float32)).save(tmp_path / "pictures" / "b.tif")
    with pytest.raises(UserError, match=r"b\.tif is no picture .*mode F: make them 8 or 16 bits"):
        helpers.load_folder(tmp_path / "pictures", tmp_path / "data")


def test_fewer_pictures_than_a_batch_are_refused(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    config = helpers.small_config(**{"data.name": f"folder:{folder}", "data.size": 16})
    config.data.dir = str(tmp_path / "data")
    with pytest.raises(UserError, match=r"batch_size is 16 and folder:.* has 3 images: set it"):
        train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config.batch_size = 8
    config.data.name = "folder:nowhere"
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        train_and_evaluate(config, tmp_path / "run")
