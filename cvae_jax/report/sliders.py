"""The explorer's part of the page: a slider for each latent, and what its scripts read."""

import html
from typing import NamedTuple

from cvae_jax.evaluation.latent_labels import UNUSED
from cvae_jax.report import markup

_TEXT = (
    "Move the sliders: each is one latent of the model, and the image is decoded from all of them. "
    "The most informative latents come first."
)


class Latent(NamedTuple):
    """The text beside a slider."""

    nats: float  # per image, see `active_latents.nats_of_latents`
    holds: str  # the factors that it knows with their shares, "" or "unused"

    @property
    def used(self) -> bool:
        """Returns whether it says anything."""
        return self.holds != UNUSED


class Explorer(NamedTuple):
    """The data behind the sliders."""

    plan: list[dict]  # see `layers.plan`
    weights: str  # see `layers.weights`
    size: int  # of the images, pixels
    latents: list[Latent]
    limit: float  # the sliders go from minus this to this
    reach: float  # traversals likewise
    prior: str  # of a latent: normal, or uniform from -1 to 1
    categories: int  # of InfoGAN, besides the latents
    starts: list[tuple[bytes, list[float]]]  # PNGs of images of the data, and their latents


def _slider(j: int, latent: Latent, limit: float) -> str:
    name = f"z{j + 1}"
    unused = "" if latent.used else ' class="unused"'
    return (
        f'<li{unused}><label for="{name}"><span><i>z</i><sub>{j + 1}</sub> '
        f"{html.escape(latent.holds)}</span> <small>{latent.nats:.2f} nats</small></label>"
        f'<input type="range" id="{name}" data-latent="{j}" min="{-limit:g}" max="{limit:g}" '
        f'step="0.05" value="0"><output for="{name}" aria-live="off">0.00</output></li>'
    )


def _start(number: int, png: bytes) -> str:
    return (
        '<button type="button" aria-pressed="false" title="start from this image">'
        f'<img src="{markup.address(png)}" alt="image {number} of the data"></button>'
    )


def _category(count: int) -> str:
    options = "".join(f"<option>{i}</option>" for i in range(count))
    return f'<label>category <select id="category">{options}</select></label>' if count else ""


def order(explorer: Explorer) -> list[int]:
    """Returns the latents by their nats, the unused last."""
    known = explorer.latents
    return sorted(range(len(known)), key=lambda j: (not known[j].used, -known[j].nats))


def section(explorer: Explorer | str) -> str:
    """Returns the explorer, or the sentence that says why there is none."""
    if isinstance(explorer, str):
        return markup.section("explorer", "Explorer", explorer, "")
    sliders = "\n".join(_slider(j, explorer.latents[j], explorer.limit) for j in order(explorer))
    starts = "".join(_start(i, png) for i, (png, _) in enumerate(explorer.starts, 1))
    body = f"""<noscript><p class="note">The sliders need JavaScript.</p></noscript>
<div class="explorer">
<div class="stage">
<div class="pair">
<div><img id="original" src="{markup.address(explorer.starts[0][0])}" alt="the chosen original">
<small>original</small></div>
<div><canvas id="picture" width="{explorer.size}" height="{explorer.size}" role="img"
 aria-label="the image decoded from the latents"></canvas>
<small>decoded</small></div>
</div>
<div>
<h3 id="starts">Start from an image</h3>
<div class="starts" role="group" aria-labelledby="starts">{starts}</div>
<div class="actions"><button type="button" id="zero">Zero</button>
<button type="button" id="draw" title="latents drawn from the prior">Random</button>
{_category(explorer.categories)}</div>
</div>
</div>
<ul class="latents">
{sliders}
</ul>
</div>"""
    return markup.section("explorer", "Explorer", _TEXT, body)


def scripts(explorer: Explorer | str) -> str:
    """Returns the scripts that run the sliders."""
    if isinstance(explorer, str):
        return ""
    model = {
        "plan": explorer.plan,
        "size": explorer.size,
        "prior": explorer.prior,
        "reach": explorer.reach,
        "starts": [latents for _, latents in explorer.starts],
    }
    kind = "application/octet-stream;base64"
    code = "\n".join(map(markup.read, ("forward.js", "picture.js", "strips.js", "explorer.js")))
    return (
        f'<script type="application/json" id="model">{markup.data(model)}</script>\n'
        f'<script type="{kind}" id="weights">{explorer.weights}</script>\n'
        f"<script>\n{code}</script>"
    )
