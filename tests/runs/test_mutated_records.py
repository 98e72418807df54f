"""A thousand random mutations of each record and table: read, or refused in one line."""

import json
import random
import resource
import string

import helpers
import numpy as np
import pytest
from fixtures.damage import refused

from cvae_jax.config import checks
from cvae_jax.datasets import factor_table
from cvae_jax.errors import UserError
from cvae_jax.evaluation import results
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.metrics_log import read_metrics, scalars
from cvae_jax.runs.workdir import read_config, read_results, write_json
from cvae_jax.studies import show
from cvae_jax.studies import table as tables

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("limits")]

COUNT = 1_000
MEMORY = 600 << 10  # KiB
PICTURES = ["a.png", "b.png", "sub/c.png"]
PIECES = [b"NaN", b"1e999", b"-1", b"[", b"]", b"{", b"}", b'"', b",", b"\0", b"\xff", b"9" * 400]
PIECES += [b"null", b"true", b"[1, 2]", b'{"a": 1}', b"1e308", b'"x"', b";", b"\n", b"\r", b"\xc3"]


def mutated(content, rng):
    """One to four pieces replaced, left out, doubled or put in."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place, other = rng.randrange(len(content) + 1), rng.randrange(len(content) + 1)
        length = rng.randint(1, 12)
        match rng.randrange(4):
            case 0:
                content[place : place + rng.choice((0, 1, length))] = rng.choice(PIECES)
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = content[other : other + length]
            case 3:
                content[place : place + 1] = rng.choice(string.printable).encode()
    return bytes(content)


def table(path):
    path.write_text("file,shape,size\na.png,x,1\nb.png,y,2.5\nsub/c.png,x,1e3\n")
    return lambda: factor_table.read(path, PICTURES)[1].shape == (3, 2)


def run(folder):
    config = helpers.small_config()
    entry = {"value": 0.5, "definition": "MIG", "samples": 100, "seed": 0, "std": 0.1}
    with open_workdir(folder, config):
        content = {
            "step": 20,
            "scores": {"mig": entry, "sap": entry},
            "data": {"name": "noise", "source": "noise", "size": 8},
            "device": "1 x cpu",
            "versions": {"jax": "0.10"},
            "evaluation_seconds": 3.5,
        }
        write_json(folder / "results.json", content)


def config(path):
    run(path.parent)

    def read():
        gathered(path.parent)
        checks.check(read_config(path.parent), 1)

    return read


def gathered(folder):
    rows, _ = helpers.gathered(folder)
    tables.table(rows, show.SHOWN)
    tables.write_csv(folder / "out.csv", rows)


def scores(path):
    run(path.parent)

    def read():
        found = read_results(path)
        results.table(found)
        gathered(path.parent)

    return read


def curves(path):
    lines = [{"step": s, "loss": 1.5 / s, "kl_per_dim": [0.1, 2.0 * s]} for s in (5, 10, 15)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def read():
        found = read_metrics(path)
        for name in {name for line in found for name in line}:
            np.array([line[name] for line in found if name in line])
        return [scalars(line) for line in found]

    return read


KINDS = {
    "factors.csv": table,
    "config.json": config,
    "results.json": scores,
    "metrics.jsonl": curves,
}


@pytest.mark.parametrize("name", KINDS)
def test_a_thousand_mutations(tmp_path, name):
    path = tmp_path / "run" / name
    path.parent.mkdir()
    read = KINDS[name](path)
    whole = path.read_bytes()
    read()
    before, taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for seed in range(COUNT):
        path.write_bytes(mutated(whole, random.Random(seed)))
        try:
            read()
            taken += 1
        except UserError:
            refused(read)
    assert 10 < taken < COUNT - 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
