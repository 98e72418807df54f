"""The report as one HTML page: facts in, text out. Nothing in it is fetched from elsewhere."""

import html
import math
import os
import urllib.parse
from typing import NamedTuple

from cvae_jax.metrics.scores import SCORES, counted
from cvae_jax.report import cells, markup, sliders, strips
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


def _bar(value: float) -> str:
    share = min(max(value, 0), 1) if math.isfinite(value) else 0
    return f'<span class="bar" aria-hidden="true"><i style="width:{100 * share:.0f}%"></i></span>'


def _row(name, content) -> str:
    score = SCORES[name]
    bar = _bar(content["value"]) if score.range.endswith(" to 1") else ""
    better = f" {score.better.capitalize()} is better." if score.better else ""
    return (
        f'<tr><th scope="row">{html.escape(score.label)}</th>'
        f'<td class="value">{cells.value(content)}{bar}</td>'
        f"<td>{html.escape(score.sentence + better)} Range: {html.escape(score.range)}.</td></tr>"
    )


def _scores(results) -> str:
    scores, parts = results["scores"], []
    for heading, names in GROUPS.items():
        rows = "".join(_row(name, scores[name]) for name in names if name in scores)
        if rows:
            parts.append(f"<h3>{html.escape(heading)}</h3>")
            parts.append(f'<table class="scores"><tbody>{rows}</tbody></table>')
    every = [
        (cells.name(name), cells.value(s), html.escape(s["definition"]), counted(name, s))
        for name, s in scores.items()
    ]
    definitions = markup.table(("score", "value", "definition", "from"), every)
    parts.append(markup.details("Every score with its definition", definitions))
    return markup.section("scores", "Scores", "", "\n".join(parts))


def _pictures(pictures, film) -> list[str]:
    sections = []
    for name, (heading, caption) in PICTURES.items():
        if name in pictures:
            alt = f'alt="{html.escape(heading)}" aria-describedby="{name}-text"'
            body = cells.plot(name, pictures, film, alt)
            sections.append(markup.section(name, heading, caption, body))
    return sections


def _config(config, defaults) -> str:
    def fields(names, *columns):
        return [[markup.code(n), *(cells.field(c.get(n)) for c in columns)] for n in names]

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
    shown = [(html.escape(a), html.escape(b)) for a, b in rows.items()]
    return markup.section("environment", "Environment", "", markup.table(("what", "which"), shown))


def _address(path: str) -> str:
    """Returns a relative path as a link: of what it holds, #, % and a colon mean something else."""
    return "./" + urllib.parse.quote(os.fsencode(path))


def page(report: Report, seeds: dict[str, str] | None = None) -> str:
    """Returns the HTML of a run's report.

    Args:
      report: its facts.
      seeds: of a run of several seeds, which has no sliders of its own: a seed's name -> the
        relative path of that seed's report.
    """
    first = [sliders.section(report.explorer), *strips.sections(report.explorer)]
    if report.latents is not None:
        first += [factor_map(report.latents), cards(report.latents)]
    if seeds is not None:
        links = [
            f'<li><a href="{html.escape(_address(where))}">{html.escape(name)}</a></li>'
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
    return markup.document(
        report.name,
        report.subtitle,
        sections,
        facts=report.facts or {},
        notes=report.notes,
        scripts=sliders.scripts(report.explorer),
    )
