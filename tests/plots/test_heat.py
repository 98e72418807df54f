"""The heat map of effects."""

import numpy as np
import pytest
from PIL import Image

from cvae_jax import plots, structures


@pytest.mark.parametrize("d", [2, 5, 21])
def test_heat_map_outlines_what_is_allowed(tmp_path, d):
    matrix = np.diag(np.linspace(0, 1.1, d))
    path = tmp_path / "plots" / "effects.png"
    parents = structures.parse("", d).parents
    rows = {"one": np.full(d, np.nan), "two": np.zeros(d)}
    head = {"title": "A title", "subtitle": "a source"}
    assert plots.effects(path, parents, matrix, np.eye(d), rows, **head) == path
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] <= 1600
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    accent = (pixels == [0x1F, 0x6F, 0x8B]).all(axis=-1)  # the last cell, and the end of the scale
    assert accent.sum() > 300
    plots.effects(tmp_path / "all.png", parents, matrix, np.ones((d, d)), rows, **head)
    outlined = np.asarray(Image.open(tmp_path / "all.png").convert("L"))
    assert (outlined < 60).sum() > (pixels.mean(axis=-1) < 60).sum() + 1000 * (d - 1)


HEAD = {"title": "", "subtitle": ""}
TWO = structures.parse("", 2).parents


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plots.effects("x.png", TWO, np.eye(2), np.eye(3), **HEAD),
            r"must both be \[d, d\]",
        ),
        (lambda: plots.effects("x.png", TWO, np.nan * np.eye(2), np.eye(2), **HEAD), "NaN"),
        (lambda: plots.effects("x.png", TWO, np.eye(2), np.eye(2), {"a": [1]}, **HEAD), "each of"),
    ],
)
def test_wrong_arguments_raise_a_one_line_message(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
