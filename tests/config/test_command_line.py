"""Configs by name, the help of a config, and what a mistyped field is answered with."""

from pathlib import Path

import helpers
import pytest

from cvae_jax.config import command_line, defaults, help, shipped
from cvae_jax.config.fields import flat
from cvae_jax.errors import UserError

FIELDS = dict(flat(defaults.get_config().to_dict()))


def test_every_config_ships():
    top = {path.name: path.read_text() for path in Path("configs").glob("*.py")}
    assert {path.name: path.read_text() for path in shipped.FOLDER.glob("*.py")} == top
    assert [f"{name}.py" for name in shipped.names()] == sorted(top)


def test_a_config_is_found_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    of_package = shipped.FOLDER / "dsprites.py"
    assert shipped.find("dsprites") == shipped.find("configs/dsprites.py") == of_package
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/dsprites.py").touch()
    assert shipped.find("configs/dsprites.py") == Path("configs/dsprites.py")
    assert shipped.find("~/configs/dsprites.py") == tmp_path / "configs/dsprites.py"
    for wrong in ("elsewhere/dsprites.py", str(tmp_path / "dsprites.py"), "configs", ""):
        with pytest.raises(UserError, match=f"no config file {wrong}"):
            shipped.find(wrong)
    with pytest.raises(UserError, match="did you mean 'dsprites'"):
        shipped.find("dsprite")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("num_steps", ["num_steps"]),
        ("latents", ["objective.latents"]),
        ("objective.beta", ["objective.beta_vae.beta", "objective.beta_tcvae.beta"]),
        ("cascade.wieght", ["cascade.weight"]),
        ("objective.dip_vae.beta", []),
        ("learning_rate", []),  # of four players
        ("nothing", []),
    ],
)
def test_a_mistyped_field(name, meant):
    assert command_line.fields_like(name) == meant
    assert set(meant) <= set(FIELDS)


def test_comments_belong_to_their_fields():
    source = """
def get_config():
    config = ConfigDict()
    config.a = 1  # behind

    # above, in
    # two lines
    config.b = ConfigDict(  # a paper
        {"x": 1}  # and a unit
    )
    config.b.y = 2
    other = 3  # no field
"""
    assert help.statements(source) == {
        "a": (4, "behind"),
        "b": (8, "above, in two lines; a paper; and a unit"),
        "b.y": (11, ""),
    }


def test_help_lists_variants_and_every_field_once():
    text = help.describe(
        Path("configs/dsprites.py"), helpers.read_config("configs/dsprites.py", "quick")
    )
    for variant in ("quick", "official", "infogan"):
        assert f"\n  {variant} " in text
    listed = [line.split("=")[0] for line in text.splitlines() if line.startswith("  --config.")]
    names = [name for name in listed if " " not in name.strip()]
    assert sorted(names) == sorted(f"  --config.{name}" for name in FIELDS)
    assert "  --config.num_steps=2500  (default: 300000)\n" in text
    after = text.split("  --config.cascade.structure='independent'\n")[1]
    assert after.lstrip().startswith("independent, decompose2")
    assert max(map(len, help.fields(defaults.get_config()).splitlines())) <= 80
