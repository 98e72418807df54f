"""README.md is short, its commands parse; every page has short sentences."""

from pathlib import Path

import pytest
from fixtures import commands, prose

TEXT = Path("README.md").read_text()
PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), Path("launch/README.md")]
PAGES += sorted(Path("docs").rglob("*.md"))


@pytest.mark.parametrize("command", commands.of_readme())
def test_a_command_parses(command):
    if command.startswith("cvae study"):
        assert Path(command.split()[2]).is_file()
    elif "--help" not in command:
        commands.require_parses(command)


def test_it_is_at_most_170_lines():
    assert len(TEXT.splitlines()) <= 170


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_no_sentence_has_more_than_30_words(path):
    assert not prose.long_sentences(path.read_text())


def test_sentences_of_a_page():
    page = """---
hide: [toc]
---
# A *heading* without a stop
One sentence, wrapped
over two lines. **Bold: another.** `cvae train` is one word (in brackets.) [Link](to.md#here)

* item one
* item two: it goes
  further
1. numbered

    code is left out. So is

```sh
this.
```

| a cell. | another |
|---|---|

Last · of all
"""
    assert [" ".join(text.split()) for text in prose.sentences(page)] == [
        "One sentence, wrapped over two lines",
        "**Bold",
        "another",
        "code is one word (in brackets",
        "[Link]()",
        "item one",
        "item two",
        "it goes further",
        "numbered",
        "Last",
        "of all",
    ]
    assert not prose.long_sentences("word " * 29 + "last. " + "word " * 30)
    assert prose.long_sentences("Start. " + "word " * 31) == ["word " * 31]
