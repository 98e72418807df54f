"""Timings by turns, with stand-ins for the contenders."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import handover

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def row(*rounds):
    """[(ms, handover before, after), ...] as `turns.compare` returns them."""
    return {
        "ms": None,
        "rounds": [ms for ms, *_ in rounds],
        "handover_ns": [pair for _, *pair in rounds],
        "peak_gb": 1.0,
    }


def elsewhere(code):
    """What that code prints in a process of its own: it forks, which JAX's threads do not take."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_contenders_take_turns():
    found = json.loads(
        elsewhere("""
import json, sys
from benchmarks import turns
code = "import time; from benchmarks import turns; "
code += "turns.serve(lambda: time.sleep({}), steps=2, gflop=lambda: 7.0)"
seconds = {"long": 0.06, "short": 0.02}
commands = {name: [sys.executable, "-c", code.format(s)] for name, s in seconds.items()}
print(json.dumps(turns.compare(commands, rounds=3, steps=2)))
""")
    )
    assert found["long"]["ms"] > found["short"]["ms"]
    for name, ms in {"long": 30, "short": 10}.items():  # of a step, of which a call takes two
        assert ms <= found[name]["ms"] < ms + 30
        assert len(found[name]["rounds"]) == len(found[name]["handover_ns"]) == 3
        assert found[name]["gflop"] == 7.0


def test_a_handover_takes_nanoseconds_and_gives_the_cores_back():
    ns, same, alone = elsewhere("""
import os
from benchmarks.handover import handover_ns
mine = os.sched_getaffinity(0)
print(handover_ns(), os.sched_getaffinity(0) == mine)
os.sched_setaffinity(0, {min(mine)})
print(handover_ns())
""").split()
    assert len(os.sched_getaffinity(0)) == 1 or 10 < float(ns) < 100_000
    assert same == "True"
    assert alone == "None"


def test_rounds_are_split_by_the_distance_of_the_cores():
    found = {
        "ours": row((10, 300, 310), (20, 600, 620), (12, 320, 300), (99, 310, 600)),
        "theirs": row((15, 305, 310), (98, 600, 300), (16, 640, 600)),
    }
    split = handover.by_distance(found)
    assert {place: {n: r["ms"] for n, r in rows.items()} for place, rows in split.items()} == {
        "cores near": {"ours": 11, "theirs": 15},
        "cores apart": {"ours": 20, "theirs": 16},
    }
    assert split["cores near"]["ours"]["peak_gb"] == 1.0


@pytest.mark.parametrize(
    "rounds", [[(10, 300, 310)], [(10, None, None)]], ids=["one place", "one core"]
)
def test_rounds_of_one_place_are_not_split(rounds):
    assert handover.by_distance({"ours": row(*rounds)}) == {}
