"""Several runs on one page: what differs, scores and curves side by side, plots in a column."""

import html
import re

import numpy as np
import pytest
from fixtures.browser import FIRST, in_browser, needs_chromium
from fixtures.damage import refused
from fixtures.report_pages import RESULTS, parsed

from cvae_jax.config import defaults
from cvae_jax.errors import UserError
from cvae_jax.report import __main__ as report
from cvae_jax.report import charts, compared, comparison, pictures
from cvae_jax.runs.workdir import write_json


def score(value, definition="as ever"):
    return {"value": value, "definition": definition, "samples": 9}


def lines(values):
    """metrics.jsonl of a training whose loss has these values at steps 10, 20, ..."""
    return "".join(f'{{"step": {10 * i}, "recon": {x}}}\n' for i, x in enumerate(values, 1))


def run(path, scores, recon=(), data="dSprites", results=None, **fields):
    """Writes what a run of 7 steps leaves that the page reads; returns its folder."""
    config = defaults.get_config()
    config.update_from_flattened_dict({"num_steps": 7, **fields})
    path.mkdir(parents=True)
    write_json(path / "config.json", config.to_dict())
    of = {"data": {"name": "a", "source": data}, "scores": scores}
    write_json(path / "results.json", RESULTS | of | (results or {}))
    folder = path if config.num_seeds == 1 else path / "seed_1"
    (folder / "plots").mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(lines(recon))
    image = np.full((2, 2, 1), len(path.name), np.uint8)
    (folder / "plots/traversals.png").write_bytes(pictures.png(image))
    return path


def rows(text):
    """The rows of the page's tables by their first cell's text: the other cells' HTML."""
    found = {}
    for line in re.findall(r'<tr><th scope="row">(.*?)</tr>', text):
        first, *cells = re.split(r"</th>|</td>", line)
        name = re.sub(r" <small>.*|<[^>]+>", "", first)
        found[html.unescape(name)] = [cell.removeprefix("<td>") for cell in cells if cell]
    return found


@pytest.fixture
def two(tmp_path):
    a = run(tmp_path / "a<b", {"mig": score(0.1), "recon": score(9.0)}, (4, 4, 4), seed=3)
    b = run(
        tmp_path / "b",
        {"mig": score(0.2), "recon": score(12.0), "own": score(1.0)},
        (8, 8),
        **{"seed": 3, "cascade.weight": 0.0, "data.dir": "/home/secret"},
    )
    return a, b


def test_page_of_two_runs(two, tmp_path, capsys):
    out = tmp_path / "c.html"
    report.main(["report", *map(str, two), f"--out={out}"])
    assert capsys.readouterr().out == f"{out}\n"
    text = out.read_text()
    parser = parsed(text)
    assert "a<b" in parser.text
    assert str(tmp_path) not in text
    assert "secret" not in text
    assert not re.search(r"https?:|@import|url\(", text)
    found = rows(text)
    assert [name for name in found if "." in name or name == "seed"] == ["cascade.weight"]
    default = defaults.get_config().cascade.weight
    assert [re.sub("<[^>]+>", "", x) for x in found["cascade.weight"]] == [str(default), "0.0"]
    assert found["MIG"] == ["0.100", "<b>0.200</b>"]  # higher is better
    assert found["Reconstruction loss"] == ["<b>9</b>", "12"]  # lower is better
    assert found["own"] == ["–", "1"]
    stills = re.findall(r'<section id="traversals">.*?</section>', text, re.DOTALL)[0]
    assert stills.count("data:image/png") == 2
    assert "different seeds" not in parser.text


def test_curves_of_all_runs_are_in_one_chart(two):
    """Constants of 4 and 8 over steps 10 to 30 and 10 to 20, with 5 % of room: by hand."""
    text = comparison.page(compared.read([*two]))
    (chart,) = re.findall(r"<svg.*?</svg>", text)
    found = re.findall(r'class="run-(\d)" points="(.*?)"', chart)
    assert [number for number, _ in found] == ["0", "1"]
    first, second = ([[*map(float, p.split(","))] for p in x.split()] for _, x in found)
    low, high = 60 * (1 - 0.2 / 4.4), 60 * 0.2 / 4.4
    np.testing.assert_allclose(first, [[200 / 3, low], [400 / 3, low], [200, low]], atol=0.06)
    np.testing.assert_allclose(second, [[200 / 3, high], [400 / 3, high]], atol=0.06)


def test_a_chart_cuts_what_is_beyond_its_ends():
    chart = charts.curves([(5, [0, 5, 20], [1.0, 3.0, 9.0])], 2.0, 4.0, "a")
    assert 'class="run-5" points="0.0,60.0 50.0,30.0 200.0,0.0"' in chart


def test_what_does_not_compare_has_no_best_run(tmp_path):
    a = run(tmp_path / "a", {"mig": score(0.1, "one")})
    b = run(tmp_path / "b", {"mig": score(0.2, "another")})
    c = run(tmp_path / "c", {"mig": score(0.2, "one; over 5 draws")}, data="heads")
    d = run(tmp_path / "d", {"mig": score(0.3, "one; over 3 draws")}, seed=1)
    text = comparison.page(compared.read([a, b]))
    assert rows(text)["MIG"] == ["0.100", "0.200"]
    assert "Defined differently in these runs: MIG." in parsed(text).text
    text = comparison.page(compared.read([a, c]))
    assert rows(text)["MIG"] == ["0.100", "0.200"]
    assert rows(text)["source"] == ["dSprites", "heads"]
    assert "different data" in parsed(text).text
    assert rows(comparison.page(compared.read([a, d])))["MIG"] == ["0.100", "<b>0.300</b>"]


@pytest.mark.parametrize(
    ("key", "field", "values", "label"),
    [
        ("elbo", "objective.likelihood", ("bernoulli", "gaussian"), "ELBO"),
        ("recon", "objective.likelihood", ("bernoulli", "laplace"), "Reconstruction loss"),
        ("ancestor_share", "cascade.structure", ("", "1>2"), "Ancestor share"),
        ("cascade_kl", "cascade.critic_input", ("z_hat", "joint"), "Cascade KL"),
    ],
)
def test_what_a_likelihood_or_structure_decides_has_no_best_run(
    tmp_path, key, field, values, label
):
    """Densities of other pixels, and what another structure allows, are other scales."""
    folders = [
        run(tmp_path / name, {key: score(x), "mig": score(x)}, **{field: value})
        for name, x, value in zip("ab", (0.1, 0.2), values, strict=True)
    ]
    found = rows(comparison.page(compared.read(folders)))
    assert found[label] == ["0.100", "0.200"]
    assert found["MIG"] == ["0.100", "<b>0.200</b>"]


def test_no_structure_is_the_independent_one(tmp_path):
    folders = [
        run(tmp_path / name, {"ancestor_share": score(x)}, **{"cascade.structure": text})
        for name, x, text in (("a", 0.1, ""), ("b", 0.2, "independent"))
    ]
    found = rows(comparison.page(compared.read(folders)))
    assert found["Ancestor share"] == ["0.100", "<b>0.200</b>"]


def test_distances_of_other_numbers_of_samples_have_no_best_run(tmp_path):
    """FID falls with the number of images, whatever they are; KID's estimate has no bias."""
    folders = [
        run(tmp_path / name, {key: score(x) | {"samples": n} for key in ("fid", "kid")})
        for name, x, n in (("a", 0.2, 500), ("b", 0.1, 10_000))
    ]
    page = comparison.page(compared.read(folders))
    assert rows(page)["FID"] == ["0.200", "0.100"]
    assert rows(page)["KID"] == ["0.200", "<b>0.100</b>"]
    assert "Defined differently in these runs: FID." in parsed(page).text


def test_of_several_seeds_a_sound_one_is_shown(tmp_path):
    diverged = {"diverged": {"0": {"reason": "step 3: <nan>"}}}
    many = run(tmp_path / "m", {"mig": score(0.1)}, (5, 5), results=diverged, num_seeds=3)
    one = run(tmp_path / "o", {"mig": score(0.2)})
    text = comparison.page(compared.read([many, one]))
    assert "Seed 0 of m diverged: step 3: <nan>" in parsed(text).text
    assert "means over 2 seeds" in parsed(text).text
    assert "plots those of seed 1" in parsed(text).text
    assert re.findall(r'<polyline class="run-(\d)"', text) == ["0"]


def test_names_are_as_long_as_tells_them_apart(tmp_path):
    paths = [tmp_path / name for name in ("a/x", "b/x", "b/y")]
    assert compared._names(paths) == ["a/x", "b/x", "b/y"]
    assert compared._names(paths[1:]) == ["x", "y"]
    again = tmp_path / "a/../b/x"
    assert compared.distinct([paths[1], again, paths[2]]) == [paths[1], paths[2]]


def test_what_can_not_be_compared_is_refused_in_one_line(two, tmp_path):
    folder = tmp_path / "none"
    folder.mkdir()
    refused(lambda: comparison.write([two[0], folder]), folder, "is it a run's folder")
    (two[1] / "results.json").unlink()
    refused(lambda: comparison.write([*two]), two[1], "no scores yet", "cvae evaluate")
    with pytest.raises(UserError, match="8 runs at most, and these are 9"):
        comparison.write([tmp_path / str(i) for i in range(9)])
    with pytest.raises(UserError, match="leave out the data"):
        report.main(["report", *map(str, two), "--data=dsprites"])
    with pytest.raises(UserError, match="not a and --workdir=b"):
        report.main(["report", "a", "--workdir=b"])
    with pytest.raises(UserError, match="cvae report RUN"):
        report.main(["report"])


def test_what_others_wrote_is_text_or_refused(two):
    """A term of the loss whose name is HTML, as in a run from elsewhere; a method that is none."""
    name = '\\"><b onclick=\\"x'
    line = f'{{"step": 1, "{name}_kl": 1, "{name}_critic_accuracy": 1}}\n'
    (two[0] / "metrics.jsonl").write_text(line + line)
    parser = parsed(comparison.page(compared.read([*two])))
    assert not any("onclick" in attrs for _, attrs in parser.tags)
    assert parser.text.count('"><b onclick="x') == 2
    config = defaults.get_config()
    config.objective.name = "none"
    write_json(two[1] / "config.json", config.to_dict())
    refused(lambda: compared.read([*two]), two[1] / "config.json", "damaged", "none")


WIDTHS = """async () => {
  await new Promise((done) => setTimeout(done, 500));
  tell([...document.querySelectorAll("iframe")].map((x) =>
    x.contentDocument.documentElement.scrollWidth));
}"""


@needs_chromium
def test_no_width_needs_the_page_moved_sideways(two, tmp_path):
    """Its tables alone move, on a phone and on a desk."""
    runs = compared.read([*two])
    text = comparison.page([run._replace(name=f"{run.name} {'long' * 9}") for run in 3 * runs])
    inner = html.escape(text.replace("<head>", f"<head>{FIRST}"))
    frames = "".join(f'<iframe srcdoc="{inner}" width="{w}"></iframe>' for w in (390, 1400))
    page = f"<html><head></head><body><canvas id='picture'></canvas>{frames}</body></html>"
    found, console = in_browser(tmp_path, page, WIDTHS, "", "--virtual-time-budget=5000")
    assert console == []
    assert [found[0] <= 390, found[1] <= 1400] == [True, True], found
