"""README.md: short enough to be read, and its commands are ones that the program takes."""

import re
from pathlib import Path

import pytest
from fixtures import commands

TEXT = Path("README.md").read_text()
PROSE = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
COMMANDS = re.findall(r"`(cvae \w+ [^`]+)`|\.venv/bin/(cvae [^&\n]+)", TEXT)


@pytest.mark.parametrize("command", [a or b for a, b in COMMANDS])
def test_a_command_parses(command):
    if command.startswith("cvae study"):
        assert Path(command.split()[2]).is_file()
    elif "--help" not in command:
        commands.require_parses(command)


def test_it_is_at_most_170_lines():
    assert len(TEXT.splitlines()) <= 170


def test_no_sentence_has_more_than_30_words():
    paragraphs = re.split(r"\n\s*\n|\n(?=[*|#])|\||·", PROSE)
    sentences = [s for text in paragraphs for s in re.split(r"(?<=[.:!?])\s", text)]
    long = [s for s in sentences if len(s.split()) > 30]
    assert not long
