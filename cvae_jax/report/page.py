"""The report as one HTML page: facts in, text out. Nothing in it is fetched from elsewhere."""

import html
import json
import math
import string
from typing import NamedTuple

from cvae_jax.metrics.scores import SCORES, counted, known
from cvae_jax.report import markup, sliders, strips
from cvae_jax.report.latents import Latents, cards, factor_map
from cvae_jax.report.words import GROUPS, PICTURES


class Report(NamedTuple):
    """The content of a run's page."""

    name: str
    subtitle: str
    results: dict  # the content of results.json
    pictures: dict[str, bytes]  # names of words.PICTURES -> PNG
    explorer: sliders.Explorer | str  # or why there is none
    config: dict  # the fields by their dotted names
    defaults: dict
    notes: tuple[str, ...] = ()
    facts: dict[str, str] | None = None  # of the head, by name
    latents: Latents | None = None  # of several seeds there are none
    film: bytes = b""  # the GIF in place of the still of the traversals


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "not finite"
    if value == round(value) or abs(value) >= 1000:
        decimals = 0
    else:
        decimals = 1 if abs(value) >= 10 else 3
    return f"{value:,.{decimals}f}".replace("-", "−")


def _value(score) -> str:
    spread = f" <small>± {_number(score['std'])}</small>" if "std" in score else ""
    return f"{_number(score['value'])}{spread}"


def _bar(value: float) -> str:
    share = min(max(value, 0), 1) if math.isfinite(value) else 0
    return f'<span class="bar" aria-hidden="true"><i style="width:{100 * share:.0f}%"></i></span>'


def _row(name, content) -> str:
    score = SCORES[name]
    bar = _bar(content["value"]) if score.range.endswith(" to 1") else ""
    better = f" {score.better.capitalize()} is better." if score.better else ""
    return (
        f'<tr><th scope="row">{html.escape(score.label)}</th>'
        f'<td class="value">{_value(content)}{bar}</td>'
        f"<td>{html.escape(score.sentence + better)} Range: {html.escape(score.range)}.</td></tr>"
    )


def _name(name) -> str:
    """A score's name with its key; a term of one's own objective has the key alone."""
    score = known(name)
    if score is None:
        return markup.code(name)
    held_out = "" if name in SCORES else ", held out"
    return f"{html.escape(score.label + held_out)} <small>{markup.code(name)}</small>"


def _scores(results) -> str:
    scores, parts = results["scores"], []
    for heading, names in GROUPS.items():
        rows = "".join(_row(name, scores[name]) for name in names if name in scores)
        if rows:
            parts.append(f"<h3>{html.escape(heading)}</h3>")
            parts.append(f'<table class="scores"><tbody>{rows}</tbody></table>')
    every = [
        (_name(name), _value(s), html.escape(s["definition"]), counted(name, s))
        for name, s in scores.items()
    ]
    definitions = markup.table(("score", "value", "definition", "from"), every)
    parts.append(markup.details("Every score with its definition", definitions))
    return markup.section("scores", "Scores", "", "\n".join(parts))


def _image(name, content, film, alt) -> str:
    """A plot; of traversals the film, but for those who want no motion, and on paper."""
    if name != "traversals" or not film:
        return f'<img src="{markup.address(content)}" {alt}>'
    return (
        f'<picture><source srcset="{markup.address(content)}" '
        'media="print, (prefers-reduced-motion: reduce)">'
        f'<img class="film" src="{markup.address(film, "gif")}" {alt}></picture>'
    )


def _pictures(pictures, film) -> list[str]:
    sections = []
    for name, (heading, caption) in PICTURES.items():
        if name in pictures:
            alt = f'alt="{html.escape(heading)}" aria-describedby="{name}-text"'
            body = f"<figure>{_image(name, pictures[name], film, alt)}</figure>"
            sections.append(markup.section(name, heading, caption, body))
    return sections


def _config(config, defaults) -> str:
    def fields(names, *columns):
        return [
            [markup.code(n), *(markup.code(json.dumps(c.get(n))) for c in columns)] for n in names
        ]

    changed = [name for name, value in config.items() if defaults.get(name) != value]
    same = [name for name in config if name not in changed]
    first = markup.table(("field", "this run", "default"), fields(changed, config, defaults))
    rest = markup.table(("field", "value"), fields(same, config))
    body = (first if changed else "") + markup.details("Fields that have their defaults", rest)
    text = "What differs from the defaults." if changed else "Nothing differs from the defaults."
    return markup.section("config", "Config", text, body)


def _environment(results) -> str:
    data, versions = results["data"], results["versions"]
    rows = {
        "data": f"{data['name']}: {data['source']}",
        "device of the evaluation": results["device"],
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    cells = [(html.escape(a), html.escape(b)) for a, b in rows.items()]
    return markup.section("environment", "Environment", "", markup.table(("what", "which"), cells))


def page(report: Report, seeds: dict[str, str] | None = None) -> str:
    """Returns the HTML of a run's report.

    Args:
      report: its facts.
      seeds: of a run of several seeds, which has no sliders of its own: a seed's name -> the
        address of that seed's report.
    """
    first = [sliders.section(report.explorer), *strips.sections(report.explorer)]
    if report.latents is not None:
        first += [factor_map(report.latents), cards(report.latents)]
    if seeds is not None:
        links = [
            f'<li><a href="{html.escape(where)}">{html.escape(name)}</a></li>'
            for name, where in seeds.items()
        ]
        text = "Each has a report, and in it sliders, of its own."
        first = [markup.section("seeds", "Seeds", text, f"<ul>{''.join(links)}</ul>")]
    sections = [
        *filter(None, first),
        _scores(report.results),
        *_pictures(report.pictures, report.film),
        _config(report.config, report.defaults),
        _environment(report.results),
    ]
    return string.Template(markup.read("page.html")).substitute(
        title=html.escape(report.name),
        subtitle=html.escape(report.subtitle),
        facts=markup.facts(report.facts or {}),
        contents=markup.contents(sections),
        notes="\n".join(f'<p class="note">{html.escape(note)}</p>' for note in report.notes),
        css=markup.read("page.css"),
        sections="\n".join(sections),
        scripts=sliders.scripts(report.explorer),
    )
