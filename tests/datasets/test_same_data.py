"""A run keeps to the data it began with, wherever they lie."""

import shutil

import helpers
import numpy as np
import pytest
from PIL import Image

from cvae_jax import encode, evaluate, rank
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluation
from cvae_jax.runs import data_record
from cvae_jax.runs.workdir import read_json
from cvae_jax.training.loop import train_and_evaluate


def test_a_run_resumes_with_its_own_data_alone(tmp_path):
    folder = helpers.write_three_pictures(tmp_path / "pictures")

    def begin():
        dataset = helpers.load_folder(folder, tmp_path / "data")
        data_record.require_same(tmp_path, dataset)
        data_record.keep(tmp_path, dataset)

    begin()
    begin()  # as they were
    kept = read_json(tmp_path / "data.json")
    Image.new("L", (20, 16), 61).save(folder / "b.png")  # it was 60
    with pytest.raises(UserError, match=r"data differ from those .* \(other pixels\)"):
        begin()
    helpers.write_three_pictures(folder)
    (folder / "factors.csv").write_text("file,shape\nb.png,0\na.jpg,1\nsub/c.PNG,0\n")
    with pytest.raises(UserError, match="put those back, or name another --workdir"):
        begin()
    assert read_json(tmp_path / "data.json") == kept


def test_pictures_in_another_order_are_other_data(tmp_path):
    """Their mean is the same, and batches would hold other pictures."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    pictures = rng.integers(0, 255, (150, 1, 1, 1)) * np.ones((1, 16, 16, 1))

    def write(order):
        for number, i in enumerate(order):
            Image.fromarray(pictures[i, ..., 0].astype(np.uint8)).save(folder / f"{number:03}.png")
        return helpers.load_folder(folder, tmp_path / "data")

    data_record.keep(tmp_path, write(range(150)))
    with pytest.raises(UserError, match=r"other pixels"):
        data_record.require_same(tmp_path, write(range(150)[::-1]))
    data_record.require_same(tmp_path, write(range(150)))


def test_another_source_or_shape_is_refused_by_its_name(tmp_path):
    dataset = helpers.noise_dataset(64, 8)
    data_record.keep(tmp_path, dataset)
    for other, message in (
        (dataset._replace(source="more noise"), "source noise -> more noise"),
        (helpers.noise_dataset(32, 8), "num examples 64 -> 32"),
        (helpers.noise_dataset(64, 16), "size 8 -> 16"),
        (dataset._replace(factor_names=("a", "c")), "factor names"),
    ):
        with pytest.raises(UserError, match=message):
            data_record.require_same(tmp_path, other)
    data_record.require_same(tmp_path, dataset)


@pytest.mark.slow
def test_a_folder_that_moved_is_known_by_its_contents(tmp_path, monkeypatch):
    """Trained by a relative path; evaluated from elsewhere, and where the pictures lie now."""
    monkeypatch.setattr(evaluation, "evaluate_run", lambda *args: {})
    helpers.write_pictures(tmp_path / "pictures", helpers.noise_dataset(32, 8))
    data = {"data.name": "folder:pictures", "data.dir": str(tmp_path / "data")}
    short = {"num_steps": 1, "checkpoint_every": 1, "cascade.weight": 0.0}
    config = helpers.small_config(**data, **short)
    monkeypatch.chdir(tmp_path)
    train_and_evaluate(config, "run")
    monkeypatch.undo()
    arguments = ["evaluate", f"--workdir={tmp_path / 'run'}", "--metrics=reconstruction"]
    monkeypatch.chdir("/")
    evaluate.main(arguments)
    before = read_json(tmp_path / "run/results.json")
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="there is no folder"):
        evaluate.main(arguments)
    moved = f"folder:{tmp_path / 'elsewhere'}"
    evaluate.main([*arguments, f"--data={moved}"])
    after = read_json(tmp_path / "run/results.json")
    assert after["scores"] == before["scores"]
    # The other commands find them too, and name the option that they have.
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    both = ["rank", str(tmp_path / "run"), str(tmp_path / "again")]
    with pytest.raises(UserError, match=r"^--data: there is no folder"):
        rank.main(both)
    rank.main([*both, f"--data={moved}"])
    np.save(tmp_path / "other.npy", np.zeros((40, 12, 12), np.uint8))
    with pytest.raises(UserError, match=r"12x12 pixels and 8x8 are asked .* make them 8x8, which"):
        encode.main(["encode", both[1], f"--data=npz:{tmp_path / 'other.npy'}"])
    np.save(tmp_path / "other.npy", np.zeros((32, 8, 8), np.uint8))
    with pytest.raises(UserError, match=r"trained on other data than npz.*rank runs on the same"):
        rank.main([*both, f"--data=npz:{tmp_path / 'other.npy'}"])
    assert after["data"] == before["data"]
    colour = helpers.write_three_pictures(tmp_path / "colour", "RGB")
    with pytest.raises(UserError, match=r"trained on images of 1 channel\(s\) and .* has 3"):
        evaluate.main([*arguments, f"--data=folder:{colour}"])
    config.data.name = moved
    monkeypatch.setattr(evaluation, "evaluate_run", lambda *args: {})
    train_and_evaluate(config, tmp_path / "run")  # nothing left to train, and not refused
    assert read_json(tmp_path / "run/config.json")["data"]["name"] == moved
