"""What the package promises as a whole: imports, layering, the README."""

import ast
import configparser
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cvae_jax

ROOT = Path("cvae_jax")
README = Path("README.md").read_text()

# From the ground up: a room may import the rooms of earlier lines alone.
FLOORS = (
    ("errors",),
    ("signals", "files", "structures"),
    ("networks", "metrics", "plots"),
    ("cli", "devices", "objectives"),
    ("__main__",),
    ("datasets", "step"),
    ("config",),
    ("runs",),
    ("evaluation",),
    ("studies",),
    ("training", "report", "reproduction"),
    ("main", "evaluate", "encode", "rank", "gather", "study", "export", "reproduce"),
)
# Packages that a room never imports, and those that none does.
NEVER = {
    "datasets": {"jax", "flax", "optax"},
    "metrics": {"flax", "optax"},
    "": {"tensorflow", "torch"},
}


def imports(path):
    """(modules of ours, roots of other packages) that a file imports anywhere."""
    ours, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("cvae_jax.") and name != "cvae_jax.__version__":
                ours.add(name.removeprefix("cvae_jax."))
            elif name.split(".")[0] != "cvae_jax":
                others.add(name.split(".")[0])
    return ours, others


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def floor_of(room):
    (floor,) = [i for i, rooms in enumerate(FLOORS) if room in rooms]
    return floor


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=module_of)
def test_imports_run_downwards(path):
    ours, others = imports(path)
    room = module_of(path).split(".")[0]
    assert not others & (NEVER.get(room, set()) | NEVER[""])
    if room == "__init__":  # it imports by name, when a name is first used
        return
    for name in ours:
        used = name.split(".")[0]
        assert used == room or floor_of(used) < floor_of(room), (path, name)


def test_there_is_one_version():
    """In the package, where pip has it, and in what is cited."""
    assert importlib.metadata.version("cvae_jax") == cvae_jax.__version__
    assert "\nversion = attr: cvae_jax.__version__\n" in Path("setup.cfg").read_text()
    assert f"\nversion: {cvae_jax.__version__}\n" in Path("CITATION.cff").read_text()


def test_import_is_light():
    """Invariant 5: no flag, no backend, no TensorFlow; nothing heavy."""
    code = """
import sys
import cvae_jax
from absl import flags
before = set(flags.FLAGS)
cvae_jax.train_step, cvae_jax.vae, cvae_jax.cascade, cvae_jax.structures
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized()
for name in ("tensorflow", "torch", "tensorflow_datasets", "matplotlib", "orbax.checkpoint"):
    assert name not in sys.modules, name
assert not any("cvae_jax" in module for module in flags.FLAGS.flags_by_module_dict())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_program_compiled_once_is_read_from_the_users_cache(tmp_path):
    code = """
import jax
from cvae_jax import cli
found = []
jax.monitoring.register_event_listener(lambda event, **kwargs: found.append(event))
cli._WORTH_SECONDS = 0.0
cli.keep_programs()
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((8, 8)))
print(found.count("/jax/compilation_cache/cache_hits"))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    hits = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        hits.append(int(done.stdout))
    assert hits[0] == 0
    assert hits[1] > 0
    assert list((tmp_path / "cvae_jax" / "compiled").iterdir())


def test_a_wheel_has_every_file():
    setup = configparser.ConfigParser()
    setup.read("setup.cfg")
    data = setup["options.package_data"]
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            package = next(folder for folder in path.parents if (folder / "__init__.py").exists())
            patterns = data[".".join(package.parts)].split(", ")
            assert any(path.match(str(package / pattern)) for pattern in patterns), path


def test_public_names_exist():
    assert sorted([*cvae_jax._PUBLIC, *cvae_jax._MODULES]) == sorted(cvae_jax.__all__)
    for name in cvae_jax.__all__:
        assert getattr(cvae_jax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cvae_jax.nothing


@pytest.mark.slow
def test_readme_snippet_runs():
    """The loop of one's own in the README, run as it stands."""
    snippets = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert snippets
    for code in snippets:
        exec(compile(code, "README.md", "exec"), {})


def test_ci_runs_the_readmes_test_command():
    command = re.search(r"^.*-m pytest$", README, re.MULTILINE)[0]
    assert command in Path(".ci/run").read_text()


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=lambda c: c[0])
def test_ruff(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
