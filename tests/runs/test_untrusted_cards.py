"""Names of anyone's in a model's card: shown, and nothing else, by a Markdown reader and Python."""

import ast
import html.parser
import shlex

import helpers
import markdown
import pytest

from cvae_jax.runs import card as cards

INFO = {"size": 8, "channels": 1, "num_examples": 64}
NASTY = {
    "html": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "link": "[click](javascript:alert(1))",
    "picture": "![x](http://example.com/x.png)",
    "fence": "a\n```\n<script>x</script>\n```sh\nrm -rf ~",
    "long_fence": "a\n``````\n<script>x</script>",
    "python": '"); import os; os.system("x"); ("',
    "newline_python": 'a"\nimport os\n"',
    "cell": "a | b | c",
    "backslash": "a\\",
    "code": "`x` *y*",
    "entity": "&lt;b&gt;",
}


class Elements(html.parser.HTMLParser):
    """Tags with their attributes' names, text, and code blocks."""

    def __init__(self):
        super().__init__()
        self.tags, self.code, self._in = set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._in.append(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag):
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data):
        if "code" in self._in:
            self.code[-1] += data


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY.keys())
def test_text_from_elsewhere_is_shown_and_does_nothing(name):
    config = helpers.small_config(**{"data.name": f"folder:{name}"})
    score = {"value": 0.5, "definition": name, "samples": 10}
    results = {"step": 20, "scores": {name: score}, "data": {"source": name}}
    page = Elements()
    card = cards.card(name, config, INFO, 20, results, {})
    page.feed(markdown.markdown(card, extensions=["tables", "fenced_code"]))
    allowed = {"h1", "h2", "table", "thead", "tbody", "tr", "th", "td", "p", "ul", "li"}
    assert page.tags <= allowed | {"pre", "code"}
    load, program, command = [code for code in page.code if "\n" in code.strip() or "cvae" in code]
    calls = [n for n in ast.walk(ast.parse(load)) if isinstance(n, ast.Call)]
    (loaded,) = [c.args[0].value for c in calls if ast.unparse(c.func) == "cvae_jax.load"]
    assert loaded == name
    (path,) = [
        n.args[0].value
        for n in ast.walk(ast.parse(program))
        if isinstance(n, ast.Call) and ast.unparse(n.func) == "pathlib.Path"
    ]
    assert path == name
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "cvae_jax.main"]
    assert f"--workdir=runs/{name}" in words
    assert f"--config.data.name=folder:{name}" in words
