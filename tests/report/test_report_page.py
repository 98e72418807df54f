"""The report's page: well-formed, escaped, nothing fetched; its sliders and its words."""

import re
import urllib.parse

import helpers
import jax
import numpy as np
from fixtures.report_pages import SCORE, parsed

from cvae_jax import plots
from cvae_jax.networks import gan_networks
from cvae_jax.objectives.infogan import infogan
from cvae_jax.report import page, sliders, words
from cvae_jax.report.explorer import explorer
from cvae_jax.runs.model import Model


def test_links_lead_to_any_path(random_report):
    where = "w#x/50%25 a:b?c&d=<é>/report.html"
    parser = parsed(page.page(random_report[2], {"seed 0": where, "seed 1": "c:d/report.html"}))
    links = [a["href"] for tag, a in parser.tags if tag == "a" and not a["href"].startswith("#")]
    resolved = [urllib.parse.urlsplit(urllib.parse.urljoin("file:///a/b.html", x)) for x in links]
    paths = [urllib.parse.unquote(of.path) for of in resolved]
    assert paths == [f"/a/{where}", "/a/c:d/report.html"]
    assert [of[3:] for of in resolved] == [("", "")] * 2  # neither query nor place in the page


def test_page_is_well_formed_and_escapes(random_report):
    text = page.page(random_report[2])
    parser = parsed(text)
    scripts = [attrs for tag, attrs in parser.tags if tag == "script"]
    assert len(scripts) == 3  # the model, the weights, the code: none of the data set's name
    assert not any(tag in ("b", "c", "run", "note", "cpu", "of") for tag, _ in parser.tags)
    for shown in ("<run>", "alert(1)", "folder:<b>", "1 x <cpu>", "A <note>.", "a<b", "not finite"):
        assert shown in parser.text
    assert SCORE["definition"] in parser.text
    # nothing is fetched: no address but what the page holds, or a place in it
    addresses = [
        value
        for _, attrs in parser.tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"https?:|wss?:|@import|url\(|fetch\(|XMLHttp|import\(", text)
    ids = [attrs["id"] for _, attrs in parser.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    described = [
        attrs["aria-describedby"] for _, attrs in parser.tags if "aria-describedby" in attrs
    ]
    assert described == ["samples-text"]
    assert set(described) < set(ids)
    linked = [attrs["href"] for tag, attrs in parser.tags if tag == "a"]
    sections = [attrs["id"] for tag, attrs in parser.tags if tag == "section"]
    assert linked == [f"#{name}" for name in sections]  # the contents


def test_sliders_come_by_information_and_the_unused_last(random_report):
    parser = parsed(page.page(random_report[2]))
    order = [int(attrs["data-latent"]) for tag, attrs in parser.tags if tag == "input"]
    assert order[:3] == [4, 7, 1]
    assert order[3:] == [0, 2, 3, 5, 6, 8, 9]
    unused = [attrs for tag, attrs in parser.tags if tag == "li" and attrs.get("class") == "unused"]
    assert len(unused) == 7
    labels = {attrs["for"] for tag, attrs in parser.tags if tag == "label"}
    assert labels == {f"z{j + 1}" for j in range(10)}


def test_a_large_generator_has_a_reason_in_place_of_sliders():
    """InfoGAN's original for 28x28 has 6.6 million weights."""
    config = helpers.small_config(**{"objective.name": "infogan", "objective.latents": 5})
    nets = gan_networks.infogan_networks(28, 1, 5, 0)
    images = jax.ShapeDtypeStruct((4, 28, 28, 1), np.float32)
    shapes = jax.eval_shape(infogan(nets, latents=5).init, jax.random.key(0), images)
    zeros = jax.tree.map(lambda x: np.broadcast_to(np.float32(0), x.shape), shapes)
    model = Model(config, None, zeros, 3, 1)
    found = explorer(model, helpers.noise_dataset(16, 28), None)
    assert "6.6 million weights" in found
    assert found in parsed(sliders.section(found)).text
    assert sliders.scripts(found) == ""


def test_words_are_of_what_there_is():
    assert all(name in plots.__all__ for name in words.PICTURES)
