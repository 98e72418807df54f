"""The wheel in an environment of its own: the program, its configs and a report, in any folder."""

import pytest
from fixtures import empty_environment
from fixtures.empty_environment import run


@pytest.mark.slow
def test_a_wheel_trains_and_reports_in_an_empty_folder(tmp_path):
    """Downloads what the package needs: minutes."""
    programs = empty_environment.programs(tmp_path)
    run(tmp_path, str(programs / "pip"), "install", str(empty_environment.wheel(tmp_path)))
    cvae = str(programs / "cvae")
    trained = run(tmp_path, cvae, "train", "--config=dsprites:quick", "--config.num_steps=50")
    assert trained.stdout.startswith("step 50, ")
    reported = run(tmp_path, cvae, "report", "runs/dsprites-quick")
    assert reported.stdout == "runs/dsprites-quick/report.html\n"
    assert (tmp_path / "runs/dsprites-quick/report.html").stat().st_size > 100_000
