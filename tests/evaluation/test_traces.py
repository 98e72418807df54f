"""The evaluation of a second seed traces and compiles nothing."""

import contextlib

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cvae_jax
from cvae_jax import datasets
from cvae_jax.config import build
from cvae_jax.evaluation import classifier_features
from cvae_jax.evaluation.run import evaluate_run
from cvae_jax.evaluation.subject import Subject
from cvae_jax.runs import checkpoints, data_record
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.model import Model

TRACE = "/jax/core/compile/jaxpr_trace_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def counted():
    """The names of what is traced or compiled meanwhile."""
    found = []

    def listen(event, duration, fun_name="", **rest):
        del duration, rest
        if event in (TRACE, COMPILE):
            found.append(f"{event.split('/')[-1]} {fun_name}")

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def data(monkeypatch):
    dataset = helpers.noise_dataset(64, 8)
    monkeypatch.setattr(datasets, "load", lambda *args: dataset)
    monkeypatch.setattr(classifier_features, "STEPS", 2)
    return dataset


def saved_run(folder, seed, dataset, **fields):
    """A run of one checkpoint of random parameters, without training."""
    config = helpers.small_config(
        seed=seed, **{"eval.metrics": "all", "data.dir": str(folder / "data")} | fields
    )
    workdir = folder / f"seed_{seed}"
    info = build.DataInfo(dataset.size, dataset.channels, dataset.num_images)
    objective, optimizers = build.objective(config, info), build.optimizers(config)
    images = dataset.images(np.arange(config.batch_size))
    state = helpers.create(objective, optimizers, images, seed)
    with open_workdir(workdir, config), checkpoints.open_checkpoints(workdir) as manager:
        data_record.keep(workdir, dataset)
        checkpoints.save(manager, state._replace(step=jnp.int32(config.num_steps)))
    return workdir


NAMES = ("mig", "reconstruction", "terms", "held_out", "classifier")


@pytest.mark.slow
def test_a_second_seed_is_loaded_and_evaluated_by_the_programs_of_the_first(tmp_path, data):
    folders = [saved_run(tmp_path, seed, data) for seed in (0, 1)]
    config = cvae_jax.load(folders[0]).config
    config.eval.metrics = ",".join(NAMES)
    results = []
    for workdir in folders:
        with counted() as traced:
            model = cvae_jax.load(workdir)
            model.config.eval.metrics = ",".join(NAMES)
            model.encode(data.images(np.arange(5)))
            model.decode(np.zeros((5, 4), np.float32))
            results.append(evaluate_run(model, workdir, data))
    assert traced == []  # of the second
    values = [result["scores"]["recon"]["value"] for result in results]
    assert values[0] != values[1]  # its own parameters, not those of the first
    assert results[1]["scores"]["fid_classifier"]["value"] > 0


def test_a_model_prints_as_a_short_paragraph(tmp_path, data):
    text = str(cvae_jax.load(saved_run(tmp_path, 3, data)))
    assert len(text) < 400
    assert "\n" not in text
    for fact in ("4 latents", "20 steps", "seed 3", "dsprites"):
        assert fact in text


def test_keys_of_the_evaluation_are_none_of_the_training():
    model = Model(helpers.small_config(seed=5), None, None, 0, 1)
    subject = Subject(model, None, None, None)
    own = [subject.key(name) for name in ("terms", "structure", "held_out", "samples", "pictures")]
    seed = jax.random.key(5)
    training = [seed, *jax.random.split(seed)]
    training += [jax.random.fold_in(key, step) for key in training for step in range(50)]
    drawn = {tuple(jax.random.key_data(key).tolist()) for key in own}
    assert len(drawn) == len(own)
    assert not drawn & {tuple(jax.random.key_data(key).tolist()) for key in training}
