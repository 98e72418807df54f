"""docs/tutorial.md: what it names exists; its commands run in order, with fewer steps."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import helpers
import pytest

from cvae_jax import main
from cvae_jax.__main__ import COMMANDS as COMMANDS_OF_CVAE
from cvae_jax.config import shipped
from cvae_jax.config.fields import flat

TUTORIAL = Path("docs/tutorial.md").read_text().partition("## Where to go next")[0]
TUTORIAL = TUTORIAL.replace("\\\n", " ")  # commands of several lines
FENCE = re.compile(r"^```(\w+)(?: title=\"(.*?)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [match.groups() for match in FENCE.finditer(TUTORIAL)]
FILES = {title: code for _, title, code in BLOCKS if title}
COMMANDS = [
    shlex.split(line)
    for language, _, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
    if line.startswith(("python ", "cvae "))
]
FEWER = {
    "batch_size": 32,
    "num_steps": 4,
    "log_every": 2,
    "checkpoint_every": 2,
    "cascade.critic_layers": 2,
    "cascade.critic_width": 32,
    "eval.num_images": 50,
    "eval.metrics": "mig,factor_score,reconstruction",
}


@pytest.fixture
def config_file(tmp_path):
    """From the name of a config on the command line to what it gives."""

    def read(text):
        path = text.partition(":")[0]
        if path in FILES:
            text = str(tmp_path / path)
            Path(text).write_text(FILES[path])
        return shipped.load(text)

    return read


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_names_what_there_is(command, config_file):
    program, *rest = command
    if program == "python":
        assert rest == [name for name in rest if name in FILES]
        return
    module, _ = COMMANDS_OF_CVAE[rest[0]]
    flags = dict(word.removeprefix("--").split("=", 1) for word in rest if word.startswith("--"))
    if module != "main":
        source = Path("cvae_jax", *module.split(".")).with_suffix(".py").read_text()
        shared = re.findall(r"parser\.add_(data\w*)\(", source)  # methods of cli.Parser
        assert set(flags) <= {*re.findall(r"\"--(\w+)\"", source), *shared}
        return
    config = config_file(flags.pop("config"))
    for name, value in flags.items():
        field = name.removeprefix("config.")
        if field == name:
            assert name in main.FLAGS
        else:
            default = dict(flat(config.to_dict()))[field]
            assert isinstance(type(default)(value), type(default))


def test_the_text_names_existing_fields(config_file):
    fields = dict(flat(config_file("own.py").to_dict()))
    named = set(re.findall(r"--config\.([\w.]+)=", TUTORIAL))
    assert {"cascade.structure", "cascade.critic_input", "num_seeds"} <= named <= set(fields)


@pytest.mark.parametrize("code", [c for language, _, c in BLOCKS if language == "python"])
def test_python_imports_existing_names(code):
    imports = [x for x in ast.parse(code).body if isinstance(x, (ast.Import, ast.ImportFrom))]
    exec(compile(ast.Module(imports, []), "docs/tutorial.md", "exec"), {})


def fewer(line):
    """A line of a shell block with few steps, or "" where it is about the installation."""
    if ".venv" in line:
        return ""
    steps = [f"--config.{name}={value}" for name, value in FEWER.items()]
    return f"{line} {' '.join(steps)}" if "cvae train" in line else line


@pytest.mark.slow
def test_every_block_runs_in_order(tmp_path):
    """As a reader would run them, in an empty folder."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cvae").write_text(f'#!/bin/sh\nexec {sys.executable} -m cvae_jax "$@"\n')
    (programs / "cvae").chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path.cwd()),
        "TFDS_DATA_DIR": str(tmp_path / "data"),
        "XLA_FLAGS": "",  # as a reader's: one device, and what encodes all images is optimised
    }
    for language, title, code in BLOCKS:
        if title:
            (tmp_path / title).write_text(code.replace("range(2_000)", "range(200)"))
            continue
        if language == "text":
            continue
        if language == "sh":
            command = ["bash", "-e", "-c", "\n".join(map(fewer, code.splitlines()))]
        else:
            command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (code, done.stderr[-2000:])
        assert not helpers.OF_LIBRARIES.search(done.stdout + done.stderr), (code, done.stderr)
    for name in ("own.png", "between.png", "latents.npz", "compare.csv"):
        assert (tmp_path / name).stat().st_size
    for name in ("reconstructions", "curves", "traversals", "hierarchy", "effects"):
        assert (tmp_path / f"runs/own/plots/{name}.png").exists()
