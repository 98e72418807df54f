"""Cells of the notebook by themselves: what they show of other methods, and after mistakes."""

import json

import pytest
from fixtures.notebook import CODE


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        (
            {"recon": 9.0, "kl": 2.0, "kl_per_latent": [1, 1], "elbo": -11.0, "chain_kl": 3.0},
            ["recon", "kl", "elbo", "chain_kl"],
        ),
        (
            {"mi": 1.0, "generator_loss": 0.7, "image_critic_accuracy": 0.5},
            ["mi", "generator_loss", "image_critic_accuracy"],
        ),
        ({"own": 1.0}, ["own"]),
    ],
    ids=["cascade", "infogan", "own"],
)
def test_curves_are_of_the_losses_that_a_method_has(tmp_path, metrics, shown):
    lines = [{"step": step, **metrics, "steps_per_second": 4.0} for step in (5, 10)]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    names = {"WORKDIR": tmp_path}
    exec(CODE["curves"], names)
    assert [*names["curves"]] == [*shown, "steps_per_second"]
    assert (tmp_path / "plots/curves_now.png").exists()
