"""Hierarchies on top of trained models: five structures from each run that is named, and a table.

    cvae train --config=paper:half,dsprites,vae_falling+independent+fixed --workdir=runs/half-0
    python -m benchmarks.hierarchies runs/half-0 runs/half-1 runs/half-2 heads3d_cascade

In each run the latents of x, y, scale and shape are found: those that know the largest share of it.
`dsprites:hierarchy` trains from its weights with the structures of the paper's Figs. 7 to 9 between
these latents, and for nodes where arrows end those that say least. Of heads two structures are
trained, between the latents of azimuth, lighting and identity. A structure takes 4 minutes on one
CPU core. What is there is not trained again; records are in results/hierarchies.
"""

import argparse
import math
from pathlib import Path
from string import Formatter

import numpy as np

import cvae_jax
from cvae_jax.config import shipped
from cvae_jax.config.fields import to_pass_on
from cvae_jax.datasets import filters
from cvae_jax.evaluation.active_latents import encode_some, nats_of_latents, prior_of
from cvae_jax.evaluation.latent_labels import labels_of
from cvae_jax.runs.workdir import read_config, read_results, write_json

IMAGES = 10_000  # by which the latents of factors are found
# Of the latents of factors, and of the two that say least, u and v. What decomposes is the factor
# that a network reads worst, as a whole's own factor is in none of its parts.
STRUCTURES = {
    "dsprites": {
        "decompose2": "{shape}>{x} {shape}>{y}",
        "decompose3": "{shape}>{x} {shape}>{y} {shape}>{scale}",
        "compose2": "{x}>{u} {y}>{u}",
        "compose3": "{x}>{u} {y}>{u} {scale}>{u}",
        "tower": "{x}>{u} {y}>{u} {u}>{v} {scale}>{v}",
    },
    "heads3d": {
        "decompose2": "{identity}>{azimuth} {identity}>{lighting}",
        "compose2": "{azimuth}>{u} {lighting}>{u}",
    },
}
HEADER = (
    "| data | structure | seed | edges, nats: the least | forbidden, nats | `hierarchy` "
    "| 95 % by chance | reconstruction, nats |\n|---|---|---|---|---|---|---|---|"
)


def latents_of(run, model, factors) -> dict:
    """Returns the latent of each factor, counted from 1, and u and v, which say least."""
    dataset = filters.load(model.config.data)
    some, mean, logvar = encode_some(model, dataset, seed=0, count=IMAGES)
    known = labels_of(model.config, mean, logvar, some.factors, some.factor_names)
    shares = np.where(known.used[:, None], known.shares, 0.0)
    found = {f: int(np.argmax(shares[:, known.factors.index(f)])) + 1 for f in factors}
    if len(set(found.values())) < len(factors):
        raise SystemExit(f"{run} has no latent of its own for each factor: {found}")
    nats = nats_of_latents(mean, logvar, prior_of(model.config))
    rest = [int(j) + 1 for j in np.argsort(nats) if j + 1 not in found.values()]
    return found | {"u": rest[0], "v": rest[1]}


def factors_of(structures) -> list[str]:
    """Returns the factors whose latents structures name."""
    named = {name for text in structures.values() for _, name, _, _ in Formatter().parse(text)}
    return sorted(named - {"u", "v", None})


def train(run, config_of_run, name, structure, folder) -> Path:
    """Trains a structure from a run's weights; returns its folder."""
    config = shipped.load("dsprites:hierarchy")
    config.data.name = config_of_run.data.name
    config.init_from = str(run)
    config.seed = config_of_run.seed
    config.cascade.structure = structure
    config.eval.metrics = "mig,terms"  # beside those of the structure
    workdir = folder / f"{config.data.name}-{name}-{config.seed}"
    cvae_jax.train_and_evaluate(config, workdir)
    return workdir


def record(workdir, results):
    """Writes a run's scores beside its config."""
    config = to_pass_on(read_config(workdir))
    found = read_results(workdir / "results.json") | {"config": config}
    results.mkdir(parents=True, exist_ok=True)
    write_json(results / f"{workdir.name}.json", found)


def row(path, found) -> str:
    """Returns a row of the table."""
    structure, scores = found["structure"], found["scores"]
    least = min(structure["edges"].values(), key=lambda edge: edge["low"])
    hierarchy = structure["hierarchy"] or dict.fromkeys(("score", "quantile"), math.nan)
    cells = (
        *path.stem.split("-"),
        f"{least['nats']:.2f} ({least['low']:.2f} to {least['high']:.2f})",
        f"{scores['forbidden_dependence_of_data']['value']:.3f}",
        f"{hierarchy['score']:.2f}",
        f"{hierarchy['quantile']:.2f}",
        f"{scores['recon']['value']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main():
    """Trains what is not there yet, records it and prints the table of all records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "runs", nargs="*", help="runs of dSprites or heads, or shipped models; none: the table"
    )
    parser.add_argument("--workdirs", type=Path, default="runs/hierarchies")
    parser.add_argument("--results", type=Path, default="results/hierarchies")
    args = parser.parse_args()
    for run in args.runs:
        model = cvae_jax.load(run)
        config = model.config
        if config.data.name not in STRUCTURES:
            parser.error(f"{run} is of {config.data.name}; there are {', '.join(STRUCTURES)}")
        structures = STRUCTURES[config.data.name]
        latents = latents_of(run, model, factors_of(structures))
        for name, text in structures.items():
            workdir = train(run, config, name, text.format(**latents), args.workdirs)
            record(workdir, args.results)
    print(HEADER)
    for path in sorted(args.results.glob("*.json")):
        print(row(path, read_results(path)))


if __name__ == "__main__":
    main()
