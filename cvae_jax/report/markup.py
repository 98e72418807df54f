"""Pieces of a page. Text is escaped here; what is called body or cell is HTML already."""

import base64
import html
import json
import re
import string
from importlib import resources


def read(name: str) -> str:
    """Reads a file beside this one."""
    return (resources.files("cvae_jax.report") / name).read_text(encoding="utf-8")


def data(content) -> str:
    """Returns JSON that can't end the script that it stands in."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def address(content: bytes, kind: str = "png") -> str:
    """Returns an image as a data address."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def code(text: str) -> str:
    """Marks text as code that may break after a point, an underscore or a comma."""
    text = html.escape(text)
    for mark in "._,":
        text = text.replace(mark, f"{mark}<wbr>")
    return f"<code>{text}</code>"


def section(name: str, heading: str, text: str, body: str) -> str:
    """Returns a section with a sentence under its heading, whose id is the name with -text."""
    text = f'\n<p id="{name}-text">{html.escape(text)}</p>' if text else ""
    return f'<section id="{name}">\n<h2>{html.escape(heading)}</h2>{text}\n{body}\n</section>'


def contents(sections) -> str:
    """Returns links to what `section` made, in order."""
    found = [re.match(r'<section id="([\w-]+)">\n<h2>(.*?)</h2>', part) for part in sections]
    links = "".join(f'<li><a href="#{at[1]}">{at[2]}</a></li>' for at in found)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def pairs(found: dict[str, str]) -> str:
    """Returns names with their values, one beside the other; "": there are none."""
    parts = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in found.items()
    )
    return f'<dl class="facts">{parts}</dl>' if parts else ""


def table(heads, rows) -> str:
    """Returns a table of rows of cells under their heads."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def details(summary: str, body: str) -> str:
    """Returns a block that opens on request."""
    return f"<details><summary>{html.escape(summary)}</summary>{body}</details>"


def document(title, subtitle, sections, *, facts, notes=(), scripts="") -> str:
    """Returns a whole page, with links to its sections at its head.

    Args:
      title: text.
      subtitle: text.
      sections: of `section`.
      facts: see `pairs`.
      notes: sentences at the head.
      scripts: HTML at the end.
    """
    return string.Template(read("page.html")).substitute(
        title=html.escape(title),
        subtitle=html.escape(subtitle),
        facts=pairs(facts),
        contents=contents(sections),
        notes="\n".join(f'<p class="note">{html.escape(note)}</p>' for note in notes),
        css=read("page.css"),
        sections="\n".join(sections),
        scripts=scripts,
    )
