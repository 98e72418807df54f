"""The picture of a hierarchy: what stands where, how thick edges are, and that nothing overlaps."""

import itertools

import numpy as np
import pytest
from fixtures.random_dags import SETTINGS, dags
from hypothesis import given
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch
from PIL import Image

from cvae_jax import plots, structures
from cvae_jax.plots import arrows, levels, page, routes, strips
from cvae_jax.structures.wholes import families

HEAD = {"title": "A title", "subtitle": "a source"}
COLORS = np.array([(0.8, 0, 0), (0, 0.8, 0), (0, 0, 0.8), (0.6, 0.6, 0), (0.6, 0, 0.6)])


def parents_of(text, latents):
    return structures.from_config(text, latents).parents


def one_colour_each(d, steps=5, size=8):
    """Traversals [d, steps, size, size, 3] that tell latents apart."""
    colors = np.resize(COLORS, (d, 3))
    return np.broadcast_to(colors[:, None, None, None], (d, steps, size, size, 3))


@pytest.fixture
def drawn(monkeypatch):
    """Draws to a figure that is not saved, and returns it."""
    monkeypatch.setattr(page, "save", lambda figure, path: figure)

    def draw(text, latents, information=None, effects=None, **kwargs):
        captions = [("KL 2.31", "orientation 62 %", "scale 31 %")] * latents
        images = kwargs.pop("images", one_colour_each(latents))
        parents = parents_of(text, latents)
        return plots.hierarchy(None, parents, images, captions, information, effects, **HEAD)

    return draw


def cards(figure):
    """(left, bottom, right, top) of each node's card."""
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    return [(*b.get_bbox().p0, *b.get_bbox().p1) for b in boxes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decompose3", {0: 1, 1: 0, 2: 0, 3: 0}),
        ("compose3", {0: 0, 1: 0, 2: 0, 3: 1}),
        ("tower", {0: 0, 1: 0, 2: 1, 3: 0, 4: 2}),
        ("2>4", {1: 1, 3: 0}),  # does not say which is the whole
        ("1>2 1>3 2>4 3>4", {0: 1, 1: 0, 2: 0, 3: 1}),  # two wholes of the same parts
        ("1>3 2>3 3>4 3>5", {0: 0, 1: 0, 2: 1, 3: 0, 4: 0}),
        ("1>3 1>4 2>3 2>4", {0: 1, 1: 1, 2: 0, 3: 0}),  # each is whole and part of another
        ("z1>2 1>3", {0: 1, 2: 0}),
    ],
)
def test_wholes_are_above_their_parts(text, expected):
    assert levels.orders(parents_of(text, 6)) == expected


@SETTINGS
@given(dags)
def test_orders_are_those_of_families_or_of_arrows(structure):
    order, edges = levels.orders(structure.parents), structure.edges
    assert set(order) == {node for edge in edges for node in edge}
    wholes = [(w, p) for w, parts in families(structure.parents) for p in parts]
    by_families = all(order[whole] > order[part] for whole, part in wholes)
    assert by_families or all(order[i] > order[j] for i, j in edges)
    assert not order or min(order.values()) == 0


@SETTINGS
@given(dags)
def test_neither_nodes_nor_edges_cover_a_node(structure):
    parents = structure.parents
    if not structure.edges:
        return
    width, gap, lane, height = 1.0, 0.2, 0.3, 0.5
    room = levels.needed(parents, width, gap, lane)
    places = levels.placed(parents, width, room, gap, lane)
    for a, b in itertools.combinations(places.x, 2):
        if places.level[a] == places.level[b]:
            assert abs(places.x[a] - places.x[b]) >= width + gap - 1e-9
    assert all(width / 2 - 1e-9 <= x <= room - width / 2 + 1e-9 for x in places.x.values())
    meets, _ = routes.ends(places, width)
    heads = dict.fromkeys(places.routes, 0.1)
    for curve in routes.paths(places, meets, heads, height, 1.0, 0.05).values():
        for node, x in places.x.items():
            bottom = 1.5 * places.level[node]
            inside = np.abs(curve[:, 0] - x) < width / 2
            inside &= (curve[:, 1] > bottom) & (curve[:, 1] < bottom + height)
            assert not inside.any()


def test_edges_are_as_wide_as_their_information(drawn):
    information = {(0, 3): (0.3, 0.2, 0.4), (1, 3): (0.9, 0.8, 1.0), (2, 3): (0.0, -0.03, 0.03)}
    lines = drawn("compose3", 5, information).axes[0].lines
    weak, strong, none = sorted(lines, key=lambda line: line.get_xdata()[0])
    assert strong.get_linewidth() == pytest.approx(3 * weak.get_linewidth())
    assert none.get_linewidth() < weak.get_linewidth()
    colors = [to_hex(line.get_color()) for line in (weak, strong, none)]
    assert colors == [page.ACCENT, page.ACCENT, page.PALE]
    assert arrows.line_width(2.0) == arrows.line_width(5.0) > arrows.line_width(1.9)


def test_edges_without_information_have_no_number(drawn):
    known = drawn("compose3", 4, {(0, 3): (0.31, 0.2, 0.4)})
    unknown = drawn("compose3", 4)

    def numbers(figure):
        return [t.get_text() for t in figure.axes[0].texts if t.get_text()[0].isdigit()]

    assert numbers(known) == ["0.31"]
    assert numbers(unknown) == []
    assert len(known.axes[0].lines) == len(unknown.axes[0].lines) == 3
    assert len({line.get_linewidth() for line in unknown.axes[0].lines}) == 1


@pytest.mark.parametrize(
    ("text", "latents", "nodes"),
    [("decompose3", 10, 4), ("tower", 5, 5), ("2>3", 3, 2), ("z1>2 4>5 5>6 4>6", 7, 3)],
)
def test_each_node_with_an_edge_has_a_card_and_a_strip(drawn, text, latents, nodes):
    figure = drawn(text, latents, effects=(np.eye(latents)[:, :2], ["a", "b"]))
    assert len(figure.images) == len(cards(figure)) == nodes
    assert sum(isinstance(patch, Circle) for patch in figure.axes[0].patches) == nodes
    for image, (left, bottom, right, top) in zip(figure.images, cards(figure), strict=True):
        height, width = np.array(image.get_array().shape[:2]) / figure.dpi
        x, y = image.ox / figure.dpi, image.oy / figure.dpi
        assert left < x < x + width < right
        assert bottom < y < y + height < top


def test_high_order_nodes_are_above_in_the_file(tmp_path):
    for text, whole in (("decompose3", 0), ("compose3", 3)):
        path = tmp_path / "plots" / f"{text}.png"
        captions = [("KL 1.00",)] * 5
        arguments = parents_of(text, 5), one_colour_each(5), captions
        assert plots.hierarchy(path, *arguments, **HEAD) == path
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
            assert (edge == 255).all()  # nothing runs off it
        rows = {}
        for j in range(5):
            here = (pixels == np.round(255 * COLORS[j])).all(axis=-1)
            rows[j] = np.argwhere(here).mean(axis=0)[0] if here.any() else None
        assert rows.pop(4) is None  # it has no edge
        assert all(rows[whole] < row for j, row in rows.items() if j != whole)
        assert len({row for j, row in rows.items() if j != whole}) == 1


@pytest.mark.parametrize(
    ("text", "latents", "factors"),
    [
        (" ".join(f"{i}>11" for i in range(1, 11)), 11, 3),
        (" ".join(f"{i}>{j}" for i, j in itertools.combinations(range(1, 7), 2)), 6, 0),
        ("1>2", 2, 30),
        (" ".join(f"{i}>{i + 1}" for i in range(1, 32)), 32, 5),
        pytest.param(" ".join(f"1>{j}" for j in range(2, 31)), 30, 5, marks=pytest.mark.slow),
    ],
    ids=["ten_parts", "every_edge", "many_factors", "chain", "thirty_children"],
)
def test_any_dag_fits_its_picture(drawn, text, latents, factors):
    information = {edge: (1.0, 0.9, 1.1) for edge in structures.from_config(text, latents).edges}
    effects = (np.ones((latents, factors)), ["orientation"] * factors)
    figure = drawn(text, latents, information, effects)
    width, height = figure.get_size_inches()
    for left, bottom, right, top in cards(figure):
        assert 0 < left < right < width
        assert 0 < bottom < top < height - page.HEADER + 1e-9
    for line in figure.axes[0].lines:
        x, y = line.get_data()
        assert x.min() > 0.05
        assert x.max() < width - 0.05
        assert y.max() < height - page.HEADER


def test_the_effects_are_of_the_nodes_in_the_order_of_the_picture(drawn):
    matrix = np.arange(10).reshape(5, 2) / 10
    figure = drawn("compose2", 5, effects=(matrix, ["a", "b"]))
    printed = [t.get_text() for t in figure.axes[0].texts if t.get_text()[:2] in ("0.", "·")]
    printed = [text for text in printed if len(text) == 4 or text == "·"]
    assert printed == ["0.40", "0.50", "·", "0.10", "0.20", "0.30"]  # the whole, its two parts


def test_a_strip_shows_every_pixel_and_as_many_images_as_have_room():
    images = np.random.default_rng(0).random((3, 4, 5, 1))
    found = strips.canvas(images, zoom=2, gap=3)
    assert found.shape == (8, 3 * 10 + 2 * 3, 3)
    for i, image in enumerate(images):
        tile = found[::2, 13 * i : 13 * i + 10 : 2]
        np.testing.assert_array_equal(tile[..., 1], np.round(255 * image[..., 0]))
    assert (found[:, 10:13] == 255).all()
    assert strips.thinned(11, 3.4, 0.3).tolist() == list(range(11))
    assert strips.thinned(11, 2.4, 0.3).tolist() == [0, 2, 4, 6, 8, 10]
    assert strips.thinned(11, 1.0, 0.3).tolist() == [0, 5, 10]
    assert strips.thinned(11, 0.1, 0.3).tolist() == [0, 10]
    assert strips.thinned(1, 0.1, 0.3).tolist() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": ""}, "no edge"),
        ({"images": one_colour_each(2)}, "do not fit 3 latents"),
        ({"effects": (np.full((3, 1), np.nan), ["a"])}, "not finite"),
        ({"effects": (np.ones((3, 1)), ["a", "b"])}, "of 2 factors"),
    ],
)
def test_wrong_arguments_raise_a_one_line_message(drawn, change, message):
    with pytest.raises(ValueError, match=message) as error:
        drawn(**{"text": "1>3 2>3", "latents": 3} | change)
    assert "\n" not in str(error.value)
