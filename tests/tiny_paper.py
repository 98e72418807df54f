"""The paper's runs cut down to seconds, or replaced, which several test files share."""

import sys

import conftest
import pytest
from whole_runs import environment

from cvae_jax.reproduction import runs

# In place of configs/paper.py: runs of seconds on the tests' pictures, by method as there.
TINY = """
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("whole", {paper!r})
whole = importlib.util.module_from_spec(spec)
spec.loader.exec_module(whole)

def get_config(variant):
    scale, data, method = variant.split(",")
    config = whole.get_config(f"quick,dsprites,{{method}}")
    config.update_from_flattened_dict({small!r})
    config.data.name = {data!r}
    config.cascade.weight *= 0.1
    return config
"""


@pytest.fixture
def tiny(tmp_path, data_dir, monkeypatch):
    """Options for folders of runs and results, and configs that train in seconds."""
    # On noise, with a small critic, a larger weight would let the game run away.
    fields = {"num_steps": 3_000, "objective.latents": 5, "optim.model.learning_rate": 1e-4}
    small = conftest.SMALL | fields
    data = f"folder:{data_dir / 'pictures'}"
    path = tmp_path / "paper.py"
    path.write_text(TINY.format(paper=str(runs.CONFIG.resolve()), small=small, data=data))
    monkeypatch.setattr(runs, "CONFIG", path)
    for name, value in environment(data_dir).items():
        monkeypatch.setenv(name, value)
    return [f"--runs={tmp_path / 'runs'}", f"--results={tmp_path / 'results'}"]


def failing(monkeypatch, code):
    """That code in place of each run."""
    monkeypatch.setattr(runs, "program", lambda arguments: [sys.executable, "-c", code])
