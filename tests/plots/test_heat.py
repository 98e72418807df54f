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


@pytest.mark.parametrize(("d", "m"), [(1, 1), (3, 5), (10, 7), (30, 3), (4, 40)])
def test_factors_of_any_number_fit_the_page(tmp_path, d, m):
    """Nothing touches the edge, what is named is outlined, and a share of 1 has the accent."""
    shares = np.zeros((d, m))
    shares[0, 0] = 1
    path, named = tmp_path / "factors.png", shares > 0.5
    labels = [f"$z_{{{j + 1}}}$  KL 2.31" for j in range(d)], ["orientation"] * m
    head = {"title": "A title", "subtitle": "a source"}
    assert plots.factors(path, shares, named, *labels, **head) == path
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] <= 1750
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    accent = (pixels == [0x1F, 0x6F, 0x8B]).all(axis=-1)
    plain = tmp_path / "plain.png"
    plots.factors(plain, 0 * shares, named, *labels, **head)
    without = (np.asarray(Image.open(plain).convert("RGB")) == [0x1F, 0x6F, 0x8B]).all(axis=-1)
    assert accent.sum() > without.sum() + 100
    plots.factors(plain, shares, ~named, *labels, **head)
    other = np.asarray(Image.open(plain).convert("L"))
    if d * m > 1:
        assert (other < 60).sum() > (pixels.mean(axis=-1) < 60).sum()


@pytest.mark.parametrize(
    ("shares", "labels", "message"),
    [
        (np.ones((2, 1)), (["a"], ["b"]), "labels do not fit"),
        (np.ones((1, 0)), (["a"], []), r"must both be \[d, m\]"),
        (np.full((1, 1), np.nan), (["a"], ["b"]), "NaN"),
    ],
)
def test_wrong_shares_raise_a_one_line_message(shares, labels, message):
    with pytest.raises(ValueError, match=message) as error:
        plots.factors("x.png", shares, np.ones_like(shares), *labels, **HEAD)
    assert "\n" not in str(error.value)
