"""Values, names of scores, and plots as HTML: of one run's page and of one that compares runs."""

import html
import json
import math

from cvae_jax.metrics.scores import SCORES, known
from cvae_jax.report import markup


def number(value: float) -> str:
    """Returns a number with so many decimals as its size asks for, and a true minus."""
    if not math.isfinite(value):
        return "not finite"
    if value == round(value) or abs(value) >= 1000:
        decimals = 0
    else:
        decimals = 1 if abs(value) >= 10 else 3
    return f"{value:,.{decimals}f}".replace("-", "−")


def value(score) -> str:
    """Returns an entry of results.json as HTML: its value, with the spread where it has one."""
    spread = f" <small>± {number(score['std'])}</small>" if "std" in score else ""
    return f"{number(score['value'])}{spread}"


def label(name: str) -> str | None:
    """Returns a score's name as text; None: it is a term of one's own objective."""
    score = known(name)
    if score is None:
        return None
    return score.label + ("" if name in SCORES else ", held out")


def name(key: str) -> str:
    """Returns a score's name with its key as HTML; of one's own objective's term the key alone."""
    text = label(key)
    code = markup.code(key)
    return code if text is None else f"{html.escape(text)} <small>{code}</small>"


def field(content) -> str:
    """Returns the value of a config's field as HTML."""
    return markup.code(json.dumps(content))


def plot(key: str, pictures: dict, film: bytes, alt: str) -> str:
    """Returns a plot in its frame; of traversals the film, but for those who want no motion.

    Args:
      key: of `words.PICTURES`.
      pictures: plots by name, PNG.
      film: GIF of the traversals; b"": there is none.
      alt: attributes of the image.
    """
    still = markup.address(pictures[key])
    if key != "traversals" or not film:
        return f'<figure><img src="{still}" {alt}></figure>'
    return (
        f'<figure><picture><source srcset="{still}" '
        'media="print, (prefers-reduced-motion: reduce)">'
        f'<img class="film" src="{markup.address(film, "gif")}" {alt}></picture></figure>'
    )
