"""launch/local.py's processes and signals, with plain programs in place of a run."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

# Each says that it is ready, notes a signal, and ends as a run does that has saved.
SAVING = """
import pathlib, signal, sys, time
from cvae_jax import signals
signals.follow_parent()
folder, index = pathlib.Path(sys.argv[1]), sys.argv[2]
def save(number, frame):
    (folder / f"saved{index}").write_text(str(number))
    sys.exit(128 + number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, save)
signals.release()  # as `end_at_once` does
(folder / f"ready{index}").write_text(str(__import__("os").getpid()))
time.sleep(60)
"""
LAUNCHER = """
import runpy, sys
folder, program, *arguments = sys.argv[1:]
local = runpy.run_path("launch/local.py", run_name="local")
def commands(arguments, num_processes, port, gpus):
    for index in range(num_processes):
        yield {}, [sys.executable, "-c", program, folder, str(index)]
local["main"].__globals__["commands"] = commands
sys.argv = ["local.py", "--processes=2", *arguments, "--", "x"]
sys.exit(local["main"]())
"""


def await_true(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextlib.contextmanager
def launched(folder, program=SAVING, *arguments, **how):
    """(launcher, the numbers of its processes)."""
    line = [sys.executable, "-c", LAUNCHER, str(folder), program, *arguments]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, **how) as launcher:
        try:
            ready = [folder / f"ready{index}" for index in range(2)]
            await_true(lambda: all(path.exists() and path.read_text() for path in ready))
            yield launcher, [int(path.read_text()) for path in ready]
        finally:
            launcher.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_launcher_alone_is_passed_on(tmp_path, number):
    with launched(tmp_path) as (launcher, _):
        launcher.send_signal(number)
        assert launcher.wait(10) == 128 + number
    saved = [(tmp_path / f"saved{index}").read_text() for index in range(2)]
    assert saved == [str(int(number))] * 2


def test_a_signal_to_the_launcher_while_interpreters_start(tmp_path):
    """Its processes answer once they can; neither it nor they end in a traceback."""
    slow = "import time; time.sleep(1)\nfrom cvae_jax import signals; signals.end_at_once()"
    slow += "; time.sleep(60)"
    line = [sys.executable, "-c", LAUNCHER, str(tmp_path), slow]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as launcher:
        children = pathlib.Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
        await_true(lambda: len(children.read_text().split()) == 2)
        launcher.send_signal(signal.SIGINT)
        _, said = launcher.communicate(timeout=30)
    assert launcher.returncode == 130
    assert "Traceback" not in said
    assert said.count("Interrupted.") == 2


def test_the_launcher_answers_before_it_imports_what_takes_time(tmp_path):
    """A module named socket, which it imports, interrupts it."""
    (tmp_path / "socket.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run(
        [sys.executable, "launch/local.py", "--processes=1", "--dry_run"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr.splitlines() == ["Interrupted. Run the same command again to continue."]


def test_a_terminals_ctrl_c_arrives_once(tmp_path):
    """It goes to the launcher's whole group."""
    with launched(tmp_path, start_new_session=True) as (launcher, children):
        assert {os.getpgid(child) for child in children}.isdisjoint({launcher.pid})
        os.killpg(launcher.pid, signal.SIGINT)
        assert launcher.wait(10) == 130


def test_ctrl_c_that_ends_a_tee_lets_all_save(tmp_path):
    """Nobody reads what the launcher says of the first that ended; the second still saves."""
    slow = SAVING.replace("def save(number, frame):", "def save(number, frame):\n    linger()")
    linger = "def linger():\n    time.sleep(int(index))\n"
    with launched(tmp_path, linger + slow) as (launcher, _):
        launcher.stderr.close()
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(10) == 130
    assert all((tmp_path / f"saved{index}").exists() for index in range(2))


def test_nohup_is_heeded(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which children inherit
    with contextlib.ExitStack() as stack:
        try:
            launcher, _ = stack.enter_context(launched(tmp_path))
        finally:
            signal.signal(signal.SIGHUP, before)
        launcher.send_signal(signal.SIGHUP)
        launcher.send_signal(signal.SIGTERM)
        assert launcher.wait(10) == 143


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl")
def test_a_killed_launcher_leaves_no_orphans(tmp_path):
    with launched(tmp_path) as (launcher, children):
        assert all(map(alive, children))
        launcher.kill()
        await_true(lambda: not any(map(alive, children)), 5)


@pytest.mark.slow
def test_one_that_stops_answering_ends_all_and_is_named_last(tmp_path):
    """Process 1 is stopped; process 0 notices, and says a lot about it."""
    noticing = SAVING.replace(
        "time.sleep(60)",
        """
while index == "1" or not (folder / "stopped").exists():
    time.sleep(0.1)
sys.exit("a page of\\nJAX")
""",
    )
    with launched(tmp_path, noticing, "--restarts=0") as (launcher, children):
        os.kill(children[1], signal.SIGSTOP)
        (tmp_path / "stopped").touch()
        begun = time.monotonic()
        _, said = launcher.communicate(timeout=30)
        assert time.monotonic() - begun < 20  # and JAX takes 10 s to notice
    assert said.splitlines()[-1] == (
        "the run has ended: process 1 stopped answering and was killed"
    )
    assert not any(map(alive, children))


def test_one_that_dies_is_named_last(tmp_path):
    with launched(tmp_path, SAVING, "--restarts=0") as (launcher, children):
        os.kill(children[1], signal.SIGKILL)
        time.sleep(1)
        os.kill(children[0], signal.SIGTERM)
        _, said = launcher.communicate(timeout=30)
    assert launcher.returncode == 137
    assert said.splitlines()[-1] == "the run has ended: process 1 was killed by SIGKILL"
