"""A critic that has diverged is named in a warning, once, with its remedy."""

import logging
from types import SimpleNamespace

import helpers

from cvae_jax.training import loop, monitor


def test_a_diverged_critic_is_named_with_a_remedy():
    good = {"cascade_kl": 0.4, "cascade_critic_loss": 0.6, "cascade_critic_accuracy": 0.6}
    assert monitor.diverged_critics(good) == {}
    bad = {"cascade_kl": -276.0, "cascade_critic_loss": 13.9, "cascade_critic_accuracy": 0.3}
    other = {name.replace("cascade", "factor"): value for name, value in bad.items()}
    found = monitor.diverged_critics(bad | other)
    assert set(found) == {"cascade", "factor"}
    assert "critic 'cascade' has diverged" in found["cascade"]
    assert "-276.0 nats" in found["cascade"]
    remedy = "lower objective.factor_vae.weight or raise optim.factor.learning_rate"
    assert remedy in found["factor"]


def test_each_diverged_critic_is_named_once(caplog):
    run = SimpleNamespace(config=SimpleNamespace(seed=0))
    bad = {"cascade_kl": -9.0, "cascade_critic_loss": 5.0}
    other = {name.replace("cascade", "factor"): value for name, value in bad.items()}
    named, before = [], set()
    for metrics in (bad, bad, bad | other, other, bad | other):
        caplog.clear()
        before = loop._warn_of_diverged_critics([run], {0: metrics}, 10, before)
        named.append([r.message.split("'")[1] for r in caplog.records])
    assert named == [["cascade"], [], ["factor"], [], ["cascade"]]


def test_a_run_warns_once_of_a_diverged_critic(tiny_data, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(monitor, "_DIVERGED", 0.0)
    with caplog.at_level(logging.WARNING, logger="cvae_jax"):
        loop.train_and_evaluate(helpers.small_config(), tmp_path)
    assert sum("has diverged" in record.message for record in caplog.records) == 1
