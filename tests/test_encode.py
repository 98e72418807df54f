"""`cvae encode`: latents of images in a file, beside the names of the pictures."""

import csv

import helpers
import numpy as np
import pytest
from PIL import Image

import cvae_jax
from cvae_jax import encode
from cvae_jax.errors import UserError
from cvae_jax.runs import encoding
from cvae_jax.runs.workdir import read_json
from cvae_jax.training.loop import train_and_evaluate


@pytest.mark.slow
def test_train_evaluate_and_encode_unlabelled_grey_images(tmp_path, capsys):
    """From a folder to latents in a file: no factor score, no IoU, everything else."""
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
    encode.main([*arguments, f"--out={tmp_path / 'latents.npz'}"])
    assert "40 images, 4 latents each" in capsys.readouterr().out
    encode.main([*arguments, f"--out={tmp_path / 'latents.csv'}", f"--data=folder:{folder}"])
    latents = np.load(tmp_path / "latents.npz")
    with open(tmp_path / "latents.csv") as stream:
        header, *rows = csv.reader(stream)
    numbers = range(1, 5)
    assert header == ["picture", *(f"z{j}" for j in numbers), *(f"logvar{j}" for j in numbers)]
    assert [row[0] for row in rows] == [*latents["picture"]] == [f"{i:02}.png" for i in range(40)]
    values = np.array([row[1:5] for row in rows], float)
    np.testing.assert_allclose(values, latents["mean"], rtol=1e-6)
    model = cvae_jax.load(workdir)
    pixels = np.stack([np.asarray(Image.open(f)) for f in sorted(folder.glob("*.png"))])
    np.testing.assert_allclose(
        model.encode(pixels[..., None])[0], latents["mean"], rtol=1e-3, atol=1e-4
    )
    for wrong, message in (
        (f"--out={tmp_path / 'latents.txt'}", "must end in .npz or .csv"),
        (f"--out={tmp_path / 'no' / 'latents.csv'}", "there is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            encode.main([*arguments, wrong])
    colour = helpers.write_three_pictures(tmp_path / "colour", "RGB")
    with pytest.raises(UserError, match="trained on images of 1 channel"):
        encode.main([*arguments, f"--data=folder:{colour}", f"--out={tmp_path / 'c.npz'}"])


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_latents_beside_the_names_of_their_pictures(tmp_path, suffix):
    """In the order in which the pictures are read, those of subfolders too."""
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    dataset = helpers.load_folder(folder, tmp_path / "data")
    shades = dataset.images(np.arange(3)).mean((1, 2))  # [3, 1], in place of latents
    names = encoding._names(f"folder:{folder}")
    out = tmp_path / f"latents.{suffix}"
    encoding.save(out, dataset, shades, shades, names)
    if suffix == "csv":
        with out.open() as stream:
            found = {row["picture"]: float(row["z1"]) for row in csv.DictReader(stream)}
    else:
        latents = np.load(out)
        found = dict(zip(latents["picture"].tolist(), latents["mean"][:, 0], strict=True))
    assert found == dict(zip(helpers.THREE, (60, 120, 180), strict=True))
    # a path of bytes that are no UTF-8
    encoding.save(out, dataset, shades, shades, ["\udcff.png", *names[1:]])
    assert suffix == "npz" or b"\xff.png,120.0" in out.read_bytes()
