"""HTML from a stranger without what could act: no script runs, nothing covers or changes the rest of the page.

Two walls: what is not on the lists here is removed, and a Content-Security-Policy lets the browser run no script but
those that the page names by their SHA-256.
"""

import ast
import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import nh3

from grading.course import notebooks


def _words(text: str) -> set[str]:
    return set(text.split())


# nh3's own list, the controls of `given/movable.py`, the grader's pictures, and formulas as latex2mathml writes them
TAGS = nh3.ALLOWED_TAGS | _words("""
    button input label option output select
    svg g path line polyline polygon circle ellipse rect text tspan title desc
    math mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mtable mtr mtd
    mstyle mpadded mphantom menclose mmultiscripts mprescripts none semantics
    """) - {"area", "map"}
ATTRIBUTES = _words("""
    alt title lang dir role open start colspan rowspan scope align width height style class
    type name min max step value disabled checked selected
    viewBox x y x1 x2 y1 y2 cx cy r rx ry d points transform fill stroke stroke-width stroke-dasharray text-anchor
    opacity font-size preserveAspectRatio
    display xmlns columnalign rowspacing columnspacing columnlines rowlines stretchy fence form lspace rspace
    mathvariant mathsize mathcolor mathbackground displaystyle scriptlevel linethickness accent accentunder largeop
    movablelimits minsize maxsize symmetric separator notation depth voffset
    """)
STYLES = _words("""
    color background background-color border border-bottom border-collapse border-color border-left border-radius
    border-right border-spacing border-style border-top border-width display flex flex-wrap font font-family font-size
    font-style font-weight gap line-height margin margin-bottom margin-left margin-right margin-top max-width min-height
    padding padding-bottom padding-left padding-right padding-top text-align text-decoration vertical-align white-space
    width fill stroke stroke-width stroke-dasharray opacity
    """)
NOT_TEXT = {"script", "style", "noscript", "template", "iframe", "object", "textarea", "noembed", "noframes", "xmp"}
"""Elements whose content is not for a reader."""

# Colors of code, links beside headings, and tables of pandas; any other class could imitate the page's own boxes.
CLASS = re.compile(r"highlight|hl-[a-z0-9]+|[a-z]{1,2}[0-9]?|anchor-link|dataframe")
# A file beside the page; any other address of the page's server could do something with the reader's cookies.
BESIDE = r"(?!/)(?!.*(?:\.|%2e){2})[\w .%/-]*\Z"
LINK = re.compile(rf"https?:|mailto:|{BESIDE}", re.IGNORECASE)
PICTURE = re.compile(rf"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]|{BESIDE}", re.IGNORECASE)
REMOVED = "<p>(A script is not shown here.)</p>"

MOVABLE = re.compile(
    r'<script>\(function \(\) \{const box = document\.getElementById\("(?P<id>movable-[0-9a-f]{32})"\), '
    r"data = (?P<rest>.*) \}\)\(\);</script>\s*\Z",
    re.DOTALL,
)
SHORTEST = 200  # characters of a script; letter by letter, anything could be put together


def clean(html: str) -> str:
    """HTML with only what is on the lists, every element closed, and a sentence where there was a script."""
    return _cleaner().clean(html) + (REMOVED if "<script" in html.lower() else "")


def policy(scripts: Iterable[str] = ()) -> str:
    """A Content-Security-Policy for a page that needs no network and runs only exactly these scripts."""
    allowed = " ".join(sorted({f"'sha256-{_digest(script)}'" for script in scripts})) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob: file: 'self'; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def movable(html: str, known: frozenset[str]) -> tuple[str, str] | None:
    """A picture of the course that moves (see `given/movable.py`): its HTML, cleaned, and its script.

    Args:
        known: what a script may consist of, see `course_scripts`.

    Returns:
        None if this is no such picture, or if the script is not the course's.
    """
    found = MOVABLE.search(html)
    if found is None:
        return None
    try:
        data, end = json.JSONDecoder().raw_decode(found["rest"])
    except (ValueError, RecursionError):
        return None
    script = found["rest"][end:]
    if not script.startswith("; ") or not _consists_of(script[2:], known):
        return None
    safe = json.dumps(data).replace("<", "\\u003c")
    script = f'(function () {{const box = document.getElementById("{found["id"]}"), data = {safe}{script} }})();'
    return f'<div id="{found["id"]}">{clean(html[: found.start()])}</div>', script


def _consists_of(script: str, known: frozenset[str]) -> bool:
    while script:
        piece = next((piece for piece in known if script.startswith(piece)), None)
        if piece is None:
            return False
        script = script[len(piece) :]
    return True


@lru_cache(maxsize=8)
def course_scripts(source: Path, changed: int) -> frozenset[str]:
    """The long texts in the code of a source notebook, which is the course's own; its scripts are among them.

    Args:
        changed: when the file was changed, in nanoseconds.
    """
    texts: set[str] = set()
    for cell in notebooks.read(source).cells:
        if cell.cell_type == "code" and "Movable" in cell.source:
            try:
                tree = ast.parse(cell.source)
            except SyntaxError:
                continue  # a magic
            values = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            texts |= {value for value in values if isinstance(value, str) and len(value) >= SHORTEST}
    return frozenset(text for text in texts if "</script" not in text.lower())


@lru_cache(maxsize=32)
def _digest(script: str) -> str:
    return b64encode(hashlib.sha256(script.encode()).digest()).decode()


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=TAGS,
        clean_content_tags=NOT_TEXT,
        attributes={"*": ATTRIBUTES, "a": {"href"}, "img": {"src"}},
        generic_attribute_prefixes={"aria-", "data-"},
        attribute_filter=_attribute,
        filter_style_properties=STYLES,
        url_schemes={"http", "https", "mailto", "data"},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The value of an attribute that is on the list, or None if this value is not allowed."""
    kept = True
    if name == "class":
        kept = all(CLASS.fullmatch(word) for word in value.split())
    elif name == "src":
        kept = PICTURE.match(value) is not None
    elif name == "href":
        kept = LINK.match(value) is not None
    elif name == "style":
        kept = re.search(r"url|image|\\", value, re.IGNORECASE) is None  # nothing is loaded; a backslash hides letters
    elif name == "type":
        kept = (tag, value) in {("input", "range"), ("input", "checkbox"), ("button", "button")}
    return value if kept else None
