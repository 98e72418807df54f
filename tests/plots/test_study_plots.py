"""Pictures of a study show its numbers: what is where, how wide, in which shade."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from cvae_jax import plots
from cvae_jax.plots import correlations, page

HEAD = {"title": "A title", "subtitle": "a source"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plots" / "figure.png"


def read(path):
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert 400 <= pixels.shape[1] <= 2400
    assert (pixels[[0, -1]] == 255).all()  # nothing runs off the edge
    assert (pixels[:, [0, -1]] == 255).all()
    return pixels


def places(pixels, color):
    """Rows and columns [n, 2] of the pixels of one colour."""
    return np.argwhere((pixels == np.round(np.multiply(to_rgb(color), 255))).all(axis=-1))


def test_a_bar_is_divided_by_what_explains_the_variance(path):
    assert plots.shares(path, {"a": (0.5, 0.75), "b": (0.0, 0.25)}, **HEAD) == path
    pixels = read(path)
    colors = (page.ACCENT, page.ACCENT_LIGHT, page.FAINT)
    rows = np.unique(places(pixels, page.FAINT)[:, 0])
    widths = []
    for row in rows:  # above and below the numbers
        widths.append([len(places(pixels[[row]], color)) for color in colors])
    widths = np.array([w for w in widths if sum(w) > 0.5 * pixels.shape[1]])
    shares = widths / widths.sum(axis=1, keepdims=True)
    for expected in ([0.5, 0.25, 0.25], [0.0, 0.25, 0.75]):
        near = np.abs(shares - expected).max(axis=1) < 0.01
        assert near.sum() > 5


def test_shades_of_correlations(path):
    """The diagonal is the accent; 1 and -1 have the two ends, 0 and NaN are white."""
    matrix = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, np.nan], [0.0, np.nan, 1.0]])
    plots.correlation(path, matrix, ["first", "second $x$", "third"], **HEAD)
    pixels = read(path)
    positive, negative = places(pixels, page.ACCENT), places(pixels, correlations.NEGATIVE)
    side = correlations.CELL * page.DPI
    assert 0.8 < len(positive) / (3 * side**2) < 1  # less the numbers on them
    assert 0.8 < len(negative) / (2 * side**2) < 1
    # those of -1 lie beside the diagonal's upper left cell, and under it
    corner = positive.min(axis=0)
    np.testing.assert_allclose(negative.min(axis=0), corner, atol=5)
    np.testing.assert_allclose(negative.max(axis=0), corner + 2 * side, atol=5)
    np.testing.assert_allclose(positive.max(axis=0), corner + 3 * side, atol=5)
    with pytest.raises(ValueError, match=r"must be \[2, 2\], not \(3, 3\)"):
        plots.correlation(path, matrix, ["a", "b"], **HEAD)


def test_a_violin_lies_where_its_runs_do(path):
    """Five runs have one; fewer, or equal ones, have dots alone."""
    low, high = [0.0, 0.1, 0.2, 0.3, 0.4], [0.6, 0.7, 0.8, 0.9, 1.0]
    plots.violins(path, {"MIG": {"low": low, "few": [0.5], "high": high, "none": []}}, **HEAD)
    found = places(read(path), page.ACCENT_LIGHT)
    gap = np.diff(np.unique(found[:, 0])).argmax()  # between the rows of both
    middle = np.unique(found[:, 0])[gap]
    left, right = (found[found[:, 0] <= middle, 1], found[found[:, 0] > middle, 1])
    unit = (right.max() - left.min()) / 1.0  # pixels
    assert left.max() - left.min() == pytest.approx(0.4 * unit, abs=2)
    assert right.max() - right.min() == pytest.approx(0.4 * unit, abs=2)
    same = {"few": low[:4], "equal": [0.5] * 6}
    plots.violins(path, {"MIG": same}, **HEAD)
    assert not len(places(read(path), page.ACCENT_LIGHT))


def test_many_panels_and_long_names(path):
    name = "VAE with the cascade, structure 1>3 2>3, 3>5 4>5, 6>7 and all the others"
    panels = {f"score {i}": {name: [1.0 * i, 2.0 * i], "a" * 80: [i]} for i in range(5)}
    plots.violins(path, panels, **HEAD)
    read(path)


def test_a_row_holds_the_values_of_its_method_in_every_panel(tmp_path):
    """Whatever the order in which a panel's methods come."""
    of_mig = {"vae": [0.1], "b": [0.3]}
    panels = lambda sap: {"MIG": of_mig, "SAP": sap}
    pixels = []
    for name, sap in (("a", {"vae": [0.9], "b": [0.2]}), ("b", {"b": [0.2], "vae": [0.9]})):
        pixels.append(read(plots.violins(tmp_path / f"{name}.png", panels(sap), **HEAD)))
    assert (pixels[0] == pixels[1]).all()
    with pytest.raises(ValueError, match="SAP has the methods"):
        plots.violins(tmp_path / "c.png", panels({"vae": [0.9], "c": [0.2]}), **HEAD)


@pytest.mark.parametrize("values", [[], [np.nan], np.array([]), np.array([0.3, np.inf])])
def test_methods_without_values_have_empty_rows(path, values):
    read(plots.violins(path, {"MIG": {"vae": values}, "SAP": {"vae": [0.1]}}, **HEAD))
    read(plots.points(path, {"data": {"vae": values}}, score="MIG", **HEAD))
    by_seed = dict(enumerate(values))
    read(plots.pairs(path, {"vae": (by_seed, {0: 0.5})}, score="MIG", **HEAD))


def test_blank_names_are_drawn(path):
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert plots.correlation(path, matrix, [" ", "b"], **HEAD).exists()
