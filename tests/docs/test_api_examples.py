"""docs/api/*.md: each example runs, and prints what stands beneath it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

_EXAMPLE = re.compile(r"```python\n(.*?)```\n+```text\n(.*?)```", re.DOTALL)
GROUPS = ("metrics", "networks", "objectives", "runs", "step", "structures")


@pytest.mark.slow  # the README's runs by default
@pytest.mark.parametrize("group", GROUPS)
def test_example_prints_what_it_says(group):
    page = Path(f"docs/api/{group}.md").read_text()
    examples = _EXAMPLE.findall(page)
    assert examples
    assert len(examples) == page.count("```python")  # none without its output
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"docs/api/{group}.md", "exec"), {})
        assert printed.getvalue() == expected


def test_every_page_of_public_names_is_a_group():
    pages = {path.stem for path in Path("docs/api").glob("*.md")}
    assert pages == {"index", *GROUPS}
