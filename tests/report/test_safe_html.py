"""What a stranger's HTML may hold; that no script runs is tried in a browser, in tests/browser/test_hostile_page.py."""

import json
from html.parser import HTMLParser

import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from given.movable import Movable
from grading.course.folder import Course
from grading.execution.mismatch_figure import path_picture, table
from grading.report import markdown, safe_html
from tests.conftest import ROOT

COMMON, MOVES = (f"const {name} = 1; " + "// a comment \n" * 20 for name in "ab")


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<b onclick=x>a", "<b>a</b>"),
        ("</div></main>a", "a"),
        ("<style>p {}</style>a<iframe srcdoc=b>c</iframe>", "a"),
        ("a<script>b</script>", f"a{safe_html.REMOVED}"),
        ("a<script>b", f"a{safe_html.REMOVED}"),
        ("<svg onload=a><script>b</script><text>c</text></svg>", f"<svg><text>c</text></svg>{safe_html.REMOVED}"),
        ("<meta http-equiv=refresh content=0><base href=b><form action=b><button type=submit>a", "<button>a</button>"),
        ('<p style="position: fixed; top: 0; color: red">a</p>', '<p style="color:red">a</p>'),
        ('<p id="top" class="total">a</p>', "<p>a</p>"),
        ("<a href='javascript:b'>a</a>", '<a rel="noopener noreferrer">a</a>'),
        ("<a href=' java&#9;script:b'>a</a>", '<a rel="noopener noreferrer">a</a>'),
        ("<a href='data:text/html,b'>a</a>", '<a rel="noopener noreferrer">a</a>'),
        ("<a href='/hub/logout'>a</a>", '<a rel="noopener noreferrer">a</a>'),
        ("<a href='https://x.org/b'>a</a>", '<a href="https://x.org/b" rel="noopener noreferrer">a</a>'),
        ("<img src='//x.org/b'><img src='b/%2E%2e/c'><img src='b/../c'>", "<img><img><img>"),
        ("<img src='b.png' onerror=c>", '<img src="b.png">'),
        ("<img src='data:text/html,b'>", "<img>"),
        ("<b style='background: url(b)'>a</b><i style='background: \\75 rl(b)'>c</i>", "<b>a</b><i>c</i>"),
    ],
)
def test_active_content_is_removed(html, wanted):
    assert safe_html.clean(html) == wanted


def test_harmless_content_is_kept():
    picture = path_picture([[1.0], [2.0], [4.0]], [[1.0], [2.0], [4.5]], "x", 0, 2)
    for honest in [
        picture + table([("a", 1, 2)]),
        markdown.html(
            r"$\frac{a}{b}$ $$\begin{aligned}a&=\sqrt[3]{\bar x}\\b&=2\end{aligned}$$" "\n\n```python\nx = 1\n```"
        ),
        "<details><summary>Hint</summary>\n<p><strong>a</strong></p></details>",
        '<table border="1" class="dataframe"><tr><th>a</th></tr></table>',
        '<img alt="a" src="data:image/png;base64,AAAA">',
    ]:
        assert _facts(safe_html.clean(honest)) == _facts(honest)


def _facts(html: str) -> list[tuple[str, dict]]:
    """The elements and attributes of HTML; ids of headings and the way that styles and tags are written left out."""
    found: list = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            plain = {name: "".join((value or "").split()).rstrip(";").replace(":.", ":0.") for name, value in attrs}
            if tag != "tbody":
                found.append((tag, {name: value for name, value in plain.items() if name != "border"}))

        def handle_data(self, data):
            found.extend([("text", data.strip())] if data.strip() else [])

    Reader().feed(html)
    return found


def test_a_policy_names_each_script_by_its_digest():
    # printf 'f()' | openssl dgst -sha256 -binary | base64
    assert "script-src 'sha256-GcEEE0IkDzIP5EQ6DXZaDPORqT5RTBELX8Fyzyg9yvo=';" in safe_html.policy(["f()", "f()"])
    assert "script-src 'none';" in safe_html.policy()


def page(script: str, **data) -> str:
    return Movable("<p onclick=x>a</p>", script, "alt", **data)._repr_html_()


def test_a_picture_of_the_course_keeps_its_script_and_loses_other_active_content():
    html, script = safe_html.movable(page(COMMON + MOVES, words="</script>"), frozenset({COMMON, MOVES}))
    assert html.endswith(">\n<p>a</p></div></div>".replace("\n", "")) and "onclick" not in html
    name = html.split('"')[1]
    data = json.dumps({"words": "</script>"}).replace("<", "\\u003c")
    assert script == (
        f'(function () {{const box = document.getElementById("{name}"), data = {data}; {COMMON + MOVES} }})();'
    )


@pytest.mark.parametrize(
    "html",
    [
        page(COMMON + "alert(1)"),
        page("alert(1)" + COMMON),
        page(COMMON).replace("data = {}", "data = alert(1)"),
        page(COMMON).replace("data = {}", "data = {}, x = alert(1)"),
        page(COMMON).replace("data = {}", 'data = {"a": alert(1)}'),
        page(COMMON) + "<script>alert(1)</script>",
        page(COMMON).replace("movable-", 'x"); alert("'),
    ],
)
def test_a_script_that_differs_from_the_courses_is_removed(html):
    assert safe_html.movable(html, frozenset({COMMON, MOVES})) is None


def test_the_scripts_of_the_course_are_known():
    for name in ("conditioning", "training"):
        path = ROOT / "source" / name / f"{name}.ipynb"
        known = safe_html.course_scripts(path, 0)
        assert any("box.querySelector" in text for text in known)
    assert safe_html.course_scripts(ROOT / "source" / "mini-torch" / "mini-torch.ipynb", 0) == frozenset()


def test_formgrader_shows_no_script_and_keeps_colors_and_tables():
    """Its pages are nbconvert's, made with the course's settings."""
    exporter = HTMLExporter(config=Course(ROOT).config, template_name="classic")
    html = "<img src=x onerror=evil()><script>evil()</script><table class='dataframe'><tr><td>1</td></tr></table>"
    data = [{"text/html": html}, {"text/markdown": html}, {"application/javascript": "evil()"}]
    outputs = [new_output("display_data", data=item) for item in data]
    cells = [new_markdown_cell(f"# A heading\n\n{html}"), new_code_cell("x = 1", outputs=outputs)]
    page, _ = exporter.from_notebook_node(new_notebook(cells=cells))
    assert "evil" not in page
    assert '<span class="n">x</span>' in page and page.count('<table class="dataframe">') == 3
