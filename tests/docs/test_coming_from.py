"""docs/coming_from.md: each row of disentanglement_lib's README is there, each command parses."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from fixtures import commands

from cvae_jax import metrics
from cvae_jax.config import shipped
from cvae_jax.config.fields import flat

PAGE = Path("docs/coming_from.md").read_text()
# google-research/disentanglement_lib at 86a644d, README.md: the lists of its first paragraph, and
# the data of "NeurIPS 2019 Disentanglement Challenge". MCE is its modularity_explicitness.
README = {
    "Models": ("BetaVAE", "FactorVAE", "BetaTCVAE", "DIP-VAE"),
    "Scores": (
        "BetaVAE score",
        "FactorVAE score",
        "Mutual Information Gap",
        "SAP score",
        "DCI",
        "MCE",
        "IRS",
        "UDR",
    ),
    "Data": (
        "dSprites",
        "Color-dSprites",
        "Noisy-dSprites",
        "Scream-dSprites",
        "SmallNORB",
        "Cars3D",
        "Shapes3D",
        "mpi3d_toy",
        "mpi3d_realistic",
        "mpi3d_real",
    ),
}
# config/unsupervised_study_v1/sweep.py and metric_configs/ at the same commit
STUDY = {
    "Models": ("AnnealedVAE",),
    "Scores": ("unsupervised_metrics", "downstream_task"),
    "Data": ("dsprites_full", "color_dsprites", "noisy_dsprites", "scream_dsprites", "smallnorb"),
}


def part(heading):
    """The text below a heading, up to the next one."""
    (found,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return found


def rows(text):
    """The cells of each row of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    rules = [i for i, row in enumerate(table) if set("".join(row)) <= set("|- ")]
    heads = {*rules, *(i - 1 for i in rules)}
    return [row for i, row in enumerate(table) if i not in heads]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


(BASE,) = re.findall(r"^    (cvae train .*)$", part("Models"), re.MULTILINE)
CODE = [code for heading in ("Programs", *README) for row in rows(part(heading)) for code in row]
FLAGS = [code for text in CODE for code in quoted(text) if code.startswith("--config.")]
FLAGS = [code for code in FLAGS if code != "--config.FIELD=VALUE"]
WHOLE = [code for text in CODE for code in quoted(text) if code.startswith("cvae ")]
CALLS = [code for text in CODE for code in quoted(text) if code.startswith("metrics.")]


@pytest.mark.parametrize("heading", README)
def test_each_row_of_their_readme_has_a_row_with_a_command(heading):
    table = rows(part(heading))
    for name in (*README[heading], *STUDY[heading]):
        found = [row for row in table if name in re.split(r", | \(", row[0].replace("`", ""))]
        assert found, name
        for row in found:
            assert any(code in FLAGS + WHOLE for code in quoted(row[1])), name


@pytest.mark.parametrize("command", [*WHOLE, *(f"{BASE} {flags}" for flags in ["", *FLAGS])])
def test_a_command_parses(command):
    commands.require_parses(command)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_has_the_functions_arguments(call):
    tree = ast.parse(call, mode="eval").body
    function = getattr(metrics, tree.func.attr)
    keywords = {keyword.arg: None for keyword in tree.keywords}
    inspect.signature(function).bind(*tree.args, **keywords)


def test_names_of_methods_fields_and_scores_exist():
    """In the tables of the other libraries as well."""
    fields = dict(flat(shipped.load("dsprites").to_dict()))
    for name in re.findall(r"config\.((?:\w+\.)+\w+)", PAGE):
        assert name in fields, name
    for name in set(re.findall(r"`metrics\.(\w+)", PAGE)):
        assert hasattr(metrics, name), name
    for heading in ("disent", "pythae", "YannDubs"):
        for name in re.findall(r"--config=(\w+)", part(heading)):
            shipped.find(name)


def test_tests_that_are_named_exist():
    sources = "".join(path.read_text() for path in Path("tests").rglob("test_*.py"))
    for name in set(re.findall(r"`(test_\w+)`", PAGE)):
        assert f"def {name}(" in sources, name
    for path in set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE)):
        assert Path(path).is_file(), path


def test_every_citation_has_a_line_and_every_link_is_used():
    links = dict(re.findall(r"^\[(\w+)\]: (\S+)$", PAGE, re.MULTILINE))
    assert set(re.findall(r"\]\[(\w+)\]", PAGE)) == set(links)
    for url in links.values():
        assert re.search(r"/blob/[0-9a-f]{40}/\S+#L\d+(-L\d+)?$|/issues/\d+$", url), url
