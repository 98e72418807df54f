"""The paper's experiments: the runs behind each table and figure, and its published numbers.

All numbers are from Lin, Yuan, Peng & Tzeng, CIKM '22 (doi:10.1145/3511808.3557254).
"""

from typing import NamedTuple

from cvae_jax.config import methods

OURS = "vae+independent"
# Other readings of the paper: posterior latents in the second pass, and images that are sampled
OURS_POSTERIOR = f"{OURS}+posterior"
OURS_SAMPLED = f"{OURS}+sampled"
_FALLING = "_falling"  # of a method whose KL falls to its own weight at first
_NAMES = {"beta_tcvae_weighted": "beta-TCVAE, weighted"}  # beside those of the table of methods
_READINGS = {
    "posterior": "posterior latents",
    "sampled": "posterior latents, sampled images",
    "fixed": "posterior latents, sampled images, fixed second pass",
    "given": "given conditionals",
}
FOUR = ("beta_vae", "factor_vae", "beta_tcvae", OURS)


class Experiment(NamedTuple):
    """A table or figure."""

    title: str
    runs: tuple  # (data, method) in the order they are shown
    kind: str  # how it is shown, see `show`
    scores: tuple = ()  # of results.json
    why: tuple = ()  # other scores, and what may explain them, in a table of their own


# The VAE is ours: without it nothing shows what the paper's own method gains by its regulariser.
_WITH_VAE = ("vae", *FOUR)
_TABLE1_DATA = ("mnist", "fashion_mnist", "faces3d", "chairs3d", "dsprites", "celeba", "heads3d")
_BASES = ("vae", "beta_vae", "factor_vae", "beta_tcvae", "infogan")
_FALLS = (*(("dsprites", base) for base in _BASES[:-1]), ("heads3d", "vae"))

_DISENTANGLEMENT = ("mig", "mig_chen", "factor_score")
_WHY = (
    *("sap", "modularity", "explicitness"),
    *("recon", "kl", "active_dimensions", "aggregate_mi", "aggregate_tc"),
    *("forbidden_dependence", "forbidden_dependence_of_data", "ancestor_share"),
    "fid_classifier",
)


def _given(base):
    return f"{base}{_FALLING}+independent+given"


EXPERIMENTS = {
    "table1": Experiment(
        "Table 1: quality of samples",
        tuple((data, method) for data in _TABLE1_DATA for method in _WITH_VAE),
        "quality",
    ),
    "figure4": Experiment("Fig. 4: first-order features", (("celeba", OURS),), "structures"),
    "figure5": Experiment(
        "Fig. 5: latent traversals by method",
        tuple(("dsprites", m) for m in FOUR),
        "methods",
        _DISENTANGLEMENT,
    ),
    "figure6": Experiment(
        "Fig. 6: disentanglement",
        (
            *(("dsprites", m) for m in (*_WITH_VAE[:-1], "beta_tcvae_weighted", OURS)),
            *((data, m) for data in ("heads3d", "faces3d") for m in _WITH_VAE),
        ),
        "scores",
        _DISENTANGLEMENT,
    ),
    "figure7": Experiment(
        "Fig. 7: a feature decomposed",
        (
            ("celeba", "vae+decompose2"),
            ("dsprites", "vae+decompose3"),
            ("dsprites", "vae+decompose2"),  # ours, as CelebA has to be put there by hand
        ),
        "structures",
    ),
    "figure8": Experiment(
        "Fig. 8: a feature synthesised",
        (
            ("celeba", "vae+compose2"),
            ("dsprites", "vae+compose3"),
            ("dsprites", "vae+compose2"),
        ),
        "structures",
    ),
    "figure9": Experiment(
        "Fig. 9: a third-order feature", (("dsprites", "vae+tower"),), "structures"
    ),
    "figure10": Experiment(
        "Fig. 10: InfoGAN, first-order features",
        (("fashion_mnist", "infogan+independent"),),
        "structures",
    ),
    "figure11": Experiment(
        "Fig. 11: InfoGAN, a feature synthesised", (("mnist", "infogan+compose2"),), "structures"
    ),
    "figure12": Experiment(
        "Fig. 12: each method without and with the regulariser",
        (
            *(("dsprites", m) for base in _BASES for m in (base, f"{base}+independent")),
            *(("heads3d", "vae"), ("heads3d", OURS)),
        ),
        "pairs",
        _DISENTANGLEMENT,
        _WHY,
    ),
    # ours: what the falling KL does alone, on top of it the regulariser, and other readings of that
    "figure12b": Experiment(
        "Fig. 12 with given conditionals and a KL that falls",
        (
            *((data, m) for data, base in _FALLS for m in (base, _given(base))),
            *((data, m) for data, base in _FALLS for m in (base + _FALLING, _given(base))),
        ),
        "pairs",
        _DISENTANGLEMENT,
        _WHY,
    ),
    "figure12c": Experiment(
        "A KL that falls, beside the plain method; the regulariser in neither",
        tuple((data, m) for data, base in _FALLS for m in (base, base + _FALLING)),
        "pairs",
        _DISENTANGLEMENT,
        _WHY,
    ),
    "figure12d": Experiment(
        "Fig. 12 on posterior latents",
        (
            # one pair a line
            *(("dsprites", "vae"), ("dsprites", OURS_POSTERIOR)),
            *(("heads3d", "vae"), ("heads3d", OURS_POSTERIOR)),
            *(("dsprites", "vae"), ("dsprites", OURS_SAMPLED)),
            *(("dsprites", "vae_falling"), ("dsprites", "vae_falling+independent+sampled")),
        ),
        "pairs",
        _DISENTANGLEMENT,
        _WHY,
    ),
}


def _rows(text):
    """Returns {method: {data: "mean ± std"}} of a table's lines."""
    data = ("mnist", "fashion_mnist", "faces3d", "chairs3d", "dsprites", "celeba")
    return {
        method: {
            name: f"{mean} ± {std}"
            for name, mean, std in zip(data, cells[::2], cells[1::2], strict=True)
        }
        for method, cells in zip(FOUR, map(str.split, text.strip().splitlines()), strict=True)
    }


TABLE1 = {
    "is": _rows("""
        2.00 0.04 2.34 0.06 1.65 0.03 2.37 0.07 1.24 0.02 1.71 0.03
        2.01 0.04 2.51 0.04 1.75 0.04 2.67 0.09 1.36 0.03 1.73 0.05
        2.02 0.04 2.28 0.06 1.79 0.05 2.63 0.13 1.53 0.07 1.63 0.04
        2.05 0.04 2.99 0.09 1.83 0.05 3.23 0.10 1.64 0.06 2.50 0.09"""),
    "fid": _rows("""
        39.4 0.17 74.5 0.15 91.4 0.68 86.1 0.70 121.9 0.12 119.4 0.80
        26.8 0.15 50.8 0.09 61.9 0.15 72.6 0.58 76.9 0.52 113.7 0.53
        44.4 0.14 82.6 0.24 67.1 0.72 74.7 0.61 83.9 0.68 111.6 0.93
        26.9 0.14 46.2 0.09 52.4 0.54 67.6 0.69 64.7 0.09 97.0 0.54"""),
}
# Of its own method; of the others Fig. 6 has bars without numbers. Its MIG is Chen et al.'s, which
# it cites; it does not say which factors it takes.
FIGURE6 = {
    ("dsprites", OURS): {"mig_chen": 0.484, "factor_score": 0.744},
    ("faces3d", OURS): {"mig_chen": 0.621, "factor_score": 0.861},
}
# What the regulariser adds to each method's MIG, as a share of it.
FIGURE12 = {"infogan": 0.261, "beta_vae": 0.480, "factor_vae": 0.305, "beta_tcvae": 0.306}


def pairs(experiment: Experiment) -> list:
    """Returns each pair of runs, (data, method): without the regulariser or fall, and with it."""
    return [*zip(experiment.runs[::2], experiment.runs[1::2], strict=True)]


def regularised(pair) -> bool:
    """Returns whether the second run of a pair has the regulariser, and not the fall alone."""
    return "+" in pair[1][1]


def pair_name(pair) -> str:
    """Returns a pair's name in Fig. 12: its method, and what is not as in all others.

    That is data that are not dSprites, and a KL that falls in the second run alone.
    """
    (_, without), (data, method) = pair
    name = shown(method) if data == "dsprites" else f"{shown(method)}, {data}"
    alone = _FALLING in method and _FALLING not in without
    return f"{name}, beside the plain {shown(without)}" if alone else name


def shown(method: str) -> str:
    """Returns a method's name in a table: vae+tower is "cascade VAE, tower"."""
    base, structure, reading = [*method.split("+"), "", ""][:3]
    falls, base = base.endswith(_FALLING), base.removesuffix(_FALLING)
    name = _NAMES.get(base) or methods.METHODS[base].name
    if structure:
        name = "cascade VAE" if OURS.startswith(f"{base}+") else f"{name} + cascade"
    if falls:
        name += ", falling KL"
    if not structure:
        return name
    if structure != "independent":
        name += f", {structure}"
    return f"{name}, {_READINGS[reading]}" if reading else name
