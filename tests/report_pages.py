"""What the report's tests share: models of random weights, a page of one, a reader of pages."""

import html.parser

import jax
import numpy as np
import pytest

from cvae_jax import gan_networks, networks
from cvae_jax.objectives.infogan import infogan
from cvae_jax.objectives.vae import vae
from cvae_jax.report import __main__ as report
from cvae_jax.report import layers, page, sliders


def random_params(objective, size, channels, gain):
    """Parameters of a trained model's magnitude: no compilation, and biases that are not 0."""
    images = jax.ShapeDtypeStruct((4, size, size, channels), np.float32)
    shapes = jax.eval_shape(objective.init, jax.random.key(0), images)
    rng = np.random.default_rng(0)

    def draw(shape):
        fan = np.prod(shape.shape[:-1]) if len(shape.shape) != 4 else shape.shape[-1] * 4
        scale = gain / np.sqrt(fan) if len(shape.shape) > 1 else 0.3
        return (scale * rng.standard_normal(shape.shape)).astype(np.float32)

    return jax.tree.map(draw, shapes)


def burgess(size, channels, likelihood="bernoulli", latents=10):
    objective = vae(networks.burgess(size, channels, latents), likelihood=likelihood)
    return objective, random_params(objective, size, channels, 1.6), latents, 0


def gan(size, channels, categories, which=""):
    nets = gan_networks.infogan_networks(size, channels, 5, categories, networks=which)
    objective = infogan(nets, latents=5, categories=categories)
    return objective, random_params(objective, size, channels, 1.0), 5, categories


def explorer(objective, params, latents, size, channels):
    """Of random weights; three latents are in use."""
    rng = np.random.default_rng(2)
    stack = layers.decoder_layers(params.model, latents, size)
    shape = (8, size, size, channels)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    codes = rng.standard_normal((8, latents)).round(3)
    used = {
        1: sliders.Latent(0.5, "a<b"),
        4: sliders.Latent(2.0, "size"),
        7: sliders.Latent(1.0, ""),
    }
    return sliders.Explorer(
        layers.plan(stack),
        layers.weights(stack),
        size,
        [used.get(j, sliders.Latent(0.01, "unused")) for j in range(latents)],
        3.0,
        "normal",
        0,
        [(report._png(x), z.tolist()) for x, z in zip(images, codes, strict=True)],
    )


SCORE = {"value": 0.25, "std": 0.01, "definition": "MIG <of> 'codes' & \"factors\"", "samples": 900}
RESULTS = {
    "step": 7,
    "data": {"name": "folder:<b>", "source": "pictures of </script><script>alert(1)</script>"},
    "scores": {"mig": SCORE, "elbo": SCORE | {"value": float("nan")}, "own": SCORE},
    "versions": {"jax": "1.0"},
    "device": "1 x <cpu>",
}


@pytest.fixture(scope="module")
def random_report():
    """(objective, params, page) of a model with 10 latents at 64x64 in colour."""
    objective, params, latents, _ = burgess(64, 3)
    facts = page.Report(
        name="<run>",
        subtitle=RESULTS["data"]["source"],
        results=RESULTS,
        pictures={"samples": report._png(np.zeros((4, 4, 1), np.uint8))},
        explorer=explorer(objective, params, latents, 64, 3),
        config={"data.name": "folder:<b>", "seed": 0},
        defaults={"data.name": "dsprites", "seed": 0},
        notes=("A <note>.",),
    )
    return objective, params, facts


class Balanced(html.parser.HTMLParser):
    """Fails at a tag that closes another one, and keeps tags and text."""

    EMPTY = ("meta", "link", "input", "img", "wbr")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data


def parsed(text):
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser
