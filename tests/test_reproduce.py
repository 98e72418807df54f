"""The paper's runs: what is run, kept, cut and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import conftest
import numpy as np
import pytest
from PIL import Image
from whole_runs import environment

import cvae_jax
from cvae_jax import command_line, reproduce
from cvae_jax.errors import UserError
from cvae_jax.reproduction import runs
from cvae_jax.workdir import in_use, open_workdir, read_config, read_json, write_json

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


def test_what_has_ended_is_kept_and_gathered(whole_run, tiny, tmp_path, monkeypatch, caplog):
    """With the tests' whole run in place of one of the paper's."""
    whole, _ = whole_run
    runs.CONFIG.write_text(
        "import json\nfrom cvae_jax.workdir import read_config\n\n"
        f"def get_config(variant):\n    return read_config({str(whole)!r})\n"
    )
    copy = "import shutil, sys; shutil.copytree(*sys.argv[1:], dirs_exist_ok=True)"
    monkeypatch.setattr(
        runs,
        "program",
        lambda words: [sys.executable, "-c", copy, str(whole), words[-1].partition("=")[2]],
    )
    argv = ["reproduce", "--figure=9", "--scale=half", "--seeds=1", *tiny]
    with caplog.at_level("INFO", "cvae_jax"):
        reproduce.main([*argv, "--gather"])
        assert "not run: needs the command above" in caplog.text
        reproduce.main(argv)
    folder = tmp_path / "results" / "half"
    record = json.loads((folder / "dsprites" / "vae+tower" / "seed_0.json").read_text())
    results = json.loads((whole / "results.json").read_text())
    assert record["scores"] == results["scores"]
    assert record["versions"]["cvae_jax"] == cvae_jax.__version__
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert record["curves"]["step"] == steps
    assert record["curves"]["recon"] == pytest.approx([x["recon"] for x in lines], rel=1e-4)
    late = [x["cascade_kl"] for x in lines if x["step"] > steps[-1] / 10]
    assert record["largest"]["cascade_kl"] == pytest.approx(max(late), rel=1e-4)
    each = zip(np.diff([0, *steps]), lines, strict=True)
    seconds = sum(count / line["steps_per_second"] for count, line in each)
    assert record["training_seconds"] == pytest.approx(seconds, abs=0.51)
    text = (folder / "figure9.md").read_text()
    assert f"{results['scores']['mig']['value']:.3f}" in text
    for name in ("traversals", "effects"):
        with Image.open(folder / f"figure9_dsprites_vae_tower_{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 5

    # What has ended is not trained again, even if its own folder is gone.
    monkeypatch.setattr(runs, "program", None)
    reproduce.main(argv)
    # A config that says otherwise by now does not pass for what was run.
    other = runs.CONFIG.read_text().replace("return ", "config = ")
    runs.CONFIG.write_text(f"{other}    config.batch_size = 8\n    return config\n")
    with pytest.raises(UserError, match=r"another config \(batch_size 16 -> 8\)"):
        reproduce.main(argv)


def test_scores_that_are_made_later_are_taken_over(whole_run, tiny, tmp_path, monkeypatch):
    whole, _ = whole_run
    run = runs.Run("half", "dsprites", "vae+tower", 0)
    monkeypatch.setattr(runs, "config", lambda run: read_config(whole))
    workdir, results = tmp_path / "runs" / run.key, tmp_path / "results"
    shutil.copytree(whole, workdir)
    runs.write_record(results, run, workdir)
    found = read_json(workdir / "results.json")
    found["scores"]["is"] = found["scores"]["mig"] | {"value": 1.5}
    write_json(workdir / "results.json", found)
    reproduce.main(["reproduce", "--figure=9", "--scale=half", "--seeds=1", "--gather", *tiny])
    assert runs.read_record(results, run)["scores"]["is"]["value"] == 1.5


def test_a_run_that_was_cut_is_shown_and_not_done(whole_run, tiny, tmp_path, monkeypatch):
    """Evaluated where it stopped, it says so in the table; the command still trains it."""
    whole, _ = whole_run
    config = read_config(whole)
    steps = config.num_steps
    config.num_steps = 2 * steps
    monkeypatch.setattr(runs, "config", lambda run: config)
    run = runs.Run("half", "dsprites", "vae+tower", 0)
    workdir, results = tmp_path / "runs" / run.key, tmp_path / "results"
    shutil.copytree(whole, workdir)
    write_json(workdir / "config.json", config.to_dict())
    argv = ["reproduce", "--figure=9", "--scale=half", "--seeds=1", *tiny]

    def evaluated(recorded, **changes):
        write_json(workdir / "results.json", read_json(whole / "results.json") | changes)
        later = json.loads(lines[-1]) | {"step": 2 * steps}  # it has trained on since
        (workdir / "metrics.jsonl").write_text("\n".join([*lines, json.dumps(later), ""]))
        reproduce.main([*argv, "--gather"])
        record = runs.read_record(results, run)
        assert record["curves"]["step"][-1] == record["step"] == recorded
        return (results / "half/figure9.md").read_text()

    lines = (whole / "metrics.jsonl").read_text().splitlines()
    text = evaluated(steps)
    assert f"cut, seed 0 at {steps:,} of {2 * steps:,} steps" in text
    assert f"{read_json(whole / 'results.json')['scores']['mig']['value']:.3f}" in text
    failing(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(UserError, match="1 of 1 runs failed: it ended with code 3"):
        reproduce.main(argv)
    text = (results / "half/figure9.md").read_text()
    assert "only seeds 0; others: it ended with code 3" in text
    assert "cut, seed 0" in text

    evaluated(steps, step=2 * steps, data={"name": "x", "source": "y", "size": 8, "changed": "z"})
    pictures = workdir / "plots" / "traversals.npz"
    pictures.rename(workdir / "moved")  # copied without them
    evaluated(steps, step=2 * steps)
    (workdir / "moved").rename(pictures)
    assert "cut" not in evaluated(2 * steps, step=2 * steps)  # to its end


def test_cells_without_runs_say_what_they_need(tiny, tmp_path):
    """Files of others' data sets, and where it is told where they go; of rendered ones nothing."""
    reproduce.main(["reproduce", "--table=1", "--gather", *tiny])
    text = (tmp_path / "results" / "quick" / "table1.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if "not run" in line]
    cells = {name.removeprefix("| "): reason for name, _, reason, *_ in rows}
    first, then = "not run: needs ", "the command above"
    assert cells["dsprites"] == cells["heads3d"] == first + then
    by_hand = "celeba (img_align_celeba.zip by hand; docs/data.md says what goes where) and "
    assert cells["celeba"] == first + by_hand + then
    files = Path("docs/data.md").read_text()
    for name in cells:
        assert f"`{name}" in files or f", `{name}`" in files


def test_seeds_at_once(whole_run, tiny, tmp_path, monkeypatch):
    """The command has all the seeds; each gets its record, or is told to have diverged."""
    whole, _ = whole_run
    monkeypatch.setattr(runs, "config", lambda run: read_config(whole))
    started = []

    def program(arguments):
        started.append(arguments)
        copy = "import shutil, sys; [shutil.copytree(sys.argv[1], x) for x in sys.argv[2:]]"
        folder = arguments[-1].partition("=")[2]
        return [sys.executable, "-c", copy, str(whole), f"{folder}/seed_0", f"{folder}/seed_2"]

    monkeypatch.setattr(runs, "program", program)
    with pytest.raises(UserError, match=r"1 of 3 runs failed: it diverged, see .*seed_1"):
        reproduce.main(["reproduce", "--figure=9", "--seeds=3", "--at_once", *tiny])
    ((*_, seed, num_seeds, workdir),) = started
    assert (seed, num_seeds) == ("--config.seed=0", "--config.num_seeds=3")
    assert workdir.endswith("runs/quick/dsprites/vae+tower")
    results = tmp_path / "results" / "quick" / "dsprites" / "vae+tower"
    assert sorted(path.name for path in results.glob("*.json")) == ["seed_0.json", "seed_2.json"]


def failing(monkeypatch, code):
    monkeypatch.setattr(runs, "program", lambda arguments: [sys.executable, "-c", code])


def test_a_run_that_fails_is_named_and_the_others_go_on(tiny, tmp_path, monkeypatch):
    failing(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(UserError, match=r"2 of 2 runs failed: it ended with code 3; why, says:.*"):
        reproduce.main(["reproduce", "--figure=9", "--seeds=2", *tiny])
    text = (tmp_path / "results" / "quick" / "figure9.md").read_text()
    assert "not run: it ended with code 3" in text


def test_jobs_are_side_by_side_and_say_where_to_look(tiny, tmp_path, monkeypatch):
    """Each program ends once both have begun, and not before."""
    code = f"""
import pathlib, sys, time
here = pathlib.Path({str(tmp_path)!r})
mine = here / f"begun {{time.monotonic_ns()}}"
mine.touch()
deadline = time.monotonic() + 60
while len(list(here.glob("begun *"))) < 2:
    if time.monotonic() > deadline:
        sys.exit(4)
    time.sleep(0.05)
print("not enough memory")
sys.exit(3)
"""
    failing(monkeypatch, code)
    with pytest.raises(
        UserError, match=r"2 of 2 runs failed: .* code 3; why, says: (.*log)"
    ) as told:
        reproduce.main(["reproduce", "--figure=9", "--seeds=2", "--jobs=2", *tiny])
    log = Path(str(told.value).partition("says: ")[2])
    assert log.read_text() == "not enough memory\n"
    folder = tmp_path / "runs/quick/dsprites/vae+tower"
    assert log in (folder / "seed_0.log", folder / "seed_1.log")  # whichever ended first


def test_what_is_at_work_is_not_started_again(tiny, tmp_path):
    run = runs.Run("quick", "dsprites", "vae+tower", 0)
    workdir = tmp_path / "runs" / run.key
    with open_workdir(workdir, runs.config(run)):
        code = f"from cvae_jax.workdir import in_use; print(in_use({str(workdir)!r}))"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert told.stdout == b"True\n"
        with pytest.raises(UserError, match=r"a run is at work in .*stop it, or wait"):
            reproduce.main(["reproduce", "--figure=9", "--seeds=1", *tiny])
    assert not in_use(workdir)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_ends_the_run_before_it_ends_us(tiny, tmp_path, monkeypatch, signals):
    """Once: the run is asked to save and waited for. Twice: it is ended."""
    pid, noted = tmp_path / "pid", tmp_path / "noted"
    code = f"""
import os, pathlib, signal, time
def first(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    pathlib.Path({str(noted)!r}).touch()
if {signals} == 2:  # as a run does: the first is noted, the second acts
    signal.signal(signal.SIGTERM, first)
pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))
time.sleep(60)
"""
    failing(monkeypatch, code)

    def send():
        while not pid.exists() or not pid.read_text():
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        if signals == 2:
            while not noted.exists():
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    expected = {1: command_line.Stopped, 2: KeyboardInterrupt}[signals]
    # A shell's background job, as this suite may be one, ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(expected):
            reproduce.main(["reproduce", "--figure=9", "--seeds=1", *tiny])
    finally:
        signal.signal(signal.SIGINT, before)
    sender.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_data_that_are_not_there_are_named(tiny, tmp_path, caplog):
    text = runs.CONFIG.read_text()
    runs.CONFIG.write_text(
        text.replace("return config", 'config.data.update(name="faces3d", size=64); return config')
    )
    reproduce.main(["reproduce", "--figure=9", "--seeds=1", *tiny])
    text = (tmp_path / "results" / "quick" / "figure9.md").read_text()
    assert "not run: needs its data: " in text
    assert "faces3d" in text


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--seeds=1"], ["--seeds=2", "--at_once"]])
def test_a_reproduction_that_is_cut_goes_on(tiny, tmp_path, options):
    """A signal reaches the run, which saves; the same command resumes it, then makes the rest."""
    code = (
        "import sys; from pathlib import Path; from cvae_jax import command_line, reproduce;"
        "from cvae_jax.reproduction import runs; runs.CONFIG = Path(sys.argv.pop(1));"
        "sys.exit(command_line.run(reproduce.main, sys.argv))"
    )
    argv = [sys.executable, "-c", code, str(runs.CONFIG), "--figure=9", *options, *tiny]
    workdir = tmp_path / "runs" / "quick" / "dsprites" / "vae+tower" / "seed_0"
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    start = time.monotonic()
    while not (workdir / "metrics.jsonl").exists() or not (workdir / "metrics.jsonl").read_text():
        assert process.poll() is None
        assert time.monotonic() - start < 120
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, told
    assert (workdir / "checkpoints").is_dir()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resumed from the checkpoint" in done.stderr
    record = json.loads((tmp_path / "results/quick/dsprites/vae+tower/seed_0.json").read_text())
    assert record["step"] == 3000
