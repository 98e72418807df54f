"""What a run shows of itself: its start in four lines, a bar in 80 columns, the time left."""

import io
import re
from types import SimpleNamespace

import helpers
import numpy as np
import pytest
from tqdm import tqdm

from cvae_jax.config import methods
from cvae_jax.objectives.base import Players
from cvae_jax.training import monitor

MEANS = {"cascade_critic_accuracy": 0.512, "cascade_kl": 12.34, "kl": 19.97, "recon": 120.71}


@pytest.mark.parametrize(("done", "total"), [(1, 20), (257_600, 300_000)])
def test_a_bar_shows_recon_and_kl_in_80_columns(done, total):
    line = tqdm.format_meter(
        done,
        total,
        done / 8.25,  # ten hours
        ncols=80,
        unit="step",
        postfix=monitor.terms_to_watch(MEANS),
        bar_format=monitor.BAR["bar_format"],
    )
    assert len(line) <= 80
    assert "recon 120.7, kl 19.97" in line
    assert f"{done:,}/{total:,}" in line


def test_time_left_does_not_count_the_call_that_compiles(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(monitor.time, "perf_counter", lambda: now[0])
    bar = tqdm(total=130, initial=10, file=io.StringIO(), **monitor.BAR)
    bar._time, bar.start_t, bar.last_print_t = lambda: now[0], 0.0, 0.0
    clock = monitor.Clock(bar)
    now[0] = 100.0  # to compile
    clock.count(20)
    assert clock.speed() is None
    for _ in range(5):
        now[0] += 10.0
        clock.count(10)
    assert clock.speed() == pytest.approx(1.0)
    assert bar.n == 80
    assert re.search(r" 80/130 00:50 left,  1\.00step/s", str(bar))
    bar.close()


def test_a_line_of_progress_before_and_after_the_speed_is_known():
    assert monitor.progress(1, 60, None, {"kl": 2.0}) == "step 1 of 60: kl 2"
    known = monitor.progress(10, 60, 0.5, {"kl": 2.0})
    assert known == "step 10 of 60, 0.5 per second, 0:01:40 left: kl 2"


@pytest.mark.parametrize("name", ["mine", "image"])
def test_a_diverged_critic_of_an_objective_of_ones_own(name):
    found = monitor.diverged_critics({f"{name}_kl": 9.0, f"{name}_critic_loss": 2.0})
    assert "its weight or raise its learning rate" in found[name]
    assert monitor.diverged_critics({f"{name}_kl": 9.0, f"{name}_critic_loss": 0.5}) == {}


def test_a_start_is_four_lines():
    config = helpers.small_config(num_seeds=2)
    critics = {"cascade": np.zeros((20, 600)), "factor": np.zeros(3)}
    params = Players(model={"a": np.zeros((3, 4)), "b": np.zeros(5)}, critic=critics)
    device = SimpleNamespace(device_kind="cpu")
    dataset, title = helpers.noise_dataset(64, 8), methods.title(config)
    text = monitor.start_up(config, title, dataset, params, [device] * 2, "runs/x")
    method, data, devices, folder = text.splitlines()
    assert "VAE with the cascade, structure independent" in method
    assert "17 parameters, 0.01 million of critics" in method
    assert "64 images of 8x8, grey" in data
    assert "2 x cpu: batch 16, 20 steps, 2 seeds at once" in devices
    assert folder.endswith("runs/x")


@pytest.mark.parametrize(
    ("name", "field", "others"),
    [
        ("annealed_vae", "objective.annealed_vae.capacity_steps", {}),
        ("beta_vae", "objective.warmup_steps", {}),
        ("vae", "objective.kl_falls_steps", {"objective.warmup_steps": 900}),  # which it has not
        ("vae", "cascade.warmup_steps", {}),
        ("infogan", "objective.infogan.image_noise_steps", {}),
    ],
)
def test_a_schedule_that_the_run_cuts_short_is_named(name, field, others):
    fields = {"objective.name": name, "num_steps": 100, field: 400} | others
    (sentence,) = monitor.cut_short(helpers.small_config(**fields))
    assert f"config.{field} is 400" in sentence
    assert monitor.cut_short(helpers.small_config(**fields | {field: 100})) == []
