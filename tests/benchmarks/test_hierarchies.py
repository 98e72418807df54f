"""The table of hierarchies: docs/extensions.md shows what the benchmark prints of its records."""

import sys
from pathlib import Path

from benchmarks import hierarchies


def test_the_docs_have_the_table_of_the_records(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hierarchies"])
    hierarchies.main()
    table = capsys.readouterr().out
    dsprites = [line for line in table.splitlines() if line.startswith("| dsprites |")]
    assert len(dsprites) == 3 * len(hierarchies.STRUCTURES["dsprites"])
    assert table in Path("docs/extensions.md").read_text(encoding="utf-8")
