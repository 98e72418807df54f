"""The table of hierarchies: docs/method.md shows what the benchmark prints of its records."""

import sys
from pathlib import Path

from benchmarks import hierarchies


def test_the_docs_have_the_table_of_the_records(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hierarchies"])
    hierarchies.main()
    table = capsys.readouterr().out
    assert len(table.splitlines()) == 2 + 3 * len(hierarchies.STRUCTURES)
    assert table in Path("docs/method.md").read_text(encoding="utf-8")
