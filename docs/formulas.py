"""For mkdocs: blocks of LaTeX, as a code host draws them, become MathML, which needs no script."""

import re

from latex2mathml import converter

_BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def with_formulas(text: str) -> str:
    """Markdown whose blocks ```math are MathML."""

    def formula(match):
        return f'<div class="formula">{converter.convert(match[1].strip(), display="block")}</div>'

    return _BLOCK.sub(formula, text)


def on_page_markdown(markdown, **kwargs):
    """Called by mkdocs for every page."""
    del kwargs
    return with_formulas(markdown)
