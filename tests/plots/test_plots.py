import pathlib
import time
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cvae_jax import plots
from cvae_jax.devices import batches
from cvae_jax.evaluation import pictures
from cvae_jax.plots import animation, cells, graph, page, training

HEAD = {"title": "A title", "subtitle": "a source"}
CHAIN = [(("z", 0),), (("z", 1), ("z_hat", 0)), (("z", 2), ("z_hat", 1), ("z_hat", 0))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plots" / "figure.png"


def read(path):
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[0] >= 200
    assert 400 <= pixels.shape[1] <= 2400
    assert (pixels[[0, -1]] == 255).all()  # nothing runs off the edge
    assert (pixels[:, [0, -1]] == 255).all()
    return pixels


def flat(*colors, size=16):
    """One-colour images, [n, size, size, 3]."""
    return np.broadcast_to(np.array(colors)[:, None, None, :], (len(colors), size, size, 3))


def centers(pixels, color):
    """Mean row and column of the pixels of one colour."""
    where = np.argwhere((pixels == np.round(np.multiply(color, 255))).all(axis=-1))
    assert len(where) > 100
    return where.mean(axis=0)


RED, LIME, BLUE, TEAL = (0.8, 0.0, 0.0), (0.0, 0.8, 0.0), (0.0, 0.0, 0.8), (0.0, 0.6, 0.6)


def test_reconstructions_stand_under_their_data(path):
    data, models = flat(RED, LIME), flat(BLUE, TEAL)
    assert plots.reconstructions(path, data, models, **HEAD) == path
    pixels = read(path)
    (y0, x0), (y1, x1) = centers(pixels, RED), centers(pixels, LIME)
    (y2, x2), (y3, x3) = centers(pixels, BLUE), centers(pixels, TEAL)
    np.testing.assert_allclose([y0, x0, y2, x1], [y1, x2, y3, x3])
    assert y0 < y2
    assert x0 < x1


def test_reconstructions_wrap_after_ten(path):
    colors = [(v / 20, 0.3, 0.6) for v in range(13)]
    plots.reconstructions(path, flat(*colors), flat(*colors), **HEAD)
    pixels = read(path)
    assert centers(pixels, colors[0])[0] == centers(pixels, colors[6])[0]
    assert centers(pixels, colors[0])[1] == centers(pixels, colors[7])[1]
    with pytest.raises(ValueError, match="differ in shape"):
        plots.reconstructions(path, flat(RED), flat(RED, BLUE), **HEAD)


def test_samples_keep_every_pixel_and_clip(path):
    image = np.linspace(-0.2, 1.2, 64).reshape(8, 8, 1)
    plots.samples(path, np.stack([image] * 5), **HEAD)
    pixels = read(path)
    values = np.round(255 * np.clip(image, 0, 1)).astype(int).ravel()
    rows, columns = np.nonzero(pixels[..., 0] == values[20])
    zoom = np.diff(np.flatnonzero(np.diff(columns) != 1)).min()  # the width of one enlarged pixel
    y, x = rows.min(), columns.min()  # of pixel (2, 4) in the first tile
    tile = pixels[y - 2 * zoom : y + 6 * zoom, x - 4 * zoom : x + 4 * zoom]
    np.testing.assert_array_equal(tile[zoom // 2 :: zoom, zoom // 2 :: zoom, 1].ravel(), values)


def test_traversals_run_from_left_to_right_with_one_latent_per_row(path):
    images = np.stack([flat(RED, LIME, BLUE), flat(TEAL, RED, RED)])
    labels = ["z1  KL 2.31  x position", "z2  KL 0.02"]
    assert plots.traversals(path, images, [-2, 0, 2], labels, **HEAD) == path
    pixels = read(path)
    assert centers(pixels, LIME)[1] < centers(pixels, BLUE)[1]
    assert centers(pixels, LIME)[0] == centers(pixels, BLUE)[0] < centers(pixels, TEAL)[0]
    assert (pixels[-50:] != 255).any()  # the values
    with pytest.raises(ValueError, match="1 labels and 3 values do not fit"):
        plots.traversals(path, images, [-2, 0, 2], labels[:1], **HEAD)


def test_animated_traversals_show_one_latent_per_cell_and_its_label(path):
    still, moving = flat(RED, RED, RED, RED), flat(LIME, BLUE, TEAL, BLUE)
    labels = ["$z_{12}$  KL 2.31  x position", "$z_{1}$  KL 0.02  unused"]
    path = path.with_suffix(".gif")
    assert plots.animated_traversals(path, np.stack([still, moving]), labels) == path
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (4, 0, 70)
        frames = []
        for k in range(4):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    for pixels, color in zip(frames, (LIME, BLUE, TEAL, BLUE), strict=True):
        (y0, x0), (y1, x1) = centers(pixels, RED), centers(pixels, color)
        assert y0 == y1
        assert x1 - x0 == 128 + 8
        assert (pixels[-30:, :128] != 255).any()  # the label
        assert (pixels[[0, -1]] == 255).all()
        assert (pixels[:, [0, -1]] == 255).all()
    with pytest.raises(ValueError, match="1 labels do not fit"):
        plots.animated_traversals(path, np.stack([still, moving]), labels[:1])


def test_animated_traversals_of_colourful_images_stay_small(path):
    noise = np.random.default_rng(0).random((2, 12, 32, 32, 3))
    labels = ["$z_{1}$", "$z_{2}$"]
    sizes = []
    for limit in (10**7, 140_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(animation, "_BYTES", limit)
            sizes.append(plots.animated_traversals(path, noise, labels).stat().st_size)
    assert sizes[1] < 140_000 < sizes[0]


def test_one_latent_moves_at_a_time(monkeypatch):
    taken = []

    def decode(z):
        taken.append(len(z))
        return np.stack([z, 10 * z], axis=1)[..., None]  # its "images" are [2, d, 1]

    config = SimpleNamespace(data=SimpleNamespace(size=2))
    model = SimpleNamespace(config=config, channels=1, decode=decode)
    monkeypatch.setattr(batches, "at_once", lambda size, channels: 3)
    images = pictures.moved(model, np.array([1.0, 2.0, 3.0]), [2, 0], [-5.0, 0.0])
    assert taken == [3, 1]
    assert images.shape == (2, 2, 2, 3, 1)
    expected = [[[1, 2, -5], [1, 2, 0]], [[-5, 2, 3], [0, 2, 3]]]
    np.testing.assert_array_equal(images[:, :, 0, :, 0], expected)


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 2), (0, 8, 8, 1)])
def test_images_of_another_shape_are_refused(path, shape):
    with pytest.raises(ValueError, match="images must be"):
        plots.samples(path, np.zeros(shape), **HEAD)


@pytest.mark.parametrize(
    "parents",
    [
        [(("z", j),) for j in range(3)],
        [*CHAIN, *((("z", j),) for j in range(3, 10))],
        [*CHAIN, *((("z", j),) for j in range(3, 32))],
        [(), (("z", 0), ("z", 1))],
    ],
)
def test_structure_draws_any_dag(path, parents):
    assert plots.structure(path, parents, **HEAD) == path
    accent = [int(page.ACCENT[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    centers(read(path), accent)


def test_structure_places_children_below_and_between_their_parents():
    nodes = graph.layout(CHAIN).nodes
    assert nodes["z_hat", 0][1] < nodes["z_hat", 1][1] < nodes["z_hat", 2][1]
    assert graph._column_order([0, 1, 2], [(0, 2), (1, 2)]) == [0, 2, 1]
    tower = [(0, 2), (1, 2), (2, 4), (3, 4)]
    assert graph._column_order([0, 1, 2, 3, 4], tower) == [0, 2, 1, 4, 3]


def test_a_structure_of_many_latents_is_ordered_in_seconds():
    """All moves of all latents were tried at each step: 72 seconds of 40 latents, hours of 100."""
    rng = np.random.default_rng(0)
    tree = [(int(rng.integers(j)), j) for j in range(1, 100)]
    start = time.process_time()
    assert sorted(graph._column_order(list(range(100)), tree)) == [*range(100)]
    assert time.process_time() - start < 5


def test_edges_bend_around_nodes():
    from matplotlib.figure import Figure

    axes = Figure().add_axes((0, 0, 1, 1))
    nodes = {("z_hat", i): (i, -i, 0.2) for i in range(3)}  # in one line
    graph._arrow(axes, nodes, ("z_hat", 0), ("z_hat", 1))
    graph._arrow(axes, nodes, ("z_hat", 0), ("z_hat", 2))
    straight, bent = (patch.get_connectionstyle().rad for patch in axes.patches)
    assert straight == 0
    assert abs(bent) > 0.1


def test_curves_draw_any_number_of_terms(path):
    steps = 100 * np.arange(1, 61)
    noise = np.random.default_rng(0).normal(size=60)
    for count in (1, 4, 7):
        terms = {f"term {i} (nats)": 10**i * (5 + noise) for i in range(count)}
        assert plots.curves(path, steps, terms, **HEAD) == path
        assert (read(path) != 255).any(axis=-1).mean() > 0.01


def test_curves_of_a_diverged_run_are_drawn(path):
    broken = np.where(np.arange(60) < 30, 1.0, np.nan)
    terms = {"a": broken, "b": np.full(60, np.nan), "c": np.zeros(60), "d": broken * np.inf}
    plots.curves(path, np.arange(60), terms, **HEAD)
    plots.curves(path, [0], {"a": [1.0]}, **HEAD)
    read(path)


def test_running_mean_keeps_constants_and_gaps():
    values = np.where(np.arange(50) % 7 == 0, np.nan, 3.0)
    np.testing.assert_allclose(training.running_mean(values), values)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3294, "0.329"), (-17.26, "−17.3"), (1291.3, "1291"), (-596297, "−596k"), (2e6, "2M")],
)
def test_numbers_are_short(value, text):
    assert training._number(value) == text


def test_figures_leave_no_global_state():
    for path in pathlib.Path(plots.__file__).parent.glob("*.py"):
        assert "pyplot" not in path.read_text(encoding="utf-8")


def test_effects_print_every_value_as_it_is():
    axes = Figure().add_subplot()
    values = np.array([[0.25, 1.0, 10.25, 0.001, np.nan, -0.5]])
    cells.cells(axes, values, np.zeros_like(values, bool), 0, 1, 0.5)
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "10.25", "·", "", "-0.50"]


@pytest.mark.parametrize(
    ("suffix", "begins"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("", b"\x89PNG")]
)
def test_figures_have_the_format_of_their_name(tmp_path, suffix, begins):
    path = tmp_path / f"figure.{suffix}".rstrip(".")
    training_curves = {"recon": np.arange(5.0)}
    plots.curves(path, np.arange(5), training_curves, **HEAD)
    assert path.read_bytes().startswith(begins)


def test_wrong_arguments_of_figures_are_named(path):
    with pytest.raises(ValueError, match=r"png, pdf, svg, not \.jpeg"):
        plots.curves(path.with_suffix(".jpeg"), [0, 1], {"a": [0, 1]}, **HEAD)
    with pytest.raises(ValueError, match="a metric or more"):
        plots.curves(path, [0, 1], {}, **HEAD)
    with pytest.raises(ValueError, match=r"kl_per_dim \(2, 3\)"):
        plots.curves(path, [0, 1], {"kl_per_dim": np.zeros((2, 3))}, **HEAD)
    with pytest.raises(ValueError, match="'postrior' is not one of prior, posterior"):
        plots.structure(path, CHAIN, source="postrior", **HEAD)
