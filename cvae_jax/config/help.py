"""What `--config=NAME --help` shows: a config file's own text, and its fields with comments."""

import ast
import io
import textwrap
import tokenize
from pathlib import Path
from typing import NamedTuple

from cvae_jax.config import defaults
from cvae_jax.config.fields import flat

_WIDTH = 80


class Said(NamedTuple):
    """What a config's source says of a field or a group of fields."""

    line: int
    comment: str  # "": none


NOTHING = Said(10**9, "")


def statements(source: str) -> dict[str, Said]:
    """Returns what a config's source says of its fields and groups of fields, by their names.

    Args:
      source: Python that assigns to config.NAME. A comment belongs to the statement above which it
        stands, or behind or in which it stands. fields.NAME is of every optimizer.
    """
    texts, alone = {}, set()  # by line; lines that hold a comment alone
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            texts[token.start[0]] = token.string.lstrip("# ")
            if not token.line[: token.start[1]].strip():
                alone.add(token.start[0])
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assign):
            continue
        name = ast.unparse(node.targets[0])
        first = node.lineno
        while first - 1 in alone:
            first -= 1
        above = [texts[line] for line in range(first, node.lineno)]
        behind = [texts[line] for line in range(node.lineno, node.end_lineno + 1) if line in texts]
        if name.startswith(("config.", "fields.")):
            comment = "; ".join([" ".join(above), *behind] if above else behind)
            found[name.removeprefix("config.")] = Said(node.lineno, comment)
    return found


def said_of(said: dict[str, Said], name: str) -> str:
    """Returns what the source says of a field; of an optimizer's, of all of them."""
    leaf = name.rpartition(".")[2]
    return said.get(name, said.get(f"fields.{leaf}", NOTHING)).comment


def line_of(said: dict[str, Said], name: str) -> int:
    """Returns the line of a field, else of its group; a field of one's own config comes last."""
    return said.get(name, said.get(name.rpartition(".")[0], NOTHING)).line


def fields(config) -> str:
    """Returns a config's fields as lines of text: value, default where it differs, comment."""
    said = statements(Path(defaults.__file__).read_text())
    standard = dict(flat(defaults.get_config().to_dict()))
    lines, shown = [], set()
    for name, value in sorted(flat(config.to_dict()), key=lambda item: line_of(said, item[0])):
        group = name.rpartition(".")[0]
        if group not in shown and said.get(group, NOTHING).comment:
            lines += ["", *_wrapped(f"{group}: {said[group].comment}", "  ")]
        shown.add(group)
        default = standard.get(name, value)
        changed = f"  (default: {default!r})" if default != value else ""
        lines.append(f"  --config.{name}={value!r}{changed}")
        lines += _wrapped(said_of(said, name), " " * 8)
    return "\n".join(lines)


def describe(path: Path, config) -> str:
    """Returns the help of a config file: its text, which names its variants, and its fields.

    Args:
      path: the file.
      config: what it gives, with or without a variant.
    """
    text = ast.get_docstring(ast.parse(Path(path).read_text())) or f"The config file {path}."
    return f"{text}\n\nIts fields:\n\n{fields(config)}"


def _wrapped(text, indent):
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
