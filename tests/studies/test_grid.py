"""A study's file becomes its runs, or is refused in one line before anything is trained."""

from pathlib import Path

import pytest

from cvae_jax.errors import UserError
from cvae_jax.studies import grid

TWO = """
config = "dsprites:quick"
seeds = [0, 7]

[fields]
cascade.weight = 0
data.size = 16

[methods.beta_vae]
objective.name = "beta_vae"
objective.beta_vae.beta = [2, 4.5]
objective.latents = [5, 10]

[methods.own]
config = "dsprites"
cascade.weight = 3
"""


@pytest.fixture
def read(tmp_path):
    def of(text):
        path = tmp_path / "study.toml"
        path.write_text(text)
        return grid.read(path)

    return of


def test_the_grid_method_by_method_settings_within_seeds_innermost(read):
    """Worked by hand; a whole number in a field of numbers becomes one."""
    found = read(TWO)
    assert [str(cell.key) for cell in found.cells] == [
        "beta_vae/beta=2.0,latents=5/seed_0",
        "beta_vae/beta=2.0,latents=5/seed_7",
        "beta_vae/beta=2.0,latents=10/seed_0",
        "beta_vae/beta=2.0,latents=10/seed_7",
        "beta_vae/beta=4.5,latents=5/seed_0",
        "beta_vae/beta=4.5,latents=5/seed_7",
        "beta_vae/beta=4.5,latents=10/seed_0",
        "beta_vae/beta=4.5,latents=10/seed_7",
        "own/seed_0",
        "own/seed_7",
    ]
    assert found.cells[3].arguments(Path("out")) == [
        "--config=dsprites:quick",
        "--config.cascade.weight=0.0",
        "--config.data.size=16",
        "--config.objective.name=beta_vae",
        "--config.objective.beta_vae.beta=2.0",
        "--config.objective.latents=10",
        "--config.seed=7",
        "--workdir=out/beta_vae/beta=2.0,latents=10/seed_7",
    ]
    config = found.configs[found.cells[3]]
    assert (config.objective.beta_vae.beta, config.objective.latents) == (2.0, 10)
    assert (config.cascade.weight, config.seed, config.num_steps) == (0.0, 7, 2_500)
    own = found.configs[found.cells[-1]]
    assert (own.cascade.weight, own.num_steps, own.data.size) == (3.0, 300_000, 16)


def test_a_number_of_seeds_counts_from_0(read):
    assert [cell.seed for cell in read(TWO.replace("[0, 7]", "3")).cells][-3:] == [0, 1, 2]


def test_the_study_that_ships_has_24_runs():
    cells = grid.read(Path("studies/four_methods.toml")).cells
    assert len(cells) == 4 * 2 * 3
    assert len({cell.method for cell in cells}) == 4


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("seeds =", "seed =", r"unknown key 'seed'; did you mean 'seeds'\?"),
        ("[0, 7]", "0", "seeds is 0: give their number"),
        ("[0, 7]", "true", "seeds is True: give their number"),
        ("[0, 7]", "[1, 1]", "each once"),
        ("[0, 7]", "[4294967296]", "config.seed is 4294967296"),
        ("seeds =", 'scores = ["migg"]\nseeds =', "unknown score 'migg'; did you mean 'mig'"),
        ("seeds =", 'scores = "mig"\nseeds =', "give a list"),
        ("objective.latents", "objective.latent", r"beta_vae: the config has no field "),
        ("beta_vae.beta =", "beta =", r"did you mean objective.beta_vae.beta or "),
        ("[2, 4.5]", "[2, -1]", "beta_vae, beta=-1.0,latents=5: config.objective.beta_vae.beta is"),
        ("[2, 4.5]", '["a"]', "it must be a number"),
        ("[2, 4.5]", "[]", "objective.beta_vae.beta is an empty list"),
        ("[5, 10]", "[5, 5]", "latents=5/seed_0 and beta_vae/.*latents=5/seed_0 are the same run"),
        ("[5, 10]", "[1979-05-27]", "config.objective.latents is a date; it must be a whole"),
        ('"beta_vae"\n', '"vae"\n', "objective.beta_vae.beta has no effect"),
        ("cascade.weight = 3", "seed = 3", "own: seed is the study's: set seeds"),
        ("cascade.weight = 3", "objective.infogan.packed = 2", "own: objective.infogan.packed is"),
        ("[methods.own]", '[methods."a/b"]', "a method is named 'a/b'"),
        ("[methods.own]", '[methods."..x"]', r"a method is named '\.\.x'"),
        ("[methods.own]", "[own]", "unknown key 'own'"),
        ("[methods.own]", f"[methods.{256 * 'x'}]", "name of 256 bytes, and 255 is the most"),
        ('"dsprites:quick"', '"dsprites:quik"', "unknown variant 'quik'"),
        ('"dsprites"', '"sprites"', "there is no config file sprites; did you mean 'dsprites'"),
        ('config = "dsprites:quick"', "", "which config"),
        ("seeds = ", "seeds ", "is no TOML file"),
        ("[fields]", "[fields.x]", r"has no field x\.cascade\.weight"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(read, before, after, said):
    assert before in TWO
    with pytest.raises(UserError, match=said) as raised:
        read(TWO.replace(before, after, 1))
    assert "\n" not in str(raised.value)
    assert "study.toml" in str(raised.value)


def test_methods_that_are_the_same_are_refused(read):
    again = TWO.split("[methods.own]")[0]
    one = again + '[methods.a]\nobjective.name = "vae"\n'
    assert len(read(one).cells) == 10
    with pytest.raises(UserError, match="b/seed_0 and a/seed_0 are the same run"):
        read(one + '[methods.b]\nobjective.name = "vae"\ncascade.weight = 0.0\n')


def test_a_file_that_is_not_there_or_has_no_methods(read, tmp_path):
    with pytest.raises(UserError, match=r"can't read .*nope\.toml: No such file"):
        grid.read(tmp_path / "nope.toml")
    with pytest.raises(UserError, match="it has no methods"):
        read('config = "dsprites"')
