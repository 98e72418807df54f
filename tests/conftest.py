"""What the tests share: small configs, data of noise, XLA settings, workers."""

import gc

import numpy as np
import optax
import pytest

from cvae_jax.objectives.base import Players

pytest_plugins = [
    "fixtures.whole_runs",
    "fixtures.damage",
    "fixtures.report_pages",
    "fixtures.tiny_data",
    "fixtures.tiny_dsprites",
    "fixtures.tiny_paper",
    "fixtures.exports",
    "fixtures.launchers",
    "fixtures.known_codes",
    "fixtures.short_runs",
]

# Traces and programs are many objects that live long: Python's own threshold, 700, has it look
# through all of them so often that it is a seventh of the suite's time.
gc.set_threshold(200_000, 20, 1_000)

# Their tests share a fixture that takes a while: one worker runs all of a group.
TOGETHER = {
    "test_main.py": "runs",
    "test_processes.py": "runs",
    "test_records.py": "runs",
    "test_reproduce.py": "runs",
    "test_report.py": "runs",
    "test_soak.py": "runs",
    "test_evaluate.py": "evaluate",
    "test_cards.py": "export",
    "test_damaged_exports.py": "export",
    "test_export.py": "export",
    "test_hierarchy_of_images.py": "reader",
    "test_site.py": "site",
    "test_notebook.py": "notebook",
    "test_sample_quality.py": "sample quality",
}


def pytest_collection_modifyitems(items):
    """The groups first: they take longest, and the rest fills the other worker's time."""
    items.sort(key=lambda item: item.path.name not in TOGETHER)


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_make_scheduler(config, log):
    """Tests go to whichever worker is free, those of a group of TOGETHER to one and the same.

    pytest-xdist 3.8's own groups have no effect under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0].rpartition("/")[2]
            return TOGETHER.get(file, nodeid)

    return Scheduling(config, log)


@pytest.fixture
def images():
    """A batch of 16 binary images, uint8 [16, 8, 8, 1]."""
    rng = np.random.default_rng(0)
    return ((rng.random((16, 8, 8, 1)) > 0.7) * 255).astype(np.uint8)


@pytest.fixture
def optimizers():
    return Players(model=optax.adam(1e-4), critic=optax.adam(1e-4))
