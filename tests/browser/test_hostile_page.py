"""A student wants a script to run on the feedback page, to send something away or to forge the page; in a browser."""

import json
from pathlib import Path

import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import expect

from given.movable import Movable
from grading.execution.mismatch_figure import path_picture
from tests.report.test_rendering import rendered_notebook

RUN = "window.pwned = 1; document.title = 'pwned'"
COVER = "position: fixed; top: 0; left: 0; width: 9999px; height: 9999px; background: red; z-index: 999"
SCRIPT = """const [slider, value] = box.querySelectorAll("input, output");
slider.oninput = () => { value.value = slider.value; };"""

KNOWN = frozenset({f"/* {'a comment ' * 20}*/ {SCRIPT}"})

TAGS = [
    f"<script>{RUN}</script>",
    f'<script src="data:text/javascript,{RUN}"></script>',
    '<script src="https://evil.test/a.js"></script>',
    f'<img src="none.png" onerror="{RUN}">',
    f'<svg onload="{RUN}"><script>{RUN}</script><animate onbegin="{RUN}" attributeName=x dur=1s></svg>',
    '<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe><iframe src="javascript:parent.pwned = 1"></iframe>',
    f'<a class="link" href="javascript:{RUN}">the points</a>',
    f'<a class="link" href=" jav&#x09;ascript:{RUN}">the points</a>',
    f'<form action="https://evil.test/"><button class="link" formaction="javascript:{RUN}">the points</button></form>',
    '<meta http-equiv="refresh" content="0; url=https://evil.test/">',
    '<base href="https://evil.test/"><link rel="stylesheet" href="https://evil.test/a.css">',
    f'<details open ontoggle="{RUN}">a</details><input autofocus onfocus="{RUN}"><video src=x onerror="{RUN}"></video>',
    f'<object data="javascript:{RUN}"></object><embed src="javascript:{RUN}">',
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN!r}&gt;'>",
    f"<noscript><p title=\"</noscript><img src=x onerror='{RUN}'>\"></noscript>",
    f'<style>.total {{ display: none }}</style><div style="{COVER}">100 of 100 points</div>',
    f'</div></div></div></div></main><p class="total" style="{COVER}">100 of 100 points</p>',
    '<img src="https://evil.test/seen.png"><div style="background: url(https://evil.test/seen.png)">a</div>',
    '<div style="margin: -9999px; padding: 9999px; background: red">a</div>',
    f'<template shadowrootmode="open"><script>{RUN}</script></template>',
]
FORMULA = rf"$\text{{</div></main><img src=x onerror=\"{RUN}\"><script>{RUN}</script>}}$"


def shown(data: dict, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    size = f"1 onload={RUN.replace(' ', '')} style={COVER.replace(' ', '')}"
    figure = go.Figure(go.Scatter(y=[1, 3, 2], text=f"<img src=x onerror='{RUN}'>"))
    figure.update_layout(title=f"<a href='javascript:{RUN}'>a</a></script><script>{RUN}</script>")
    frames = {"frames": [{"name": "0", "data": [{"y": [2, 2, 2]}]}]}
    live = {**json.loads(figure.to_json()), **frames}
    slider = '<label>x <input type="range" name="x" min="0" max="9" value="3"> <output name="x"></output></label>'
    script = next(iter(KNOWN))
    outputs = [
        *(shown({"text/html": tag}) for tag in TAGS),
        *(shown({"text/markdown": tag}) for tag in [*TAGS, FORMULA]),
        shown({"application/javascript": RUN, "text/plain": "a script"}),
        shown(
            {"image/svg+xml": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script></svg>'}
        ),
        shown({"text/latex": TAGS[0]}),
        shown({"text/html": TAGS[0]}, **{"text/html": {"isolated": True}}),
        shown(
            {"image/png": f'A" onerror="{RUN}'}, **{"image/png": {"width": size, "height": size, "alt": '">' + TAGS[0]}}
        ),
        new_output("stream", text=TAGS[0] + "\x1b[31m" + TAGS[3]),
        new_output("error", ename=TAGS[0], evalue=TAGS[3], traceback=[TAGS[0]]),
        shown({"text/html": Movable("a", RUN, "a")._repr_html_()}),
        shown({"application/vnd.plotly.v1+json": live, "text/html": TAGS[0], "text/plain": "[picture: three points]"}),
        shown({"text/html": path_picture([[1.0], [2.0]], [[1.0], [3.0]], "mean", 0, 1)}),
        shown({"text/html": Movable(slider, script, "a slider")._repr_html_()}),
    ]
    cells = [new_markdown_cell(text) for text in [*TAGS, FORMULA, r"an honest $\frac{1}{2}$"]]
    cells.append(new_code_cell("1 < 2", outputs=outputs, metadata={"tags": [f'a" onclick="{RUN}']}))
    text, _ = rendered_notebook(new_notebook(cells=cells), course_scripts=KNOWN)
    path = tmp_path_factory.mktemp("hostile") / "averages.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def page(opened):
    return opened[0]


def test_no_script_runs_and_nothing_leaves(opened):
    page, complaints = opened
    for link in page.locator(".link, main a").all():
        link.dispatch_event("click")
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.title() == "averages: feedback for ada"
    assert (
        page.url.startswith("file:")
        and page.locator("iframe, form, object, embed, meta[http-equiv=refresh]").count() == 0
    )
    assert [text for text in complaints if "evil.test" in text or "Failed to load resource" not in text] == []


def test_the_policy_alone_stops_every_script(browser, written, tmp_path):
    """The second wall, with the first taken away: the same tags, unchanged, after the page's own policy."""
    policy = written.read_text(encoding="utf-8").split("<title>")[0]
    assert "Content-Security-Policy" in policy
    for with_policy in (True, False):
        path = tmp_path / f"{with_policy}.html"
        head = policy if with_policy else '<!DOCTYPE html><html><head><meta charset="utf-8">'
        tags = [tag for tag in TAGS if "evil.test" not in tag]
        path.write_text(f"{head}<title>a</title></head><body>{''.join(tags)}</body></html>", encoding="utf-8")
        page = browser.new_page()
        page.goto(path.as_uri())
        page.wait_for_timeout(300)
        assert (page.evaluate("window.pwned") is None) is with_policy
        page.close()


def test_the_points_can_be_seen_and_there_is_one_sum_of_them(page):
    page.evaluate("scrollTo(0, 0)")
    total = page.locator(".total")
    expect(total).to_have_count(1)
    expect(total).to_have_text("1 of 3 points")
    box = total.bounding_box()
    on_top = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('.total') !== null", [box["x"] + 20, box["y"] + 10]
    )
    assert on_top
    assert page.locator("main").count() == 1 and page.locator("body > *").count() == 4  # main, scripts, plotly's


def test_honest_pictures_are_shown(page):
    figure = page.get_by_role("img", name="three points")
    expect(figure.locator(".main-svg").first).to_be_visible()
    expect(figure.locator("path.point")).to_have_count(3)
    assert page.evaluate("document.querySelector('.plotly-graph-div')._transitionData._frames.length") == 1
    expect(page.get_by_role("img", name="mean step by step").locator("polyline")).to_have_count(2)
    expect(page.locator("math mfrac")).to_have_count(1)
    page.get_by_role("slider").fill("7")
    expect(page.locator("output")).to_have_text("7")
