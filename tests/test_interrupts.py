"""SIGINT, SIGTERM and SIGHUP at any moment end a program in one line: none is lost."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from fixtures.whole_runs import environment, small

from cvae_jax.__main__ import COMMANDS

ENDS = ("Interrupted. Run the same command again to continue.",)
SAVED = "Saved. Run the same command again to resume."

DEAF = """
import time
from cvae_jax import signals
signals.end_at_once()
print("ready", flush=True)
while True:
    try:
        time.sleep(60)
    except BaseException:  # as some imports have it
        pass
"""
# A signal that comes between `hold` and the program that execve puts into the process's place.
RESTARTED = """
import os, signal, sys
from cvae_jax import signals
signals.end_at_once()
signals.hold()
print("ready", flush=True)
while not signal.sigpending():
    pass
code = "import time; from cvae_jax import signals; time.sleep(0.2); signals.end_at_once(); print(1)"
os.execve(sys.executable, [sys.executable, "-c", code], os.environ)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("code", [DEAF, RESTARTED], ids=["deaf", "restarted"])
def test_a_signal_is_not_lost(code, number):
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert out == ""
    assert said.splitlines() == [*ENDS]


# A Ctrl-C at every import of what is neither Python's nor the package's: what takes time.
AT_AN_IMPORT = """
import os, runpy, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "cvae_jax"}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
MODULES = [f"cvae_jax.{module.removesuffix('.__main__')}" for module, _ in COMMANDS.values()]


@pytest.mark.parametrize("arguments", [["cvae_jax", "gather"], *([name] for name in MODULES)])
def test_every_program_ends_in_one_line_where_its_imports_begin(arguments):
    done = subprocess.run(
        [sys.executable, "-c", AT_AN_IMPORT, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, "")
    assert done.stderr.splitlines() == [*ENDS]


# A program that saves when it is asked to stop, and has work behind that.
ASKED = """
import sys, time
from cvae_jax import signals
signals.end_at_once()
with signals.stop_requests() as requests:
    print("training", flush=True)
    while not requests:
        time.sleep(0.01)
    print(requests[0], flush=True)
    while sys.argv[1] == "saving":
        time.sleep(0.01)
print("scoring", flush=True)
while True:
    time.sleep(0.01)
"""


def asked(where):
    """That program, at work in the block of `stop_requests` or behind it."""
    process = subprocess.Popen(
        [sys.executable, "-c", ASKED, where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "training\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("where", ["saving", "scoring"])
def test_the_first_asks_and_the_next_ends_at_once(where, number):
    process = asked(where)
    process.send_signal(number)
    assert process.stdout.readline() == f"{int(number)}\n"
    if where == "scoring":
        assert process.stdout.readline() == "scoring\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()) == (128 + number, [*ENDS])


def test_under_nohup_a_closed_terminal_stops_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which children inherit
    try:
        process = asked("scoring")
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == f"{int(signal.SIGTERM)}\n"
    process.kill()
    process.communicate()


def interrupted(command, variables, after):
    """The exit code and the lines of a program that gets a SIGINT so many seconds after its start.

    It runs in a process group of its own, where nothing else sends it one.
    """
    process = subprocess.Popen(
        command,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said.splitlines()


def seconds_of_an_interpreter():
    """How long Python takes to come to a program's first line: before it nothing is ours."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "from cvae_jax import signals"], check=True)
    return time.monotonic() - start


@pytest.mark.slow
def test_thirty_interrupts_while_starting(data_dir, tmp_path):
    """At moments between 0.05 and 6 s; the run would take minutes."""
    rng = random.Random(0)
    variables = environment(data_dir)
    first = max(0.05, 1.5 * seconds_of_an_interpreter())
    moments = [rng.uniform(first, 6) for _ in range(24)]
    moments += [rng.uniform(first, 1.5) for _ in range(6)]  # where most is imported
    for i, moment in enumerate(moments):
        command = small(tmp_path / str(i), data_dir, num_steps=100_000, checkpoint_every=100_000)
        code, lines = interrupted(command, variables, moment)
        assert code == 128 + signal.SIGINT, (moment, code, lines)
        assert not any("Traceback" in line for line in lines), (moment, lines)
        ends = [line for line in lines if line in (*ENDS, SAVED)]
        assert ends == lines[-1:], (moment, lines)
