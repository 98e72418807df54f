"""Images of one's own: folders and their labels, the table of data sets, codes to a file."""

import csv
import os

import helpers
import numpy as np
import pytest
from PIL import Image

import cvae_jax
from cvae_jax import datasets, encode
from cvae_jax.datasets import __main__ as datasets_program
from cvae_jax.datasets import catalogue
from cvae_jax.errors import UserError
from cvae_jax.runs.workdir import read_json
from cvae_jax.training.loop import train_and_evaluate


def load(folder, root, size=16):
    return datasets.load(f"folder:{folder}", size, str(root))


def test_folder(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    dataset = load(folder, tmp_path / "data")
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
    dataset = load(folder, tmp_path / "data", 64)
    images = dataset.images(np.arange(4))
    assert images.shape == (4, 64, 64, 3)
    np.testing.assert_array_equal(images[3], np.broadcast_to((10, 20, 30), (64, 64, 3)))
    assert (images[0] == 120).all()  # grey as colour


def test_folder_with_labels(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    table = "file,shape,scale\nb.png,square,10\na.jpg,disc,9\nsub/c.PNG,square,9\nextra.png,x,1\n"
    (folder / "factors.csv").write_text(table)
    dataset = load(folder, tmp_path / "data")
    assert dataset.factor_names == ("shape", "scale")
    np.testing.assert_array_equal(dataset.factors, [[0, 0], [1, 1], [1, 0]])  # 9 before 10
    assert dataset.factor_sizes == (2, 2)
    (folder / "factors.csv").write_text(table.replace("sub/c.PNG,square", "sub/c.PNG,triangle"))
    assert load(folder, tmp_path / "data").factor_sizes == (3, 2)  # read again


def test_folder_is_read_again_when_a_picture_changes(tmp_path, caplog):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    load(folder, tmp_path / "data")
    (folder / "b.png").unlink()
    dataset = load(folder, tmp_path / "data")
    assert dataset.num_images == 2
    os.chmod(folder / "a.jpg", 0)
    load(folder, tmp_path / "data")  # unchanged: no picture is opened
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
        load(folder, tmp_path / "data")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "data").rglob("*.npy*"))


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
        load(folder, tmp_path / "data")


def test_a_scale_of_values_is_warned_of(tmp_path, caplog):
    folder = tmp_path / "pictures"
    helpers.write_pictures(folder, helpers.noise_dataset(24, 8))
    lines = ["file,a,x", *(f"{i:03}.png,{i % 2},{i / 7}" for i in range(24))]
    (folder / "factors.csv").write_text("\n".join(lines))
    load(folder, tmp_path / "data", 8)
    assert "x has 24 values in 24 pictures, each a class of its own" in caplog.text
    assert "a has" not in caplog.text


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
    dataset = load(folder, tmp_path / "data")
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
    load(folder, tmp_path / "data")
    (folder / "b.png").unlink()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        load(folder, tmp_path / "data")
        assert "has changed: read again" in caplog.text
        assert "damaged" not in caplog.text
        caplog.clear()
        load("pictures", tmp_path / "data")  # by another way to it
    assert not caplog.text


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        load(tmp_path / "nothing", tmp_path)


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
    with pytest.raises(UserError, match="did you mean 'heads3d'"):
        datasets_program.main(["datasets", data_dir, "prepare", "heads3"])


@pytest.mark.slow
def test_train_evaluate_and_encode_unlabelled_grey_images(tmp_path, capsys):
    """From a folder to codes in a file: no factor score, no IoU, everything else."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(folder / f"{i:02}.png")
    workdir, data_dir = tmp_path / "run", tmp_path / "data"
    data = {"data.name": f"folder:{folder}", "data.dir": str(data_dir), "data.size": 16}
    config = helpers.small_config(num_steps=4, **data)
    train_and_evaluate(config, workdir)
    names = set(read_json(workdir / "results.json")["scores"])
    assert not names & {"mig", "factor_score", "iou", "composition"}
    assert names >= {"squared_error", "recon", "kl", "elbo", "forbidden_dependence"}
    arguments = ["encode", f"--workdir={workdir}", f"--data_dir={data_dir}"]
    capsys.readouterr()
    encode.main([*arguments, f"--out={tmp_path / 'codes.npz'}"])
    assert "40 images, 4 latents each" in capsys.readouterr().out
    encode.main([*arguments, f"--out={tmp_path / 'codes.csv'}", f"--data=folder:{folder}"])
    codes = np.load(tmp_path / "codes.npz")
    with open(tmp_path / "codes.csv") as stream:
        header, *rows = csv.reader(stream)
    numbers = range(1, 5)
    assert header == ["picture", *(f"z{j}" for j in numbers), *(f"logvar{j}" for j in numbers)]
    assert [row[0] for row in rows] == [*codes["picture"]] == [f"{i:02}.png" for i in range(40)]
    values = np.array([row[1:5] for row in rows], float)
    np.testing.assert_allclose(values, codes["mean"], rtol=1e-6)
    model = cvae_jax.load(workdir)
    pixels = np.stack([np.asarray(Image.open(f)) for f in sorted(folder.glob("*.png"))])
    np.testing.assert_allclose(
        model.encode(pixels[..., None])[0], codes["mean"], rtol=1e-3, atol=1e-4
    )
    for wrong, message in (
        (f"--out={tmp_path / 'codes.txt'}", "must end in .npz or .csv"),
        (f"--out={tmp_path / 'no' / 'codes.csv'}", "there is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            encode.main([*arguments, wrong])
    colour = helpers.write_three_pictures(tmp_path / "colour", "RGB")
    with pytest.raises(UserError, match="trained on images of 1 channel"):
        encode.main([*arguments, f"--data=folder:{colour}", f"--out={tmp_path / 'c.npz'}"])


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_codes_beside_the_pictures_that_they_are_of(tmp_path, suffix):
    """In the order in which the pictures are read, those of subfolders too."""
    dataset = load(helpers.write_three_pictures(tmp_path / "pictures"), tmp_path / "data")
    shades = dataset.images(np.arange(3)).mean((1, 2))  # [3, 1], in place of codes
    names = encode._names(f"folder:{tmp_path / 'pictures'}")
    out = tmp_path / f"codes.{suffix}"
    encode.save(out, dataset, shades, shades, names)
    if suffix == "csv":
        with out.open() as stream:
            found = {row["picture"]: float(row["z1"]) for row in csv.DictReader(stream)}
    else:
        codes = np.load(out)
        found = dict(zip(codes["picture"].tolist(), codes["mean"][:, 0], strict=True))
    assert found == dict(zip(helpers.THREE, (60, 120, 180), strict=True))
    # a path of bytes that are no UTF-8
    encode.save(out, dataset, shades, shades, ["\udcff.png", *names[1:]])
    assert suffix == "npz" or b"\xff.png,120.0" in out.read_bytes()


def test_pictures_of_more_than_eight_bits(tmp_path):
    wide = np.full((20, 20), 60 * 256 + 17, np.uint16)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(wide).save(tmp_path / "pictures" / "a.png")
    assert (load(tmp_path / "pictures", tmp_path / "data").images(np.arange(1)) == 60).all()
    Image.fromarray(np.zeros((20, 20), np.float32)).save(tmp_path / "pictures" / "b.tif")
    with pytest.raises(UserError, match=r"b\.tif is no picture .*mode F: make them 8 or 16 bits"):
        load(tmp_path / "pictures", tmp_path / "data")


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
