"""For mkdocs: the page of every config field, made from the comments of config/defaults.py."""

import html
import json
import re
from pathlib import Path

from mkdocs.structure.files import File

from cvae_jax.config import defaults, help
from cvae_jax.config.fields import flat

HEAD = """# Configuration

Every field of a config: its default, what it may be, and what it does. Any of them can be set on
the command line:

    cvae train --config=dsprites --config.seed=1

A file of `configs/` changes what its data need; `cvae train --config=NAME --help` lists the fields
with its values.
"""
_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def values(default, field) -> str:
    """What a field may be: its type, or names, and its limits."""
    if field and field.names:
        return "one of " + ", ".join(f"`{name or json.dumps(name)}`" for name in field.names)
    parts = [_KINDS[type(default)]]
    if field:
        limits = [(field.above, "above {:,}"), (field.least, "at least {:,}")]
        limits += [(field.below, "below {:,}"), (field.most, "at most {:,}")]
        parts += [text.format(limit) for limit, text in limits if limit is not None]
    return ", ".join(parts)


def for_a_page(comment: str) -> str:
    """A comment as Markdown: nothing in it is markup but code, and pages it names are links."""
    parts = re.split(r"(`[^`]*`)", comment)
    for i in range(0, len(parts), 2):
        plain = re.sub(r"([*_|])", r"\\\1", html.escape(parts[i], quote=False))
        parts[i] = re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", plain)
    return "".join(parts)


def page() -> str:
    """The page in Markdown: a heading for each group, a definition list of its fields."""
    said = help.statements(Path(defaults.__file__).read_text())
    limits = defaults.get_limits()
    blocks = [HEAD]
    by_group = {}  # in the order of defaults.py; fields without a group are spread over it
    for name, default in sorted(
        flat(defaults.get_config().to_dict()), key=lambda item: help.line_of(said, item[0])
    ):
        by_group.setdefault(name.rpartition(".")[0], []).append((name, default))
    for group, fields in by_group.items():
        blocks.append(f"## {group or 'The run'}")
        if group in said:
            blocks.append(for_a_page(said[group].comment))
        for name, default in fields:
            facts = f"Default `{json.dumps(default)}`; {values(default, limits.get(name))}."
            comment = for_a_page(help.said_of(said, name))
            blocks.append(f"`{name}`\n\n:   {comment}\n\n    <small>{facts}</small>")
    return "\n\n".join(blocks) + "\n"


def on_files(files, config):
    """Add the page."""
    files.append(File.generated(config, "configuration.md", content=page()))
    return files
