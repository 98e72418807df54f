"""The picture of a hierarchy from a run's scores and traversals, or from a record of 0.1."""

import numpy as np
import pytest

from cvae_jax import structures
from cvae_jax.evaluation import hierarchy_picture, pictures
from cvae_jax.plots import page

HEAD = {"title": "A title", "subtitle": "a source"}
# Rows in the order of the nats; each latent's images have its number as their grey.
MOVED = {
    "latents": np.array([2, 0, 1, 3]),
    "images": np.broadcast_to(np.array([2, 0, 1, 3])[:, None, None, None, None], (4, 5, 8, 8, 1))
    / 4,
    "labels": ["$z_{3}$  KL 3.00  c 62 %  a 31 %", "$z_{1}$  KL 2.00", "$z_{2}$  KL 1.00  b 40 %"],
}
MOVED["labels"].append("$z_{4}$  KL 0.00  unused")
SCORES = {
    "edges": {
        "1>3": {"nats": 0.51, "low": 0.41, "high": 0.61},
        "2>3": {"nats": 0.17, "low": 0.12, "high": 0.22},
    },
    "factors": ["a", "$b"],
    "factor_effects": [[0.9, 0.0], [0.0, 0.8], [0.7, 0.6], [0.0, 0.0]],
    "hierarchy": None,
}


@pytest.fixture
def drawn(monkeypatch):
    """Draws to a figure that is not saved: the figure and its texts."""
    monkeypatch.setattr(page, "save", lambda figure, path: figure)

    def draw(text, moved, scores):
        structure = structures.parse(text, 4)
        figure = hierarchy_picture.draw(None, structure, moved, scores, **HEAD)
        return figure, [text.get_text() for text in figure.axes[0].texts]

    return draw


def test_each_latent_has_its_own_images_and_words(drawn):
    figure, texts = drawn("1>3 2>3", MOVED, SCORES)
    greys = [image.get_array()[0, 0, 0] for image in figure.images]
    assert greys == [round(255 * j / 4) for j in (2, 0, 1)]  # the whole, then its parts
    whole = texts.index(r"$\hat{z}_{3}$")
    assert texts[whole + 1 : whole + 4] == ["KL 3.00", "c 62 %", "a 31 %"]
    assert {"0.51", "0.17", "0.70", "0.60", "0.90", "0.80", "a", r"\$b"} <= set(texts)
    first, second = figure.axes[0].lines
    ratio = first.get_linewidth() / second.get_linewidth()
    assert ratio == pytest.approx(0.51 / 0.17)


def test_a_record_of_0_1_has_thin_edges_no_map_and_no_name_without_its_share(drawn):
    labels = [label.replace(" 62 %", "").replace(" 40 %", "") for label in MOVED["labels"]]
    figure, texts = drawn("1>3 2>4", MOVED | {"labels": labels}, {"effects": []})
    widths = {line.get_linewidth() for line in figure.axes[0].lines}
    assert len(figure.axes[0].lines) == 2
    assert max(widths) < 1
    assert not {"b", "c", "a", "0.51"} & set(texts)
    assert {"a 31 %", "unused", "KL 2.00"} <= set(texts)


def test_a_structure_without_edges_has_no_picture(tmp_path):
    path = tmp_path / "a.png"
    for text in ("", "z1>2"):
        structure = structures.parse(text, 4)
        assert hierarchy_picture.draw(path, structure, MOVED, SCORES, **HEAD) is None
    assert not path.exists()


def test_a_hierarchy_is_drawn_from_what_the_traversals_kept(tmp_path):
    kept = MOVED | {"images": np.round(255 * MOVED["images"]).astype(np.uint8)}
    np.savez(tmp_path / "traversals.npz", **kept)
    structure = structures.parse("1>3 2>3", 4)
    (path,) = pictures._hierarchy(tmp_path, structure, SCORES, "a source")
    assert path == tmp_path / "hierarchy.png"
    straight = hierarchy_picture.draw(
        tmp_path / "b.png", structure, MOVED, SCORES, title=pictures._HIERARCHY, subtitle="a source"
    )
    assert path.read_bytes() == straight.read_bytes()
    assert pictures._hierarchy(tmp_path, structures.parse("", 4), SCORES, "a source") == []
