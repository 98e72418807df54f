"""Correlated factors and held-out combinations, against grids worked out by hand and a count."""

import helpers
import numpy as np
import pytest
from fixtures.tiny_dsprites import COUNT
from helpers import all_images

from cvae_jax import datasets
from cvae_jax.datasets import filters, order
from cvae_jax.errors import UserError


def dataset():
    """A grid of 3 shapes x 4 places: image 4 s + x has the value 4 s + x."""
    images = np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None, None, None], (12, 8, 8, 1))
    factors = np.stack(np.divmod(np.arange(12), 4), axis=1).astype(np.int32)
    return helpers.in_memory(images, factors, ("shape", "x"))


def values(part):
    return all_images(part)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("hold_out", "expected"),
    [
        ("shape=2,x>1", [10, 11]),
        ("shape=2, x >= 3; shape=0,x<1", [0, 11]),
        ("shape!=1,x<=0", [0, 8]),
        ("x=1", [1, 5, 9]),
    ],
)
def test_the_held_out_part(hold_out, expected):
    trained = filters.filtered(dataset(), hold_out=hold_out)
    assert values(trained.held_out) == expected
    assert values(trained) == [i for i in range(12) if i not in expected]
    assert trained.num_images + trained.held_out.num_images == 12
    assert trained.weights is None
    # as a device takes them, and as a slice
    np.testing.assert_array_equal(np.asarray(trained.pixels), all_images(trained))
    assert trained.pixels.nbytes == all_images(trained).nbytes
    np.testing.assert_array_equal(trained.pixels[1:4], all_images(trained)[1:4])
    labels = np.array(np.divmod(values(trained), 4)).T
    if hold_out != "x=1":  # of which a class is gone: 2 and 3 are 1 and 2 then
        np.testing.assert_array_equal(trained.factors, labels)
    else:
        np.testing.assert_array_equal(trained.factors[:, 1], [0, 1, 2] * 3)


def test_words_of_dsprites(prepared):
    tiny = prepared[1]._replace(name="dsprites")
    trained = filters.filtered(tiny, hold_out="shape=heart,x>1")
    shape, x = tiny.factors[:, 0], tiny.factors[:, 3]
    held = (shape == 2) & (x == 2)
    assert 0 < held.sum() == trained.held_out.num_images < COUNT
    np.testing.assert_array_equal(all_images(trained.held_out), all_images(tiny)[held])
    np.testing.assert_array_equal(all_images(trained), all_images(tiny)[~held])


def test_weights_by_hand():
    """exp(-(a - b)^2 / (2 sigma^2)), shapes at 0, 1/2, 1 and places at 0, 1/3, 2/3, 1."""
    weights = filters.filtered(dataset(), "shape~x:0.5").weights.reshape(3, 4)
    expected = [[np.exp(-2 * (s / 2 - x / 3) ** 2) for x in range(4)] for s in range(3)]
    np.testing.assert_allclose(weights, expected / np.sum(expected), rtol=1e-12)
    both = filters.filtered(dataset(), "shape~x:0.5", "shape=2,x=3")
    kept = np.array(expected).reshape(-1)[:11]
    np.testing.assert_allclose(both.weights, kept / kept.sum(), rtol=1e-12)
    assert both.held_out.weights is None
    # a narrow one leaves the diagonal alone: (0, 0) and (1, 1)
    narrow = filters.filtered(dataset(), "shape~x:0.001").weights
    np.testing.assert_array_equal(np.flatnonzero(narrow), [0, 11])


def test_images_are_drawn_by_their_weights():
    weights = np.array([0.5, 0.0, 0.125, 0.375, 0.0])
    draws = np.stack([order.weighted_indices(3, i, 64, np.cumsum(weights)) for i in range(500)])
    share = np.bincount(draws.reshape(-1), minlength=5) / draws.size
    assert share[1] == share[4] == 0
    np.testing.assert_allclose(share, weights, atol=5 * 0.5 / np.sqrt(draws.size))
    # of consecutive draws too: nothing is left of one in the next
    pairs = np.bincount(draws[:, 0] * 5 + draws[:, 1], minlength=25).reshape(5, 5) / 500
    np.testing.assert_allclose(pairs, np.outer(weights, weights), atol=5 * 0.5 / np.sqrt(500))


def test_a_step_alone_says_what_is_drawn():
    cumulative = np.cumsum(np.random.default_rng(0).random(50))
    late = order.weighted_indices(0, 1000, 8, cumulative)
    for step in range(5):
        order.weighted_indices(7, step, 8, cumulative)
    np.testing.assert_array_equal(order.weighted_indices(0, np.int32(1000), 8, cumulative), late)
    assert not np.array_equal(order.weighted_indices(1, 1000, 8, cumulative), late)
    shares = [order.weighted_indices(0, 1000, 8, cumulative, i, 2) for i in range(2)]
    np.testing.assert_array_equal(np.concatenate(shares), late)


@pytest.mark.parametrize(
    ("correlate", "hold_out", "message"),
    [
        ("", "shap=2", "hold_out names a factor 'shap': did you mean 'shape'"),
        ("shape~y:0.2", "", "correlate names a factor 'y': tiny has shape, x"),
        ("", "shape=heart", "hold_out has shape=heart: classes of shape are 0 to 2"),
        ("", "shape=3", "classes of shape are 0 to 2"),
        ("", "shape=2,shape=1", "is no image of tiny"),
        ("", "x>=0", "is every image of tiny"),
        ("", "shape", "hold_out has 'shape': write conditions such as"),
        ("", "shape=2,", "hold_out has ''"),
        ("", "shape==2", "hold_out has 'shape==2'"),
        ("shape~x", "", "correlate has 'shape~x': write two factors and a number above 0"),
        ("shape~x:0", "", "correlate has 'shape~x:0'"),
        ("shape~x:nan", "", "correlate has 'shape~x:nan'"),
        ("shape~shape:1", "", "correlate has 'shape~shape:1'"),
        ("shape~x:1e-9", "shape=0,x=0; shape=2,x=3", "gives every image the weight 0"),
    ],
)
def test_what_is_refused_is_named_in_one_line(correlate, hold_out, message):
    with pytest.raises(UserError) as caught:
        filters.filtered(dataset(), correlate, hold_out)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_set_without_labels_and_a_word_near_another(prepared):
    images = np.zeros((4, 8, 8, 1), np.uint8)
    bare = helpers.in_memory(images, np.zeros((4, 0), np.int32), ())
    with pytest.raises(UserError, match="tiny has no labels"):
        filters.filtered(bare, hold_out="shape=1")
    with pytest.raises(UserError, match=r"did you mean 'heart'\? classes of shape are square, ell"):
        filters.filtered(prepared[1]._replace(name="dsprites"), hold_out="shape=hart")
    one = helpers.in_memory(images, np.array([[0, 0], [0, 1]] * 2, np.int32), ("a", "b"))
    with pytest.raises(UserError, match="correlate names a: all images have one class"):
        filters.filtered(one, "a~b:1")


def test_a_runs_data_are_those_of_its_config_wherever_they_are_now(monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "load", lambda *args: asked.append(args) or dataset())
    config = helpers.small_config(**{
        "data.name": "npz:a", "data.size": 8, "data.dir": "/d", "data.hold_out": "x=1"
    })  # fmt: skip
    for part in (filters.load(config.data), filters.load(config.data, "npz:b", "/e")):
        assert values(part.held_out) == [1, 5, 9]
    assert asked == [("npz:a", 8, "/d"), ("npz:b", 8, "/e")]
