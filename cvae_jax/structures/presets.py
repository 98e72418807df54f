"""The structures of the paper's Fig. 3 by name."""

from cvae_jax.structures.structure import Structure, parse

# The structures of the paper's Fig. 3. The text does not list them: the edges are
# inferred from the captions and from Sections 4.1 to 4.4.
PRESETS = {
    "independent": "",  # 3a
    "decompose2": "1>2 1>3",  # 3b
    "decompose3": "1>2 1>3 1>4",  # 3c
    "compose2": "1>3 2>3",  # 3d
    "compose3": "1>4 2>4 3>4",  # 3e
    "tower": "1>3 2>3 3>5 4>5",  # 3f
}


def preset(name: str, latents: int) -> Structure:
    """Returns a structure of the paper's Fig. 3 by name, see `PRESETS`.

    Raises:
      ValueError: unknown name, or too few latents for its nodes.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown structure {name!r}; there are {', '.join(PRESETS)}")
    return parse(PRESETS[name], latents)


def from_config(text: str, latents: int) -> Structure:
    """Returns a preset where text is the name of one, else the structure that text writes out."""
    words = text.replace(",", " ").split()
    named = len(words) == 1 and words[0].isidentifier()
    return preset(words[0], latents) if named else parse(text, latents)
