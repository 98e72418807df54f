"""The program `cvae`: its commands, their arguments, what goes to which stream."""

import importlib
import inspect
import logging
import subprocess
import sys

import helpers
import pytest

from cvae_jax import __main__ as program
from cvae_jax import cli, datasets, encode, errors, main
from cvae_jax.datasets import __main__ as datasets_program
from cvae_jax.errors import UserError, did_you_mean
from cvae_jax.runs import loading
from cvae_jax.training import loop, seeds


def cvae(*arguments, module="cvae_jax", **kwargs):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )


def test_every_command_is_a_module_with_main():
    for name, (module, what) in program.COMMANDS.items():
        run = importlib.import_module(f"cvae_jax.{module}").main
        assert list(inspect.signature(run).parameters) == ["argv"]
        (line,) = [x for x in program.usage().splitlines() if x.split()[:1] == [name]]
        assert what in line


@pytest.mark.parametrize("module", [module for module, _ in program.COMMANDS.values()])
def test_a_commands_names_of_options_end_with_it(module, monkeypatch):
    """A remedy for whoever calls the package from Python afterwards names none of its options."""
    found = importlib.import_module(f"cvae_jax.{module}")
    names = ("data", "data_dir", "size", "workdir", "weights")
    before = [errors.option(name) for name in names]

    def refuses(*arguments):
        errors.name_options(**dict.fromkeys(names, "--of this command"))
        raise UserError("later than its options are named")

    monkeypatch.setattr(cli.Parser, "parse_args", refuses)
    monkeypatch.setattr(main.command_line, "parse", refuses)
    with pytest.raises(UserError, match="later than"):
        found.main([f"cvae {module}"])
    assert [errors.option(name) for name in names] == before


def test_after_a_command_a_python_user_reads_of_the_config():
    with pytest.raises(UserError, match="there is no folder"):
        encode.main(["cvae encode", "no/run", "--data=folder:/nowhere"])
    with pytest.raises(UserError, match=r"^config\.data\.name: there is no folder /nowhere"):
        datasets.load("folder:/nowhere", 8)


def test_a_wrong_command_is_one_line_with_the_nearest():
    done = cvae("evalute")
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown command 'evalute'; did you mean 'evaluate'?")
    assert len(done.stderr.splitlines()) == 1
    assert "did you mean" not in cvae("runs/dsprites-quick").stderr
    assert cvae().stdout == cvae("--help").stdout == program.usage() + "\n"


@pytest.mark.parametrize("name", ["gather", "evaluate"])
def test_a_module_is_its_command(name, tmp_path):
    """One that starts itself again for the allocator, and one that does not."""
    done = cvae(str(tmp_path / "none"), module=f"cvae_jax.{name}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no folder")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("towr", ("tower", "independent"), "did you mean 'tower'? "),
        ("vea", ("vae", "beta_vae"), "did you mean 'vae'? "),
        ("dip_vae", ("vae", "beta_vae", "annealed_vae", "factor_vae", "beta_tcvae"), ""),
        ("/data/heads3d_small", ("heads3d_small",), ""),
        ("pictures", ("dsprites", "heads3d_small", "celeba"), ""),
    ],
)
def test_a_suggestion_is_near_or_not_made(name, names, found):
    assert did_you_mean(name, names) == found


def test_the_runs_folder_is_named_once(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    def parsed(*arguments):
        parser = cli.Parser("evaluate", "")
        parser.add_run("a run")
        return parser.parse_run([*arguments]).run

    assert parsed("runs/a") == parsed("--workdir=runs/a") == "runs/a"
    assert parsed("~/a") == parsed("--workdir=~/a") == "/home/me/a"
    for wrong in ((), ("a", "--workdir=b"), ("a", "b"), ("a", "--nothing=1")):
        with pytest.raises(UserError, match="cvae evaluate --help lists the options"):
            parsed(*wrong)


def test_a_home_in_a_path(monkeypatch, tmp_path):
    """Where the shell leaves it, and in the functions that a program of one's own calls."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.path("folder:~/pictures") == f"folder:{tmp_path}/pictures"
    assert cli.path("~/codes.csv") == f"{tmp_path}/codes.csv"
    assert cli.path("a~b") == "a~b"
    (tmp_path / "run").mkdir()
    assert loading.folder("~/run") == tmp_path / "run"

    def refused(workdir, config):
        raise UserError(str(workdir))

    monkeypatch.setattr(seeds, "open_runs", refused)
    with pytest.raises(UserError, match=f"^{tmp_path}/run$"):
        loop.train_and_evaluate(helpers.small_config(), "~/run")


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_the_datas_folder_has_the_name_that_the_program_takes(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    root = f"{tmp_path}/file/data"
    with pytest.raises(UserError, match="another folder with --data_dir="):
        datasets_program.main(["cvae datasets", f"--data_dir={root}", "prepare", "dsprites_small"])
    flags = ("train", "--config=dsprites:quick", f"--config.data.dir={root}", str(tmp_path / "run"))
    monkeypatch.setattr(sys, "argv", [*flags])
    monkeypatch.setattr(cli, "keep_programs", lambda: None)
    monkeypatch.setattr(cli, "compute_in_calling_thread", lambda: None)
    with pytest.raises(UserError, match=r"another folder with --config\.data\.dir="):
        main.main([*flags])


def test_results_go_to_one_stream_and_messages_to_the_other(capsys):
    log = logging.getLogger("cvae_jax")
    before = (log.handlers, log.level, log.propagate)

    def prints(argv):
        log.warning("a message")
        logging.getLogger(cli.RESULTS).info("a table")

    try:
        assert cli.run(prints, []) == 0
    finally:
        log.handlers, log.level, log.propagate = before
    assert capsys.readouterr() == ("a table\n", "a message\n")


NAME = "a\x1b]0;owned\x07\nerror: b\u202e\udcff"
SPELT = "a\\x1b]0;owned\\x07\\nerror: b\\u202e\\udcff"


def test_names_steer_no_terminal(capsys):
    log = logging.getLogger("cvae_jax")
    before = (log.handlers, log.level, log.propagate)

    def refuses(argv):
        log.warning("read %s", NAME)
        cli.show(f"{NAME}\t1")
        raise UserError(f"no folder {NAME}; name another")

    try:
        assert cli.run(refuses, []) == 2
    finally:
        log.handlers, log.level, log.propagate = before
    out, said = capsys.readouterr()
    assert out == SPELT.replace("\\n", "\n") + "\t1\n"  # a table has lines
    read, refusal = said.rsplit("\n", 2)[0], said.splitlines()[-1]
    assert read == "read " + SPELT.replace("\\n", "\n")
    assert refusal == f"error: no folder {SPELT}; name another"


def test_what_people_write_is_printed_as_it_is():
    for text in ("Größe 3 µm\tα|β", "画像/十.png", "naïve\u0301"):
        assert errors.printable(text) == text


def test_output_that_nobody_reads_is_no_traceback():
    code = """
import sys
from cvae_jax import cli
sys.exit(cli.run(lambda argv: [print("x" * 100, flush=True) for _ in range(10_000)], []))
"""
    line = f"{sys.executable} -c '{code}' | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 141
    assert done.stderr == ""
