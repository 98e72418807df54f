"""The documentation as a site: it builds without a warning and asks for nothing from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cvae_jax
from cvae_jax import metrics

ROOT = Path.cwd()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built pages."""
    for name in ("mkdocs", "material", "mkdocstrings"):  # the extra docs, which is part of test
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


def test_readme_is_the_first_page(site):
    text = (site / "index.html").read_text()
    assert "Run the same command again to resume an interrupted run" in text
    assert 'href="methods.html"' in text
    assert 'href="launch.html"' in text
    assert 'src="pictures/traversals.gif"' in text


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
    assert hooks.for_the_site(text, "README.md", "index.md") == there
    text = "[a](../launch/README.md) [b](method.md) [c](https://x.org/docs/y)"
    there = "[a](launch.md) [b](method.md) [c](https://x.org/docs/y)"
    assert hooks.for_the_site(text, "docs/tutorial.md", "tutorial.md") == there
    assert hooks.for_the_site("![p](launch/x.png)", "README.md", "index.md") == "p"
    assert hooks.for_the_site("[a](../data.md)", "docs/api/a.md", "api/a.md") == "[a](../data.md)"
