"""Markdown as HTML: formulas as MathML, headings below the page's own, nothing lost that cannot be converted."""

import pytest

from grading.report.markdown import html, sentence


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (r"Half: $\frac{1}{2}$.", "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        (r"$$x^2$$", 'display="block"'),
        (r"$$\begin{aligned} a &= b \\ c &= d \end{aligned}$$", "</mtr><mtr>"),
        (r"\begin{cases} a & b \\ c & d \end{cases}", "</mtr><mtr>"),
    ],
)
def test_formulas_are_mathml(source, part):
    assert part in html(source)
    assert "$" not in html(source)


@pytest.mark.parametrize(("level", "shown"), [(1, 2), (2, 3), (6, 6)])
def test_headings_are_one_level_lower(level, shown):
    assert f"<h{shown}" in html(f"{'#' * level} Title")


@pytest.mark.parametrize("latex", [r"\frac", r"x^", r"\left(", r"\begin{aligned} <b>", "{" * 2000])
def test_a_broken_formula_is_shown_as_it_was_written(latex):
    assert f"<code>{latex.replace('<', '&lt;').replace('>', '&gt;')}</code>" in html(f"Before ${latex}$ after")


def test_a_pasted_picture_is_shown():
    assert 'src="data:image/png;base64,AAAA"' in html("![dot](attachment:a.png)", {"a.png": {"image/png": "AAAA"}})


def test_html_is_kept_or_shown_as_text():
    assert "<details>" in html("<details>\n\nx\n\n</details>")
    assert html("a <b> c", tags=False) == "<p>a &lt;b&gt; c</p>\n"


def test_a_sentence_shows_code_and_no_markup():
    assert sentence("`x` is <b>") == "<code>x</code> is &lt;b&gt;"
