"""Tables and figures of the paper's runs: our values beside the paper's."""

import itertools

import numpy as np
import pytest
import scipy.stats
from fixtures.recorded import cells_of, found_of, record_of
from PIL import Image

from cvae_jax import plots
from cvae_jax.reproduction import pairs, paper, runs, show, tables


def test_difference_over_paired_seeds_against_scipy():
    rng = np.random.default_rng(0)
    without = dict(enumerate(rng.normal(size=5)))
    with_ = {seed: value + 0.3 + 0.1 * rng.normal() for seed, value in without.items()}
    mean, half, n = pairs.paired_difference(without | {7: 100.0}, with_)
    test = scipy.stats.ttest_rel([*with_.values()], [*without.values()])
    interval = test.confidence_interval(0.95)
    assert n == 5
    assert (mean - half, mean + half) == pytest.approx((interval.low, interval.high))
    assert pairs.paired_difference({0: 1.0}, {1: 2.0})[2] == 0


EDGES = {
    f"{i}>{j}": {"nats": 1.0, "low": 0.9, "high": 1.1}
    for i, j in ((1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4), (3, 5), (4, 5))
}


def test_moves_of_a_structure_by_hand():
    experiment = paper.EXPERIMENTS["figure9"]
    found = found_of(experiment, {experiment.runs[0]: [0.1, 0.2]})
    # 1 > 2 > 3, and a fourth latent; the third of the second seed is not in use
    ancestors = [[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    effects = [
        [0.9, 0.1, 0.3, 0.5],
        [0.06, 0.8, 0.2, 0.5],
        [0.02, 0.04, 0.7, 0.5],
        [0.1] * 3 + [0.6],
    ]
    for seed, record in found.records[*experiment.runs[0], ()].items():
        record["structure"] = {"effects": np.array(effects), "ancestors": ancestors}
        record["structure"]["effects"][2, 2] *= seed == 0
    cells = cells_of(tables.structures(experiment, found), "dsprites", "cascade VAE, tower")
    # (0.1 + 0.3 + 0.2 + 0.1) / 4, (0.06 + 0.02 + 0.04 + 0.06) / 4, (5 * 0.5 + 5 * 0.1) / 10
    assert cells[-4:] == ["0.175 (4)", "0.045 (4)", "0.300 (10)", "2"]


def test_figure_12_by_hand(tmp_path):
    experiment = paper.EXPERIMENTS["figure12"]
    values = {
        ("dsprites", "beta_vae"): [0.1, 0.2, 0.9],  # the last has no partner
        ("dsprites", "beta_vae+independent"): [0.2, 0.4],
        ("dsprites", paper.OURS): [0.3],
        ("dsprites", "infogan"): [0.1],
        ("dsprites", "beta_tcvae"): [0.0],
        ("dsprites", "beta_tcvae+independent"): [0.1],
        ("heads3d", "vae"): [0.1, 0.2],
        ("heads3d", paper.OURS): [0.3, 0.5],
    }
    found = found_of(experiment, values)
    for seed, names in ((0, ["kl"]), (1, ["kl", "recon"])):
        scores = found.records["heads3d", paper.OURS, ()][seed]["scores"]
        scores |= {name: scores[name] | {"definition": "another"} for name in names}
    # the words of 0.1, and today's for the same
    for method, words in (("vae", "nats an image"), (paper.OURS, "nats per image")):
        scores = found.records["heads3d", method, ()][0]["scores"]
        scores["recon"] = scores["recon"] | {"definition": words}
    for name in ("kl", "recon"):  # InfoGAN has neither
        del found.records["dsprites", "infogan", ()][0]["scores"][name]
    found.reasons["dsprites", "beta_vae+independent", ()] = "it diverged"
    paths = show.write("figure12", "half", found, tmp_path, seeds=5)
    lines = paths[0].read_text().splitlines()
    assert lines[2] == "    cvae reproduce --figure=12 --scale=half --seeds=5"
    # differences 0.1 and 0.2; t of one degree of freedom 12.706; 12.706 * 0.0707 / sqrt(2) = 0.635
    two = ["0.150 ± 0.071", "0.300 ± 0.141", "+0.150 ± 0.635"]
    assert cells_of(lines, "mig", "beta-VAE + cascade") == [*two, "+100 %", "+48.0 %", "2"]
    assert cells_of(lines, "recon", "beta-VAE + cascade") == [*two, "2"]
    from_nothing = ["0.000", "0.100", "+0.100", "-", "+30.6 %", "1"]
    assert cells_of(lines, "mig", "beta-TCVAE + cascade") == from_nothing
    reason = "not run: needs more"
    assert cells_of(lines, "mig", "cascade VAE") == [reason, "0.300", "-", "-", "-", "0"]
    assert cells_of(lines, "mig", "FactorVAE + cascade") == [
        reason,
        reason,
        "-",
        "-",
        "+30.5 %",
        "0",
    ]
    assert not any(line.startswith("| kl | InfoGAN") for line in lines)
    ours = "cascade VAE, heads3d"  # only what is of one definition is compared
    assert cells_of(lines, "recon", ours) == ["0.100", "0.300", "+0.200", "1"]
    both = ["0.150 ± 0.071", "0.400 ± 0.141"]
    assert cells_of(lines, "kl", ours) == [*both, "of two definitions or steps", "0"]
    # accuracies 0.7 and 0.9 at step 100, losses 0.2 and 0.4, KLs 0.2 and 0.4
    critic = ["0.800 ± 0.141", "0.300 ± 0.141", "0.300 ± 0.141", "0.700", "3.400", "2"]
    assert cells_of(lines, "beta-VAE + cascade") == critic
    assert "* dsprites, beta-VAE + cascade: only seeds 0, 1; others: it diverged" in lines
    assert any("13 runs of 100 steps, 13.0 hours in all, on 1 x cpu" in line for line in lines)
    for path in paths[1:]:
        assert f"]({path.name})" in paths[0].read_text()
    blocks = itertools.groupby(lines, lambda line: line.startswith("|"))
    widths = [{line.count("|") for line in rows} for is_table, rows in blocks if is_table]
    assert [len(each) for each in widths] == [1, 1, 1]


def test_the_picture_of_pairs_shows_what_the_table_compares(tmp_path, monkeypatch):
    """Its means are those of the seeds that both have, at one step."""
    experiment, panels = paper.EXPERIMENTS["figure12"], {}

    def drawn(path, of_score, *, score, **_):
        panels[score] = of_score
        return path

    monkeypatch.setattr(plots, "pairs", drawn)
    values = {
        ("dsprites", "beta_vae"): [0.1, 0.2, 0.9],  # the last has no partner
        ("dsprites", "beta_vae+independent"): [0.2, 0.4],
        ("dsprites", "infogan"): [0.1],  # nor has this one
        ("dsprites", "vae"): [0.1],
        ("dsprites", paper.OURS): [0.3],
    }
    found = found_of(experiment, values)
    found.records["dsprites", paper.OURS, ()][0]["step"] = 90
    show.write("figure12", "half", found, tmp_path)
    assert panels["mig"] == {"beta-VAE + cascade": [{0: 0.1, 1: 0.2}, {0: 0.2, 1: 0.4}]}


def test_interrupted_runs_are_reported_and_not_compared(tmp_path):
    experiment = paper.EXPERIMENTS["figure12"]
    found = found_of(experiment, {("dsprites", "vae"): [0.1], ("dsprites", paper.OURS): [0.3]})
    found.records["dsprites", paper.OURS, ()][0]["step"] = 90
    lines = show.write("figure12", "half", found, tmp_path)[0].read_text().splitlines()
    cells = ["0.100", "0.300", "of two definitions or steps", "-", "-", "0"]
    assert cells_of(lines, "mig", "cascade VAE") == cells
    assert "* dsprites, cascade VAE: interrupted, seed 0 at 90 of 100 steps" in lines

    settings = [("dsprites", "beta_vae", (("beta", beta),)) for beta in (4, 8)]
    first, second = settings
    records = {first: {0: record_of(0.1)}, second: {0: record_of(0.2)}}
    tried = tables.Found(records, {})
    assert tables.best(tried, "beta_vae", "mig") == second
    records[first][0]["step"] = 90  # it might have been the best
    assert tables.best(tried, "beta_vae", "mig") is None


@pytest.mark.parametrize("name", ["table1", "figure6"])
def test_ours_beside_the_papers(tmp_path, name):
    experiment = paper.EXPERIMENTS[name]
    values = {("dsprites", paper.OURS): [0.25, 0.35], ("heads3d", paper.OURS): [0.1]}
    found = found_of(experiment, values)
    other = found.records["heads3d", paper.OURS, ()][0]
    other["data"] = {"name": "heads3d", "source": "heads", "size": 32}
    other["scores"]["mig"] = other["scores"]["mig"] | {"definition": "another"}
    path = show.write(name, "half", found, tmp_path)[0]
    lines = path.read_text().splitlines()
    row = next(line for line in lines if line.startswith("| dsprites | cascade VAE |"))
    assert "0.300 ± 0.071" in row
    expected = {
        "table1": ("1.64 ± 0.06", "64.7 ± 0.09", "needs Inception's weights"),  # of its FID
        "figure6": ("0.484", "0.744"),
    }[name]
    assert all(text in row for text in expected)
    # each data set's factors are its own
    assert name == "table1" or "* mig, dsprites: a score (10 images)" in lines
    # a head with another number of columns than its rows is no table
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert len(widths) == 1


def test_tables_with_beta_tcvae_name_its_estimators(tmp_path):
    """Those of the records: a table that mixes two losses shows both."""
    found = found_of(paper.EXPERIMENTS["figure6"], {("dsprites", "beta_tcvae"): [0.1, 0.2]})
    records = found.records["dsprites", "beta_tcvae", ()]

    def named(*estimators):
        for record, estimator in zip(records.values(), estimators, strict=True):
            fields = {"name": "beta_tcvae", "beta_tcvae": {"estimator": estimator}}
            record["config"]["objective"] = fields
        text = show.write("figure6", "half", found, tmp_path)[0].read_text()
        return [e for e in ("stratified", "weighted") if f"trained with the {e} estimator" in text]

    assert named("stratified", "stratified") == ["stratified"]
    assert named("weighted", "stratified") == ["stratified", "weighted"]


def test_methods_side_by_side(tmp_path):
    """Each method's latents stand in that method's column."""
    experiment = paper.EXPERIMENTS["figure5"]
    found = found_of(experiment, {run: [0.1] for run in experiment.runs})
    for i, run in enumerate(experiment.runs):
        images = np.zeros((3, 11, 8, 8, 1), np.uint8)
        images[0] = 255 if i == 0 else 0
        path = tmp_path / runs.Run("half", *run, 0).key.with_suffix(".npz")
        path.parent.mkdir(parents=True)
        labels = np.array([f"$z_{{{j + 1}}}$  KL {kl:.2f}  x" for j, kl in enumerate((2, 1, 0))])
        np.savez(
            path, images=images, values=np.linspace(-2, 2, 11), labels=labels, latents=[0, 1, 2]
        )
    picture = show.write("figure5", "half", found, tmp_path)[1]
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    width = pixels.shape[1]
    left, right = (np.flatnonzero(pixels[:, int(x * width)] < 5) for x in (0.3, 0.8))
    # in the first method's column the first of three rows, that of the largest KL, is white
    height = np.diff(np.flatnonzero(np.diff(right) > 1)[:2])[0]  # of a row, from gap to gap
    assert left[0] - right[0] == pytest.approx(height, abs=10)


@pytest.mark.parametrize(
    "figure",
    [*(pytest.param(f"figure{n}", marks=pytest.mark.slow) for n in (7, 8, 11)), "figure9"],
)
def test_structures_with_edges_have_a_picture_of_their_hierarchy(tmp_path, monkeypatch, figure):
    """Thicker where an edge's information is recorded: 0.1 has none, and z of the prior."""
    experiment, dark, sources = paper.EXPERIMENTS[figure], {}, []
    effects = plots.effects
    monkeypatch.setattr(
        plots, "effects", lambda *a, source, **k: sources.append(source) or effects(*a, **k)
    )
    for edges in ({}, {"edges": EDGES}):
        found = found_of(experiment, {run: [0.1] for run in experiment.runs})
        for (data, method, _), records in found.records.items():
            text = method.split("+")[1]
            config = {"cascade": {"structure": text}, "objective": {"latents": 5}}
            records[0]["config"] |= config
            of = "one posterior z" if edges else "one z"
            records[0]["scores"]["ancestor_share"] = {"value": 0.5, "definition": of, "samples": 1}
            records[0]["structure"] = {"effects": np.eye(5), "ancestors": np.eye(5)} | edges
            records[0]["structure"] |= {"ancestor_share": 0.5, "ancestor_share_by_chance": 0.1}
            path = tmp_path / runs.Run("half", data, method, 0).key.with_suffix(".npz")
            path.parent.mkdir(parents=True, exist_ok=True)
            labels = [f"$z_{{{j + 1}}}$  KL 1.00" for j in range(5)]
            images = np.full((5, 11, 8, 8, 1), 128, np.uint8)
            np.savez(path, images=images, values=range(11), labels=labels, latents=range(5))
        drawn = [p for p in show.write(figure, "half", found, tmp_path) if "hierarchy" in p.name]
        assert len(drawn) == len(experiment.runs)
        assert {*sources[-len(drawn) :]} == {"posterior" if edges else "prior"}
        with Image.open(drawn[0]) as image:
            pixels = np.asarray(image.convert("RGB"))
        dark[bool(edges)] = (pixels == [0x1F, 0x6F, 0x8B]).all(axis=-1).sum()
    assert dark[True] > dark[False] + 1_000
