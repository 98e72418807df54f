"""`cvae rank`: runs ordered by how alike their latents are."""

from types import SimpleNamespace

import helpers
import numpy as np
import pytest

from cvae_jax import rank
from cvae_jax.errors import UserError
from cvae_jax.evaluation import active_latents, ranking
from cvae_jax.runs.workdir import read_json, write_json


def test_runs_are_ranked(capsys, tmp_path, monkeypatch):
    """Of three recognisers of InfoGAN, which know nothing of three latents, one is turned."""
    rng = np.random.default_rng(0)
    u = rng.uniform(-1, 1, (2_000, 2)).astype(np.float32)
    turned = u @ np.array([[1, 1], [-1, 1]], np.float32) / np.sqrt(2)
    known = {"seed0": u, "turned": turned, "seed1": u[:, ::-1]}
    config = helpers.small_config(**{"objective.name": "infogan"})
    dataset = helpers.noise_dataset(256, 8)

    def encoded(name, params, some, devices):
        mean = np.hstack([known[name], 0.02 * rng.normal(size=(2_000, 3))])
        logvar = np.log([0.01, 0.01, 1 / 3, 1 / 3, 1 / 3])  # an unused latent has the prior's own
        return mean, np.broadcast_to(logvar, mean.shape)

    models = {name: SimpleNamespace(config=config, objective=name, params=None) for name in known}
    monkeypatch.setattr(ranking.datasets, "load", lambda *args: dataset)
    monkeypatch.setattr(ranking.loading, "load", models.get)
    monkeypatch.setattr(ranking.loading, "folder", lambda name: tmp_path / name)
    monkeypatch.setattr(active_latents.batches, "encode_all", encoded)
    rank.main(["rank", *known, f"--out={tmp_path / 'udr.json'}"])
    found = read_json(tmp_path / "udr.json")["scores"]
    assert [*found][2] == "turned"
    assert capsys.readouterr().out.splitlines()[2].endswith("  turned")
    # r = corr(u_1, u_1 + u_2), 0.69 by ranks: each of 4 maxima gives r^2 / 2r, their mean is 0.34.
    assert found["turned"] == pytest.approx(0.34, abs=0.02)
    assert found["seed0"] == pytest.approx((1 + found["turned"]) / 2, abs=0.03)
    assert found["seed1"] == pytest.approx(found["seed0"], abs=0.01)
    (tmp_path / "turned").mkdir()
    write_json(tmp_path / "turned" / "data.json", {"data": {"labels": "of other images"}})
    with pytest.raises(UserError, match=r"turned was trained on other data .* \(other labels\)"):
        rank.rank(known)
    with pytest.raises(UserError, match="two folders or more"):
        rank.main(["rank", "seed0", "./seed0/"])
