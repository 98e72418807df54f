"""Names of factors, methods and scores are users' own: of any length, in any script."""

import logging

import numpy as np
import pytest
from PIL import Image

from cvae_jax import plots

HEAD = {"title": "A title", "subtitle": "a source"}
LONG = ["Brightness of the square in the middle of the picture (levels)", "x" * 5_000]
RNG = np.random.default_rng(0)


def traversals(path, name):
    labels = [f"$z_{{{j}}}$  KL 1.00  {name} 62 %  {name} 31 %" for j in (1, 2)]
    plots.traversals(path, RNG.random((2, 11, 8, 8, 1)), np.linspace(-2, 2, 11), labels, **HEAD)


def factors(path, name):
    shares = np.eye(2)
    plots.factors(path, shares, shares > 0.5, ["$z_{1}$", "$z_{2}$"], [name, "b"], **HEAD)


def shares(path, name):
    plots.shares(path, {name: (0.2, 0.5), "b": (0.1, 0.2)}, **HEAD)


def correlation(path, name):
    plots.correlation(path, np.eye(2), [name, "b"], **HEAD)


def violins(path, name):
    plots.violins(path, {"mig": {name: [0.1, 0.2, 0.3], "b": [0.2]}}, **HEAD)


DRAWN = [traversals, factors, shares, correlation, violins]


@pytest.mark.parametrize("name", LONG, ids=["long", "longest"])
@pytest.mark.parametrize("draw", DRAWN)
def test_a_long_name_leaves_room_for_what_is_drawn(tmp_path, draw, name):
    """What is drawn is as wide as half of it beside a short name, the page hardly wider."""
    widths, sizes = [], []
    for text in ("a", name):
        draw(tmp_path / "plot.png", text)
        pixels = np.asarray(Image.open(tmp_path / "plot.png").convert("L"))
        sizes.append(pixels.shape)
        bands = pixels[int(0.66 * 200) :]  # below the title
        rightmost = np.flatnonzero((bands < 250).any(axis=0))
        widths.append(rightmost.max() - rightmost.min())
    assert max(sizes[1]) < 2_400
    assert widths[1] > 0.5 * widths[0]


def test_many_fields_of_a_label_leave_room(tmp_path):
    label = "  ".join(["$z_{1}$", "KL 1.00", *(f"factor_{i} 30 %" for i in range(40))])
    images, values = RNG.random((1, 11, 8, 8, 1)), np.linspace(-2, 2, 11)
    plots.traversals(tmp_path / "t.png", images, values, [label], **HEAD)
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.width <= 1_700


def test_letters_that_the_font_lacks_are_named_once(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            factors(tmp_path / "f.png", "色 鬱")
    (said,) = caplog.messages
    assert "色鬱" in said or "鬱色" in said


def test_a_map_of_many_latents_is_one_object(tmp_path):
    """A rectangle for each cell took a quarter of a minute for 128 latents, by their square."""
    path = tmp_path / "effects.svg"
    d = 60
    parents = [(("z", j),) for j in range(d)]
    plots.effects(path, parents, RNG.random((d, d)), np.zeros((d, d), bool), **HEAD)
    groups = path.read_text().count('<g id="')
    assert groups < 2 * d + 100
