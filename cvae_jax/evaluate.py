"""Scores and pictures of a model, written to its run's folder."""

import importlib.metadata
import logging
import platform
import time

import jax
import numpy as np
from tqdm import tqdm

from cvae_jax import build, metrics, parallel, pictures
from cvae_jax.structure_scores import CODES, JOINT_ROWS, structure_scores
from cvae_jax.workdir import write_json

log = logging.getLogger(__name__)

_ENCODE_BATCH = 1024
_BOUND_IMAGES = 10_000
_MIG_SAMPLES = 10_000
_VERSIONS = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")


def encode_all(objective, params, dataset, devices):
    """Posterior means and log variances of every image: two arrays [N, d]."""
    encode = jax.jit(objective.encode)
    n, m = len(dataset.factors), len(devices)
    batch = min(_ENCODE_BATCH * m, -(-n // m) * m)
    parts = []
    bar = {"desc": "encoding", "unit": "batch", "disable": None, "leave": False}
    for first in tqdm(range(0, n, batch), **bar):
        index = np.arange(first, first + batch) % n  # the last batch wraps: one compiled shape
        images = parallel.split_rows(dataset.images(index), devices)
        parts.append(jax.device_get(encode(params, images / 255.0)))
    mean, logvar = (np.concatenate(part)[:n] for part in zip(*parts, strict=True))
    return mean, logvar


def bound(config, objective, params, dataset, rng):
    """Means of the objective's own terms (recon, kl, elbo, ..., nats an image) over images."""
    batch = config.batch_size
    terms = jax.jit(lambda images, rng: objective.model_loss(params, images, rng, 0)[1][0])
    num_batches = max(1, min(_BOUND_IMAGES, len(dataset.factors)) // batch)
    index = np.random.default_rng(config.seed).permutation(len(dataset.factors))
    values = []
    for i in range(num_batches):
        images = dataset.images(np.resize(index[i * batch : (i + 1) * batch], batch)) / 255.0
        values.append(jax.device_get(terms(images.astype(np.float32), jax.random.fold_in(rng, i))))
    return {k: np.mean([v[k] for v in values], axis=0) for k in values[0]}, num_batches * batch


def intersection_over_union(images, reconstructions):
    """Mean over images of |A and B| / |A or B|, A and B the pixels above .5; [n, H, W, C] each."""
    a, b = images > 0.5, reconstructions > 0.5
    either = np.sum(a | b, axis=(1, 2, 3))
    both = np.sum(a & b, axis=(1, 2, 3))
    return float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0)))


def score(config, objective, params, dataset, devices) -> tuple[dict, np.ndarray, np.ndarray]:
    """Every score with its definition, counts and seed; and the codes that they were made from.

    Returns:
      (scores, mean [N, d], logvar [N, d]); scores[name] = {"value", "definition", "samples", ...}.
    """
    seed = config.seed
    rng = jax.random.fold_in(jax.random.key(seed), 1)
    log.info("encoding %d images", len(dataset.factors))
    mean, logvar = encode_all(objective, params, dataset, devices)
    pick = np.random.default_rng(seed).permutation(len(mean))
    few, images = pick[:_MIG_SAMPLES], dataset.images(pick[: config.eval.num_images]) / 255.0
    decode = jax.jit(lambda params, z: objective.decode(params, z))
    reconstructions = jax.device_get(decode(params, mean[pick[: config.eval.num_images]]))
    terms, num_images = bound(config, objective, params, dataset, rng)
    scores = {}
    if dataset.factor_names:
        scores["mig"] = {
            "value": metrics.mig(mean[few], dataset.factors[few]),
            "definition": "MIG, disentanglement_lib: posterior means, 20 bins, mean over "
            f"{len(dataset.factor_names)} factors",
            "samples": len(few),
            "seed": seed,
        }
    if len(dataset.factor_names) > 1:  # who guesses the one factor is always right
        scores["factor_score"] = {
            "value": metrics.factor_score(mean, dataset.factors, seed=seed),
            "definition": "FactorVAE score, disentanglement_lib: 10,000 votes to fit, 5,000 to "
            "score, 64 images a vote",
            "samples": len(mean),
            "seed": seed,
        }
    else:
        log.info(
            "%s has %d labelled factors: the FactorVAE score, which needs two%s, is left out",
            dataset.name,
            len(dataset.factor_names),
            "" if dataset.factor_names else ", and MIG, which needs one",
        )
    if dataset.binary:
        scores["iou"] = {
            "value": intersection_over_union(images, reconstructions),
            "definition": "mean intersection over union of image and reconstruction, threshold .5",
            "samples": len(images),
            "seed": seed,
        }
    scores["squared_error"] = {
        "value": float(np.mean((images - reconstructions) ** 2)),
        "definition": "mean squared error of reconstructions, a pixel, values from 0 to 1",
        "samples": len(images),
        "seed": seed,
    }
    for name in terms:
        if np.ndim(terms[name]) == 0:
            scores[name] = {
                "value": float(terms[name]),
                "definition": "nats an image, mean over training images",
                "samples": num_images,
                "seed": seed,
            }
    return scores, mean, logvar


def _entries(structure, config) -> dict:
    """The structure's scores that are single numbers."""
    entries = {
        "ancestor_share": {
            "value": structure["ancestor_share"],
            "definition": "share of the codes' movement that comes from their ancestors when one z "
            f"is redrawn; by chance {structure['ancestor_share_by_chance']:.2f}",
        },
        "forbidden_dependence": {
            "value": sum(structure["forbidden"]),
            "definition": "nats of dependence that the structure forbids, Gaussian copula",
        },
    }
    composition = [x for x in structure["composition"] if x is not None]
    if composition:
        entries["composition"] = {
            "value": float(np.mean(composition)),
            "definition": "factor information that composed nodes share with their poorest parent",
        }
    counts = (CODES, JOINT_ROWS, _MIG_SAMPLES)
    for entry, samples in zip(entries.values(), counts, strict=False):
        entry |= {"samples": samples, "seed": config.seed}
    return entries


def evaluate_run(config, workdir, step, objective, params, dataset) -> dict:
    """Score, draw, write results.json and print the table; returns the content of results.json."""
    start = time.perf_counter()
    devices = jax.local_devices()
    scores, mean, logvar = score(config, objective, params, dataset, devices)
    some = np.random.default_rng(config.seed).permutation(len(mean))[:_MIG_SAMPLES]
    structure = structure_scores(
        objective,
        params,
        build.structure(config),
        config.cascade.critic_input,
        jax.random.fold_in(jax.random.key(config.seed), 2),
        mean[some],
        dataset.factors[some],
    )
    scores |= _entries(structure, config)
    paths = pictures.draw_all(
        config, workdir, step, objective, params, dataset, mean, logvar, structure
    )
    results = {
        "step": step,
        "seed": config.seed,
        "data": {"name": dataset.name, "source": dataset.source, "size": dataset.size},
        "scores": scores,
        "structure": structure,
        "pictures": [str(path.relative_to(workdir)) for path in paths],
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS}
        | {"python": platform.python_version()},
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "evaluation_seconds": round(time.perf_counter() - start, 1),
    }
    write_json(workdir / "results.json", results)
    log.info("%s", table(results))
    log.info("pictures: %s", "  ".join(str(path) for path in paths))
    return results


def table(results: dict) -> str:
    """Results as lines of text: name, value, definition."""
    lines = [f"step {results['step']}, {results['data']['source']}"]
    for name, entry in results["scores"].items():
        lines.append(
            f"  {name:<24}{entry['value']:>10.4f}  {entry['definition']} "
            f"({entry['samples']:,} images)"
        )
    return "\n".join(lines)
