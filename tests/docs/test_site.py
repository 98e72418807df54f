"""The documentation as a site: it builds without a warning and asks for nothing from elsewhere."""

import html
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import commands

import cvae_jax
from cvae_jax import metrics
from cvae_jax.config import defaults
from cvae_jax.config.fields import flat

ROOT = Path.cwd()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built pages."""
    # the extra docs, which is part of test
    for name in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_fetch_nothing(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loaded = re.findall(r"<(?:script|img|link|iframe|source)\b[^>]*>", page.read_text())
        assert not [tag for tag in loaded if re.search(r"(?:src|href)=\"?(?:https?:)?//", tag)]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?https?:", sheet.read_text())


def test_landing_page_has_its_pictures(site):
    text = (site / "index.html").read_text()
    assert 'href="methods.html"' in text
    cards = re.search(r'<div class="grid cards front">(.*?)</div>', text, re.DOTALL)[1]
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', cards)
    assert len(pictures) == cards.count("<li>") > 3
    assert all((site / picture).is_file() for picture in pictures)


def test_results_show_the_recorded_figures(site):
    shown = re.findall(r'<img[^>]* src="(results/[^"]+)"', (site / "results.html").read_text())
    assert any("figure12" in figure for figure in shown)
    for figure in shown:
        assert (site / figure).read_bytes() == (ROOT / figure).read_bytes()


@pytest.mark.parametrize("page", ["index.md", "results.md", "configuration.py"])
def test_commands_parse(page):
    found = commands.of_page(page)
    assert found
    for command in found:
        commands.require_parses(command)


def test_configuration_has_every_field(site):
    text = (site / "configuration.html").read_text()
    said = dict(re.findall(r"<dt><code>([\w.]+)</code></dt>\s*<dd>(.*?)</dd>", text, re.DOTALL))
    config = dict(flat(defaults.get_config().to_dict()))
    assert set(said) == set(config)
    for name, default in config.items():
        comment, facts = re.findall(r"<p>(.*?)</p>", said[name], re.DOTALL)
        assert re.search(r"\w", comment), f"{name} has no comment in defaults.py"
        assert json.loads(html.unescape(re.search(r"<code>(.*?)</code>", facts)[1])) == default
    assert "weight of the KL" in said["objective.beta_vae.beta"]
    assert "whole number, at least 0, at most 4,294,967,295" in said["seed"]
    assert "number, at least 0, below 1" in said["optim.model.b1"]
    assert "one of <code>prior</code>, <code>posterior</code>" in said["cascade.source"]
    assert 'href="performance.html"' in said["num_seeds"]


@pytest.mark.parametrize("page", ["method", "methods", "metrics"])
def test_formulas_are_mathml(site, page):
    source = (ROOT / f"docs/{page}.md").read_text()
    blocks, inline = source.count("```math"), source.count("$`")
    text = (site / f"{page}.html").read_text()
    assert text.count("</math></div>") == blocks
    assert text.count("</math></span>") == inline > 0
    formulas = re.findall(r"<math.*?</math>", text, re.DOTALL)
    assert not [formula for formula in formulas if "\\" in formula or "merror" in formula]
    assert "$" not in re.sub(r"<(script|code)\b.*?</\1>", "", text, flags=re.DOTALL)


def test_every_public_name_is_in_the_reference(site):
    pages = "".join(page.read_text() for page in (site / "api").glob("*.html"))
    headings = set(re.findall(r'<h\d id="([\w.]+)"', pages))
    missing = {n for n, m in cvae_jax._PUBLIC.items() if f"{m}.{n}" not in headings}
    defined = {f"{getattr(metrics, n).__module__}.{n}" for n in metrics.__all__}
    assert not missing
    assert not defined - headings
    assert "cvae_jax.structures.parse" in headings
    assert "the mean over the local rows" in pages  # a comment of a field
    assert "encoder and decoder; for InfoGAN generator and recogniser" in pages  # a comment


@pytest.mark.parametrize(
    "file",
    [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), ROOT / "launch/README.md"],
    ids=lambda path: path.name,
)
def test_links_of_the_repository_lead_somewhere(file):
    """On a code host, where they are relative to their file."""
    for link in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", file.read_text()):
        assert (file.parent / link).exists(), link


def test_links_for_the_site():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("hooks", "docs/hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    text = "[a](docs/data.md#order) ![p](docs/pictures/x.png) [b](LICENSE) `[c](docs/data.md)`"
    there = "[a](data.md#order) ![p](pictures/x.png) b `[c](docs/data.md)`"
    assert hooks.for_the_site(text, "CONTRIBUTING.md", "contributing.md") == there
    text = "[a](../launch/README.md) [b](method.md) [c](https://x.org/docs/y)"
    there = "[a](launch.md) [b](method.md) [c](https://x.org/docs/y)"
    assert hooks.for_the_site(text, "docs/tutorial.md", "tutorial.md") == there
    assert hooks.for_the_site("![p](launch/x.png)", "CHANGELOG.md", "changelog.md") == "p"
    figure = "![p](../results/half/x.png)"
    assert hooks.for_the_site(figure, "docs/results.md", "results.md") == "![p](results/half/x.png)"
    assert hooks.for_the_site("[a](../data.md)", "docs/api/a.md", "api/a.md") == "[a](../data.md)"
