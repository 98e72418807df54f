"""The strips of decoded images: traversals around the chosen image, and between two images."""

import html

from cvae_jax.report import latents, markup, sliders

_ROWS = 20  # of traversals at most


def _traversals(explorer: sliders.Explorer) -> str:
    order = [j for j in sliders.order(explorer) if explorer.latents[j].used][:_ROWS]
    if not order:
        return ""
    rows = "\n".join(
        f'<li><span class="label">{latents.name(j)} '
        f"{html.escape(explorer.latents[j].holds)}</span>"
        f'<canvas data-latent="{j}" width="{explorer.size}" height="{explorer.size}" role="img" '
        f'aria-label="latent {j + 1} moved"></canvas></li>'
        for j in order
    )
    text = (
        f"Each row moves one latent from −{explorer.reach:g} to {explorer.reach:g} and leaves the "
        "others where the sliders are."
    )
    return markup.section("around", "Around the chosen image", text, f'<ul id="rows">{rows}</ul>')


def _between(explorer: sliders.Explorer) -> str:
    ends = "".join(
        f'<div><h3 id="{end}-name">{end.capitalize()}</h3>'
        f'<div class="starts" id="{end}" role="group" aria-labelledby="{end}-name"></div></div>'
        for end in ("from", "to")
    )
    body = (
        f'<div class="ends">{ends}</div>\n<div class="between">'
        f'<img id="first" alt="the first original"><canvas id="between" width="{explorer.size}" '
        f'height="{explorer.size}" role="img" aria-label="decoded on the way"></canvas>'
        '<img id="last" alt="the second original"></div>'
    )
    text = (
        "At the ends two images of the data; between them what is decoded on the straight line "
        "from the latents of the one to those of the other."
    )
    return markup.section("interpolation", "Between two images", text, body)


def sections(explorer: sliders.Explorer | str) -> list[str]:
    """Returns the sections that strips.js fills; none where there are no sliders."""
    if isinstance(explorer, str):
        return []
    between = [_between(explorer)] if len(explorer.starts) > 1 else []
    return [found for found in (_traversals(explorer), *between) if found]
