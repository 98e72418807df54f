"""The lower bounds of setup.cfg: they install together, and the program runs with them."""

import configparser
import sys

import pytest
from fixtures import empty_environment
from fixtures.empty_environment import run
from packaging.requirements import Requirement

pytestmark = [
    pytest.mark.slow,  # they ask the package index, and download all that the package needs
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 11),
        reason="lower bounds are those of Python 3.11: later ones have no wheels of the oldest",
    ),
]
SETUP = configparser.ConfigParser()
SETUP.read("setup.cfg")
EXTRAS = dict(SETUP["options.extras_require"])
BOUNDED = [name for name, text in EXTRAS.items() if ">=" in text]  # JAX's own extras have none


def lowest(text):
    """{name[extras]: its lower bound} of requirements, one per line."""
    bounds = {}
    for one in map(Requirement, text.split("\n")):
        (bound,) = [part.version for part in one.specifier if part.operator == ">="]
        extras = f"[{','.join(one.extras)}]" if one.extras else ""
        bounds[one.name + extras] = bound
    return bounds


BASE = lowest(SETUP["options"]["install_requires"].strip())


def install(folder, pip, bounds, *options):
    """Has pip install exactly the bounds, or fail; none may have been withdrawn."""
    pins = [f"{name}=={version}" for name, version in bounds.items()]
    done = run(folder, *pip, "install", *options, *pins)
    assert "yanked" not in done.stderr, done.stderr  # pip warns of it and installs it


def test_the_program_runs_with_every_lower_bound(tmp_path):
    programs = empty_environment.programs(tmp_path)
    pip = (str(programs / "pip"),)
    install(tmp_path, pip, BASE, "--no-compile")  # most of it is never imported
    run(tmp_path, *pip, "install", "--no-deps", str(empty_environment.wheel(tmp_path)))
    run(tmp_path, *pip, "check")
    cvae = str(programs / "cvae")
    few = ("--config.num_steps=20", "--config.eval.metrics=mig")
    trained = run(tmp_path, cvae, "train", "--config=dsprites:quick", *few)
    assert trained.stdout.startswith("step 20, ")
    evaluated = run(tmp_path, cvae, "evaluate", "runs/dsprites-quick")
    assert evaluated.stdout.startswith("step 20, ")
    assert "cpu_aot_loader" not in evaluated.stderr  # an error of JAX's program cache


@pytest.mark.parametrize("extra", BOUNDED)
def test_the_lower_bounds_of_an_extra_install_beside_them(tmp_path, extra):
    text = EXTRAS[extra].strip().replace("cvae_jax[docs]", EXTRAS["docs"].strip())
    bounds = BASE | lowest(text)
    pip = (sys.executable, "-m", "pip")
    install(tmp_path, pip, bounds, "--dry-run", "--ignore-installed")
