r"""For mkdocs: LaTeX, as a code host draws it, becomes MathML, which needs no script.

Blocks stand in fences ```math, formulas within a line or a table between $` and `$. In a table | is
written \mid, as a bare one would end the cell.
"""

import re

from latex2mathml import converter

_BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"\$`([^`]+)`\$")


def with_formulas(text: str) -> str:
    """Markdown whose LaTeX is MathML."""

    def block(match):
        return f'<div class="formula">{converter.convert(match[1].strip(), display="block")}</div>'

    def inline(match):  # the span, as Markdown takes a line that begins with <math> for a block
        return f"<span>{converter.convert(match[1].strip())}</span>"

    return _INLINE.sub(inline, _BLOCK.sub(block, text))


def on_page_markdown(markdown, **kwargs):
    """Called by mkdocs for every page."""
    del kwargs
    return with_formulas(markdown)
