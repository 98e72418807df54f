"""The latents' part of the page: what each knows of the factors, its histogram, its KL curve."""

import html
from typing import NamedTuple

import numpy as np

from cvae_jax.evaluation.latent_labels import NAMED_FROM, LatentLabels
from cvae_jax.report import charts, markup

_BINS = 40  # of a histogram
_POINTS = 120  # of a curve
_STRONG = 0.5  # a share whose cell is dark
_RARE = 0.002  # of the images may lie beyond the histograms
_DENSITIES = {
    "normal": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    "uniform": lambda x: np.where(np.abs(x) <= 1, 0.5, 0.0),
}


class Latents(NamedTuple):
    """What is known of a run's latents."""

    labels: LatentLabels
    mean: np.ndarray  # posterior means of some images [n, d]
    prior: str  # of each: normal, or uniform from -1 to 1
    steps: np.ndarray  # of training, [t]; none: no KL was logged
    kl: np.ndarray  # nats per image [t, d]


def logged(metrics: list[dict], latents: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps [t] and each latent's KL [t, d] of a run's curves, evenly thinned.

    Args:
      metrics: see `metrics_log.read_metrics`.
      latents: d; lines with another number have none.
    """
    lines = [line for line in metrics if np.shape(line.get("kl_per_dim", 0)) == (latents,)]
    every = np.unique(np.linspace(0, len(lines) - 1, min(_POINTS, len(lines))).round().astype(int))
    kept = [lines[i] for i in every]
    steps = np.array([line["step"] for line in kept])
    return steps, np.array([line["kl_per_dim"] for line in kept]).reshape(len(kept), latents)


def name(j: int) -> str:
    """Returns a latent's name as HTML, z with its number from 1."""
    return f"<i>z</i><sub>{j + 1}</sub>"


def words(labels: LatentLabels, j: int) -> str:
    """Returns what stands beside a latent's name: "y 62 %, x 31 %", "unused" or ""."""
    return ", ".join(labels.words[j])


def _rows(labels):
    """The latents in use by their nats, then the others."""
    return sorted(labels.order, key=lambda j: not labels.used[j])


def factor_map(latents: Latents) -> str:
    """Returns the heat map latent x factor as a section; "": no factor varies."""
    labels = latents.labels
    if not labels.factors:
        return ""

    def cell(j, i):
        share = labels.shares[j, i]
        kinds = ["named"] * bool(labels.named[j, i]) + ["strong"] * bool(share > _STRONG)
        kind = f' class="{" ".join(kinds)}"' if kinds else ""
        return f'<td{kind} style="--share:{share:.3f}">{100 * share:.0f}</td>'

    rows = []
    for j in _rows(labels):
        unused = "" if labels.used[j] else ' class="unused"'
        cells = "".join(cell(j, i) for i in range(len(labels.factors)))
        rows.append(f'<tr{unused}><th scope="row">{name(j)}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{html.escape(factor)}</th>' for factor in labels.factors)
    body = (
        f'<div class="wide"><table class="map"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    text = (
        f"The share of each factor's entropy that a latent knows, in percent: I(z_j; f) / H(f), of "
        f"{len(latents.mean):,} images. Outlined: the latent is named after the factor, from "
        f"{100 * NAMED_FROM:.0f} % on (beyond chance, and of two factors at most). A latent that "
        "mixes two positions evenly knows about 14 % of each and is neither."
    )
    return markup.section("factors", "What the latents know", text, body)


def _histogram(latents, j, limit):
    edges = np.linspace(-limit, limit, _BINS + 1)
    heights = np.histogram(latents.mean[:, j], edges)[0] / len(latents.mean) / np.diff(edges)
    line = _DENSITIES[latents.prior](np.linspace(-limit, limit, 101))
    return charts.histogram(heights, line, f"histogram of latent {j + 1}")


def _card(latents, j, limit, top):
    labels = latents.labels
    parts = [
        f"<div>{_histogram(latents, j, limit)}"
        f"<small><span>−{limit:g}</span><span>{limit:g}</span></small></div>"
    ]
    if len(latents.steps) > 1:
        drawn = charts.curve(latents.steps, latents.kl[:, j], top, f"KL curve of latent {j + 1}")
        ends = f"<span>{latents.steps[0]:,}</span><span>{latents.steps[-1]:,}</span>"
        parts.append(f"<div>{drawn}<small>{ends}</small></div>")
    known = html.escape(words(labels, j))
    head = f"<h3>{name(j)} {known} <small>{labels.nats[j]:.2f} nats</small></h3>"
    return f'<li>{head}<div class="charts">{"".join(parts)}</div></li>'


def cards(latents: Latents) -> str:
    """Returns a section with a card for each latent: histogram and KL curve."""
    labels = latents.labels
    least = 3.0 if latents.prior == "normal" else 1.0
    limit = float(np.ceil(max(np.quantile(np.abs(latents.mean), 1 - _RARE), least)))
    top = float(np.max(latents.kl, initial=0.0)) or 1.0
    text = f"Bars: posterior means of {len(latents.mean):,} images; line over them: the prior."
    if len(latents.steps) > 1:
        text += f" Beside it: KL to the prior over the steps, from 0 to {top:.2f} nats per image."
    shown = {
        used: "\n".join(
            _card(latents, j, limit, top) for j in labels.order if labels.used[j] == used
        )
        for used in (True, False)
    }
    body = f'<ul class="cards">{shown[True]}</ul>' if shown[True] else ""
    if shown[False]:
        count = int(np.sum(~labels.used))
        head = f"{count} unused latent{'s' if count > 1 else ''}"
        body += markup.details(head, f'<ul class="cards">{shown[False]}</ul>')
    return markup.section("latents", "Each latent", text, body)
