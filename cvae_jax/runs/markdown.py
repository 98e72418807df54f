"""Text of anyone's in Markdown: names of folders and factors, what a record says of itself."""

import re


def text(value) -> str:
    """Returns a value's text as one line of Markdown that shows it, and does nothing else."""
    line = "".join(c if c.isprintable() else " " for c in str(value))
    line = re.sub(r"([\\`*\[\]])", r"\\\1", line)
    return re.sub(r"&(?=#?\w+;)", "&amp;", line).replace("<", "&lt;")


def cell(value) -> str:
    """Returns `text` for a cell of a table."""
    return text(value).replace("|", r"\|")


def table(head, rows) -> list[str]:
    """Returns a table as lines of Markdown; cells are Markdown already."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def fenced(language: str, *lines: str) -> list[str]:
    """Returns a block of code, between fences that nothing in it can close."""
    longest = max(map(len, re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]
