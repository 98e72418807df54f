"""The report: its JavaScript beside JAX, the page in a browser, and runs that have none yet."""

import html
import html.parser
import json
import re
import shutil
import subprocess

import conftest
import jax
import numpy as np
import py_mini_racer
import pytest
from damage import JSON, cases, refused

from cvae_jax import gan_networks, loading, methods, networks, plots
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.objectives.infogan import infogan
from cvae_jax.objectives.vae import vae
from cvae_jax.report import __main__ as report
from cvae_jax.report import layers, markup, page, sliders, words
from cvae_jax.workdir import read_json, write_json

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

# V8 alone has no atob; in a page the browser's is used.
BYTES = """
function bytes(text) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const value = new Uint8Array(128), found = new Uint8Array(text.length / 4 * 3);
  for (let i = 0; i < 64; i++) value[digits.charCodeAt(i)] = i;
  for (let i = 0, k = 0; i < text.length; i += 4) {
    let four = 0;
    for (let j = 0; j < 4; j++) four = (four << 6) | value[text.charCodeAt(i + j)];
    found[k++] = four >> 16;
    found[k++] = (four >> 8) & 255;
    found[k++] = four & 255;
  }
  return found.subarray(0, found.length - text.match(/=*$/)[0].length);
}
"""


def script(*lines):
    """What V8 makes of forward.js and the lines after it."""
    with py_mini_racer.MiniRacer() as v8:  # closed: left open, it can hang the interpreter's end
        return json.loads(v8.eval("\n".join([BYTES, markup.read("forward.js"), *lines])))


def random_params(objective, size, channels, gain):
    """Parameters of a trained model's magnitude: no compilation, and biases that are not 0."""
    images = jax.ShapeDtypeStruct((4, size, size, channels), np.float32)
    shapes = jax.eval_shape(objective.init, jax.random.key(0), images)
    rng = np.random.default_rng(0)

    def draw(shape):
        fan = np.prod(shape.shape[:-1]) if len(shape.shape) != 4 else shape.shape[-1] * 4
        scale = gain / np.sqrt(fan) if len(shape.shape) > 1 else 0.3
        return (scale * rng.standard_normal(shape.shape)).astype(np.float32)

    return jax.tree.map(draw, shapes)


def burgess(size, channels, likelihood="bernoulli", latents=10):
    objective = vae(networks.burgess(size, channels, latents), likelihood=likelihood)
    return objective, random_params(objective, size, channels, 1.6), latents, 0


def gan(size, channels, categories, which=""):
    nets = gan_networks.infogan_networks(size, channels, 5, categories, networks=which)
    objective = infogan(nets, latents=5, categories=categories)
    return objective, random_params(objective, size, channels, 1.0), 5, categories


@pytest.mark.parametrize(
    ("model", "size", "channels"),
    [
        (lambda: burgess(32, 1), 32, 1),
        (lambda: burgess(64, 3, "gaussian"), 64, 3),
        (lambda: gan(32, 3, 2), 32, 3),
        (lambda: gan(32, 1, 0, "strided"), 32, 1),
        pytest.param(lambda: gan(64, 3, 2, "strided"), 64, 3, marks=pytest.mark.slow),
        pytest.param(lambda: gan(28, 1, 3), 28, 1, marks=pytest.mark.slow),
        pytest.param(lambda: gan(64, 1, 2), 64, 1, marks=pytest.mark.slow),
    ],
    ids=[
        "burgess32",
        "burgess64_gaussian",
        "infogan32",
        "infogan32_strided",
        "infogan64_strided",
        "infogan28",
        "infogan64",
    ],
)
def test_forward_pass_is_jaxs(model, size, channels):
    objective, params, latents, categories = model()
    z = np.random.default_rng(1).standard_normal((1, latents)).astype(np.float32)
    expected = np.asarray(jax.jit(objective.decode)(params, z))[0]
    assert np.std(expected) > 0.1  # nothing grey, which a wrong pass would resemble
    stack = layers.decoder_layers(params.model, latents + categories, size)
    inputs = [*z[0].tolist(), *([1.0] + [0.0] * (categories - 1) if categories else [])]
    found = script(
        f"const values = fromHalf(bytes('{layers.weights(stack)}'));",
        f"const stack = withWeights({json.dumps(layers.plan(stack))}, values);",
        f"JSON.stringify([...forward(stack, {inputs})])",
    )
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-2)


def test_halves_are_numpys():
    halves = np.arange(1 << 16, dtype="<u2")
    halves = halves[np.isfinite(halves.view("<f2"))]
    found = script(
        f"JSON.stringify([...fromHalf(new Uint8Array({halves.view('u1').tolist()}))])",
    )
    np.testing.assert_array_equal(found, halves.view("<f2").astype(np.float64))


# The page


def explorer(objective, params, latents, size, channels):
    """Of random weights; three latents are in use."""
    rng = np.random.default_rng(2)
    stack = layers.decoder_layers(params.model, latents, size)
    shape = (8, size, size, channels)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    codes = rng.standard_normal((8, latents)).round(3)
    used = {
        1: sliders.Latent(0.5, "a<b"),
        4: sliders.Latent(2.0, "size"),
        7: sliders.Latent(1.0, ""),
    }
    return sliders.Explorer(
        layers.plan(stack),
        layers.weights(stack),
        size,
        [used.get(j, sliders.Latent(0.01, "unused")) for j in range(latents)],
        3.0,
        "normal",
        0,
        [(report._png(x), z.tolist()) for x, z in zip(images, codes, strict=True)],
    )


SCORE = {"value": 0.25, "std": 0.01, "definition": "MIG <of> 'codes' & \"factors\"", "samples": 900}
RESULTS = {
    "step": 7,
    "data": {"name": "folder:<b>", "source": "pictures of </script><script>alert(1)</script>"},
    "scores": {"mig": SCORE, "elbo": SCORE | {"value": float("nan")}, "own": SCORE},
    "versions": {"jax": "1.0"},
    "device": "1 x <cpu>",
}


@pytest.fixture(scope="module")
def made():
    """(objective, params, page) of a model with 10 latents at 64x64 in colour."""
    objective, params, latents, _ = burgess(64, 3)
    facts = page.Report(
        name="<run>",
        subtitle=RESULTS["data"]["source"],
        results=RESULTS,
        pictures={"samples": report._png(np.zeros((4, 4, 1), np.uint8))},
        explorer=explorer(objective, params, latents, 64, 3),
        config={"data.name": "folder:<b>", "seed": 0},
        defaults={"data.name": "dsprites", "seed": 0},
        notes=("A <note>.",),
    )
    return objective, params, facts


class Balanced(html.parser.HTMLParser):
    """Fails at a tag that closes another one, and keeps tags and text."""

    EMPTY = ("meta", "link", "input", "img", "wbr")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data


def parsed(text):
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser


def test_page_is_well_formed_and_escapes(made):
    text = page.page(made[2])
    parser = parsed(text)
    scripts = [attrs for tag, attrs in parser.tags if tag == "script"]
    assert len(scripts) == 3  # the model, the weights, the code: none of the data set's name
    assert not any(tag in ("b", "run", "note", "cpu", "of") for tag, _ in parser.tags)
    for shown in ("<run>", "alert(1)", "folder:<b>", "1 x <cpu>", "A <note>.", "a<b", "not finite"):
        assert shown in parser.text
    assert SCORE["definition"] in parser.text
    # nothing is fetched: no address but what the page holds, or a place in it
    addresses = [
        value
        for _, attrs in parser.tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"https?:|wss?:|@import|url\(|fetch\(|XMLHttp|import\(", text)
    ids = [attrs["id"] for _, attrs in parser.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    described = [
        attrs["aria-describedby"] for _, attrs in parser.tags if "aria-describedby" in attrs
    ]
    assert described == ["samples-text"]
    assert set(described) < set(ids)


def test_sliders_come_by_information_and_the_unused_last(made):
    parser = parsed(page.page(made[2]))
    order = [int(attrs["data-latent"]) for _, attrs in parser.tags if "data-latent" in attrs]
    assert order[:3] == [4, 7, 1]
    assert order[3:] == [0, 2, 3, 5, 6, 8, 9]
    unused = [attrs for tag, attrs in parser.tags if tag == "li" and attrs.get("class") == "unused"]
    assert len(unused) == 7
    labels = {attrs["for"] for tag, attrs in parser.tags if tag == "label"}
    assert labels == {f"z{j + 1}" for j in range(10)}


def browse(path, address, *options):
    """The page's DOM and the console's messages."""
    command = [
        CHROMIUM,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", "--v=0", f"--user-data-dir={path / 'profile'}"),
        *(*options, "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def in_browser(path, text, actions, address="", *options):
    """What `actions` put into `found`, JavaScript that runs when the page has loaded."""
    file = path / "page.html"
    # Headless, there may never be a frame.
    first = "<script>requestAnimationFrame = (f) => setTimeout(f);</script>"
    last = f"""<script>
      const canvas = document.getElementById("picture");
      const copy = new OffscreenCanvas(canvas.width, canvas.height)
        .getContext("2d", {{ willReadFrequently: true }});
      const read = () => {{
        copy.drawImage(canvas, 0, 0);
        return [...copy.getImageData(0, 0, canvas.width, canvas.height).data];
      }};
      const tell = (found) => document.body.append(
        Object.assign(document.createElement("pre"), {{
          id: "found", textContent: JSON.stringify(found) }}));
      addEventListener("load", {actions});
    </script>"""
    file.write_text(text.replace("<head>", f"<head>{first}").replace("</body>", f"{last}</body>"))
    dom, console = browse(path, f"file://{file}{address}", *options)
    return json.loads(html.unescape(re.search(r'<pre id="found">(.*)</pre>', dom)[1])), console


ACTIONS = """async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const key = document.getElementById("z5");
  await wait(50);
  const found = { link: read(), value: key.value, shown: key.nextElementSibling.value };
  key.value = -2;
  key.dispatchEvent(new Event("input"));
  await wait(50);
  found.moved = read();
  document.querySelectorAll(".starts button")[2].click();
  await wait(1000);
  found.start = read();
  found.pressed = [...document.querySelectorAll("[aria-pressed=true]")].length;
  found.address = location.hash;
  document.getElementById("zero").click();
  await wait(50);
  found.zero = read();
  document.getElementById("draw").click();
  await wait(50);
  found.drawn = [...document.querySelectorAll("#explorer input")].map((x) => +x.value);
  tell(found);
}"""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser: install Chromium (apt install chromium)"
)


@needs_chromium
def test_moving_sliders_in_a_browser(made, tmp_path):
    """The picture is JAX's within 1e-2: of a link, a moved slider, an image of the data, zeros."""
    objective, params, facts = made
    linked = np.random.default_rng(3).standard_normal(10).round(2)
    address = "#z=" + ",".join(map(str, linked))
    found, console = in_browser(
        tmp_path, page.page(facts), ACTIONS, address, "--virtual-time-budget=5000"
    )
    assert console == []
    moved = np.where(np.arange(10) == 4, -2.0, linked)
    start = np.array(facts.explorer.starts[2][1])
    codes = {"link": linked, "moved": moved, "start": start, "zero": np.zeros(10)}
    z = np.stack([*codes.values()]).astype(np.float32)
    expected = np.asarray(jax.jit(objective.decode)(params, z))
    for name, image in zip(codes, expected, strict=True):
        pixels = np.array(found[name]).reshape(64, 64, 4) / 255
        np.testing.assert_allclose(pixels[..., :3], image, atol=1e-2, err_msg=name)
        assert (pixels[..., 3] == 1).all()
    assert np.abs(expected[1] - expected[0]).max() > 0.1  # the slider does something
    assert float(found["value"]) == pytest.approx(linked[4], abs=0.025)  # half a slider's step
    assert found["shown"] == f"{linked[4]:.2f}".replace("-", "−")
    assert found["pressed"] == 1
    assert found["address"] == "#z=" + ",".join(f"{x:g}" for x in start)
    assert len(set(found["drawn"])) > 5


@needs_chromium
def test_page_opens_at_once(made, tmp_path):
    """Under 2 s with its first picture, under 6 MB; without a link, from an image of the data."""
    text = page.page(made[2])
    assert len(text) < 1_500_000  # a run's pictures have the rest of 6 MB
    found, console = in_browser(
        tmp_path,
        text,
        "() => tell({ ms: performance.now(), z: document.getElementById('z5').value })",
    )
    assert console == []
    assert found["ms"] < 2000
    assert float(found["z"]) == pytest.approx(made[2].explorer.starts[0][1][4], abs=0.025)


@needs_chromium
@pytest.mark.parametrize(
    "link", ["#z=1,2", "#z=nonsense", f"#z={','.join('1e999' for _ in range(10))}"]
)
@pytest.mark.slow
def test_wrong_links_are_no_links(made, tmp_path, link):
    text = page.page(made[2])
    action = "() => tell([document.getElementById('z5').value])"
    found, console = in_browser(tmp_path, text, action, link)
    assert console == []
    assert float(found[0]) == pytest.approx(made[2].explorer.starts[0][1][4], abs=0.025)


CATEGORY = """async () => {
  const category = document.getElementById("category");
  category.selectedIndex = 1;
  category.dispatchEvent(new Event("change"));
  await new Promise((done) => setTimeout(done, 50));
  const found = { picture: read() };
  document.getElementById("draw").click();
  found.drawn = [...document.querySelectorAll("#explorer input")].map((x) => +x.value);
  tell(found);
}"""


@needs_chromium
def test_a_category_is_chosen_in_a_browser(made, tmp_path):
    objective, params, latents, categories = gan(32, 3, 2)
    facts = explorer(objective, params, latents + categories, 32, 3)._replace(
        latents=[sliders.Latent(1.0, "")] * latents,
        starts=[(png, z[:latents]) for png, z in made[2].explorer.starts],
        prior="uniform",
        categories=categories,
    )
    text = page.page(made[2]._replace(explorer=facts))
    found, console = in_browser(tmp_path, text, CATEGORY, "", "--virtual-time-budget=5000")
    assert console == []
    inputs = np.float32([[*facts.starts[0][1], 0, 1] + 62 * [0]])
    generator = gan_networks.infogan_networks(32, 3, latents, categories).generator
    expected = jax.jit(generator.apply)({"params": params.model["generator"]}, inputs)[0]
    pixels = np.array(found["picture"]).reshape(32, 32, 4)[..., :3] / 255
    np.testing.assert_allclose(pixels, expected, atol=1e-2)
    assert np.abs(found["drawn"]).max() <= 1
    assert len(set(found["drawn"])) > 2


def test_a_large_generator_is_told_of():
    """InfoGAN's original for 28x28 has 6.6 million weights."""
    config = conftest.small_config(**{"objective.name": "infogan", "objective.latents": 5})
    nets = gan_networks.infogan_networks(28, 1, 5, 0)
    images = jax.ShapeDtypeStruct((4, 28, 28, 1), np.float32)
    shapes = jax.eval_shape(infogan(nets, latents=5).init, jax.random.key(0), images)
    zeros = jax.tree.map(lambda x: np.broadcast_to(np.float32(0), x.shape), shapes)
    model = loading.Model(None, None, config, 1, None, zeros, 3)
    found = report.explorer(model, conftest.noise_dataset(16, 28))
    assert "6.6 million weights" in found
    assert found in parsed(sliders.section(found)).text
    assert sliders.scripts(found) == ""


def test_words_are_of_what_there_is():
    assert set(methods.PAPERS) == set(methods.NAMES)
    assert all(name in plots.__all__ for name in words.PICTURES)


# Runs


@pytest.fixture
def run(whole_run, tmp_path):
    """A copy of a run that is trained and evaluated."""
    return shutil.copytree(whole_run[0], tmp_path / "run")


def test_report_of_a_run(run, data_dir, capsys):
    report.main(["report", f"--workdir={run}", f"--data_dir={data_dir}"])
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    text = (run / "report.html").read_text()
    assert len(text) < 6_000_000
    parser = parsed(text)
    for name in read_json(run / "results.json")["scores"]:
        assert name in parser.text
    images = [attrs["alt"] for tag, attrs in parser.tags if tag == "img"]
    assert len([alt for alt in images if "of the data" in alt]) == 8
    assert {"Reconstructions", "Samples", "Traversals", "Training"} < set(images)
    assert "num_steps" in parser.text
    # it can be sent to others: nothing of the machine
    assert str(data_dir) not in text
    assert "folder:pictures" in parser.text
    assert "data.dir" not in parser.text
    model = json.loads(re.search(r'id="model">(.*?)</script>', text)[1])
    assert len(model["starts"][0]) == 4
    # the codes of the images shown are what the run's model says of them
    loaded = loading.load(run)
    rows = np.random.default_rng(loaded.config.seed).permutation(256)[:8]
    dataset = pipeline.load(loaded.config.data.name, loaded.config.data.size, str(data_dir))
    mean, _ = loaded.encode(dataset.images(rows))
    np.testing.assert_allclose(model["starts"], mean, atol=2e-3)


def test_several_seeds_have_a_report_each(run, data_dir, tmp_path):
    both = tmp_path / "both"
    one = read_json(run / "config.json")
    for seed in (0, 1):
        shutil.copytree(run, both / f"seed_{seed}")
    write_json(both / "config.json", one | {"num_seeds": 3})
    with pytest.raises(UserError, match="no scores of all seeds yet"):
        report.write(both, data_dir)
    results = read_json(run / "results.json")
    write_json(both / "results.json", results | {"diverged": {"1": {"reason": "step 9: <recon>"}}})
    write_json(both / "seed_1/diverged.json", {"reason": "step 9: <recon>"})
    by_name = {name: results[name] for name in results if name != "pictures"}
    (both / "seed_2").mkdir()
    write_json(both / "seed_2/results.json", by_name)  # of metrics that were named
    path = report.write(both, str(data_dir))
    parser = parsed(path.read_text())
    links = [attrs["href"] for tag, attrs in parser.tags if tag == "a"]
    assert links == ["seed_0/report.html", "seed_1/report.html"]
    assert all('id="weights"' in (both / link).read_text() for link in links)
    assert "Seed 2 has no scores and pictures" in parser.text
    assert "Seed 1 diverged and is in no mean: step 9: <recon>" in parser.text
    assert "seed 1, which diverged" in parser.text
    assert "seed 0, which diverged" not in parser.text
    texts = [parsed((both / link).read_text()).text for link in links]
    assert ["This seed diverged" in text for text in texts] == [False, True]
    assert "both/seed_0" in parsed((both / links[0]).read_text()).text
    assert 'id="weights"' not in path.read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: (run / "results.json").unlink(), "cvae_jax.evaluate --workdir="),
        (lambda run: shutil.rmtree(run / "checkpoints"), "no checkpoint yet"),
        (lambda run: (run / "config.json").unlink(), "is it a run's --workdir"),
        (lambda run: (run / "results.json").write_text("{"), "is damaged"),
        (
            lambda run: write_json(
                run / "results.json", read_json(run / "results.json") | {"scores": {"mig": 3}}
            ),
            "is damaged",
        ),
        (
            lambda run: write_json(run / "results.json", {"step": 3, "scores": {}}),
            "is damaged",
        ),
        (
            lambda run: write_json(run / "results.json", RESULTS),
            "cvae_jax.evaluate --workdir=",
        ),
    ],
    ids=["no_results", "no_checkpoint", "no_run", "half", "a_score", "no_data", "no_pictures"],
)
def test_runs_without_a_report_are_told_what_makes_one(run, change, message):
    change(run)
    with pytest.raises(UserError, match=message) as caught:
        report.write(run)
    assert "\n" not in str(caught.value)
    assert str(run) in str(caught.value)
    assert not (run / "report.html").exists()


def test_data_that_are_no_longer_the_runs(run):
    colours = np.zeros((9, 16, 16, 3), np.uint8)
    dataset = conftest.in_memory(colours, np.zeros((9, 0), np.int32), ())
    refused(lambda: report._of_one(run, dataset), run, "1 channel", "has 3")


@cases("content", JSON)
def test_damaged_results(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    refused(lambda: report._results(path), path, "damaged")


@pytest.mark.parametrize(
    "change",
    [
        {"scores": {"mig": SCORE | {"value": "much"}}},
        {"scores": {"mig": SCORE | {"value": 10**400}}},
        {"scores": {"mig": SCORE | {"samples": None}}},
        {"scores": {"mig": SCORE | {"definition": 3}}},
        {"data": {"name": "a"}},
        {"data": None},
        {"versions": []},
        {"device": 1},
    ],
    ids=str,
)
def test_results_with_a_wrong_part(tmp_path, change):
    path = tmp_path / "results.json"
    write_json(path, RESULTS)
    assert page.page(made_of(report._results(path)))
    write_json(path, RESULTS | change)
    refused(lambda: report._results(path), path, "damaged")


def made_of(results):
    return page.Report("run", "", results, {}, "No sliders.", {}, {})


def test_scores_of_another_step_are_told_of(run, data_dir):
    results = read_json(run / "results.json")
    write_json(run / "results.json", results | {"step": 7})
    text = parsed(report.write(run, str(data_dir)).read_text()).text
    assert "of step 7, the sliders of step 60" in text
