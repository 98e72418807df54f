"""For mkdocs: pages and figures that lie elsewhere in the repository, and links between them.

Links are written for a code host, relative to the file that holds them. Here they are rewritten for
the site, so that both work; a page or picture that is not on the site is named alone.
"""

import os.path
import re
from pathlib import Path

from mkdocs.structure.files import File

# file of the repository -> page; everything under docs/ is a page by itself
PAGES = {
    "launch/README.md": "launch.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
MADE = {"cvae_jax/config/defaults.py": "configuration.md"}  # by configuration.py
FIGURES = "results/*/*.png"  # keep their paths
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://|#)([^)#\s]+)(#[^)]*)?\)")
_PICTURE = re.compile(r"!\[([^\]]*)\]\((?!https?://)([^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def target(link: str, source: str, page: str) -> str | None:
    """A link of the file `source`, from its page; None: it leads out of the site."""
    path = os.path.normpath(os.path.join(os.path.dirname(source), link))
    to = (PAGES | MADE).get(path) or (path if Path(path).match(FIGURES) else None)
    if path.startswith("docs/"):
        to = path.removeprefix("docs/")
    return to and os.path.relpath(to, os.path.dirname(page) or ".")


def for_the_site(text: str, source: str, page: str) -> str:
    """Markdown of the file `source` with the links that its page has."""

    def link(match):
        to = target(match[2], source, page)
        return f"[{match[1]}]({to}{match[3] or ''})" if to else match[1]

    def picture(match):
        to = target(match[2], source, page)
        return f"![{match[1]}]({to})" if to else match[1]

    parts = _CODE.split(text)  # code at odd places
    parts[::2] = [_PICTURE.sub(picture, _LINK.sub(link, part)) for part in parts[::2]]
    return "".join(parts)


def on_files(files, config):
    """Add the pages and figures that lie outside docs/."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(root / source).read_text()))
    for figure in sorted(root.glob(FIGURES)):
        name = figure.relative_to(root).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(figure)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Rewrite the links of every page."""
    del config, files
    name = page.file.src_uri
    sources = {to: source for source, to in PAGES.items()}
    return for_the_site(markdown, sources.get(name, f"docs/{name}"), name)
