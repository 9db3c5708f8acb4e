"""How a feedback page is made of a notebook: nbconvert's HTML exporter, made quick and safe for a whole class.

nbconvert parses every page again, with BeautifulSoup, to add alternative texts to pictures; here they are added when
the pictures are written. Rendered code and Markdown is cached by its text, because most cells of a class are alike.
Nothing that a student writes may take long: text that is too long, or exceeds its time limit, is shown as plain text
with a note. None of it runs in the reader's browser, see `grading.report.safe_html`: figures of plotly are drawn from
their data by the page's own script, and of all other scripts only those of the course's own pictures are kept.
"""

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert import filters
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs
from traitlets import default
from traitlets.config import Config

from grading.report import markdown, safe_html

LONG = 50_000  # characters that are set as code or Markdown
LONG_HTML = 500_000  # characters of a cell's output as HTML; pictures in it are text, too
SHOWN = 200_000  # characters that are shown at all
SECONDS = 2.0  # of processor time for one text
SHORT = 20_000  # characters of a text that is remembered
PLAIN = "All cells are shown as plain text, because to show them as usual takes too long."
NO_WORDS = "No description has been provided for this image"  # nbconvert's words

# A comment or script may hold what looks like a picture; without an end it goes on to the end of the text.
PICTURE = re.compile(r"<!--.*?(?:-->|\Z)|<script\b.*?(?:</script|\Z)|<img\b(?P<rest>[^<>]*)", re.DOTALL | re.IGNORECASE)
FIGURE = "application/vnd.plotly.v1+json"
SHOWN_AS = [
    FIGURE,
    *("text/html", "text/markdown", "image/svg+xml", "text/latex", "image/png", "image/jpeg", "text/plain"),
]  # the first that an output has
POLICY = "the policy of this page"  # is put in when the page is made, because it names the page's scripts
DRAW = """for (const data of document.querySelectorAll("script.figure")) {
  const figure = JSON.parse(data.textContent), box = data.previousElementSibling;
  Plotly.newPlot(box, figure.data, figure.layout, {displaylogo: false, responsive: true})
    .then(() => figure.frames && Plotly.addFrames(box, figure.frames));
}"""

ALT = re.compile(r"\salt(?![\w-])", re.IGNORECASE)


class _TooLong(BaseException):
    """A text took more than its time. Not an Exception: what renders Markdown catches these."""


class FeedbackExporter(HTMLExporter):
    """nbconvert's `HTMLExporter` for feedback pages.

    It reads `resources["nbgrader"]["plain"]`: whether all texts are to be shown plainly; and `["course_scripts"]`, see
    `safe_html.course_scripts`. It gives `["notes"]`: what could not be shown as it should, in plain words;
    `["scripts"]`: those of pictures; and `["page_scripts"]`: those at the end of the page, if it needs them.
    """

    @property
    def default_config(self) -> Config:
        """nbconvert's, with only what `course_feedback` shows without a script of the student's."""
        config = super().default_config
        config.NbConvertBase.display_data_priority = SHOWN_AS
        return config

    @default("optimistic_validation")
    def _validate_once(self) -> bool:
        return True  # after all preprocessors, and not after each

    def default_filters(self) -> Iterator[tuple[str, Callable]]:
        """nbconvert's, those of the page, and limits for those that work on what a student wrote."""
        yield from super().default_filters()
        yield "sentence", markdown.sentence
        yield "described", described
        yield "prose", self._prose
        yield "highlight_code", self._highlight
        yield "ansi2html", self._ansi
        yield "clean_html", self._clean
        yield "html_output", self._html_output
        yield "figure", self._figure
        yield "get_metadata", _metadata
        yield "markdown2html", self._output_markdown

    def from_notebook_node(  # type: ignore[override]  # nbconvert's own exporters return text, too
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: object
    ) -> tuple[str, dict[str, Any]]:
        """As nbconvert's, without its second parse of the page."""
        resources = self._init_resources(resources)
        resources["nbgrader"].setdefault("plain", False)
        resources["nbgrader"]["notes"] = []
        shown = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter("filter_data_type", shown)
        resources["nbgrader"] |= {"scripts": [], "page_scripts": []}
        text, resources = TemplateExporter.from_notebook_node(self, nb, resources, **options)
        policy = safe_html.policy(resources["nbgrader"]["scripts"] + resources["nbgrader"]["page_scripts"])
        return text.replace(POLICY, policy, 1), resources  # it comes before all that a student wrote

    @pass_context
    def _prose(self, context: Context, source: str, attachments: dict | None = None, tags: bool = True) -> str:
        if attachments or len(source) > SHORT:
            return _limited(context, source, lambda: _set(source, attachments, tags))
        return _limited(context, source, lambda: _remembered_prose(source, tags=tags))

    @pass_context
    def _highlight(self, context: Context, source: str, metadata: dict | None = None) -> str:
        return _limited(context, source, lambda: _code(source) if len(source) > SHORT else _remembered_code(source))

    @pass_context
    def _ansi(self, context: Context, text: str) -> str:
        return _limited(context, text, lambda: str(filters.ansi2html(text)), escape)

    @pass_context
    def _clean(self, context: Context, text: str) -> str:
        return _limited(context, text, lambda: safe_html.clean(text), longest=LONG_HTML)

    @pass_context
    def _output_markdown(self, context: Context, text: str) -> str:
        return _limited(context, text, lambda: _set(text))

    @pass_context
    def _html_output(self, context: Context, data: dict[str, Any]) -> str:
        """What a cell shows as HTML: a picture of the course with its script, or what is harmless in it."""
        nbgrader, text = context["resources"]["nbgrader"], data["text/html"]
        moving = safe_html.movable(text, nbgrader.get("course_scripts", frozenset()))
        if moving is None or nbgrader["plain"]:
            return self._clean(context, text)
        html, script = moving
        nbgrader["scripts"].append(script)
        return f"{html}<script>{script}</script>"

    @pass_context
    def _figure(self, context: Context, data: dict[str, Any]) -> str:
        """A figure of plotly as data for the page's own script."""
        if FIGURE not in data:
            return ""
        context["resources"]["nbgrader"]["page_scripts"] = [_plotly(), DRAW]
        words = re.fullmatch(r"\[picture: (.*)\]", str(data.get("text/plain", "")), re.DOTALL)
        spoken = f' role="img" aria-label="{escape(words[1])}"' if words else ""
        figure = json.dumps(data[FIGURE]).replace("<", "\\u003c")
        return (
            f'<div{spoken}><div class="plotly-graph-div"></div>'
            f'<script type="application/json" class="figure">{figure}</script></div>'
        )


def _limited(
    context: Context,
    text: str,
    render: Callable[[], str],
    plain: Callable[[str], str] | None = None,
    longest: int = LONG,
) -> str:
    """A text as it should be shown; if that takes too much, as plain text, with a note."""
    nbgrader, reason = context["resources"]["nbgrader"], ""
    if nbgrader["plain"]:
        reason = "to show it takes too long"
    elif len(text) > (SHOWN if plain else longest):
        reason = f"it has {len(text):,} characters"
    else:
        try:
            with _time_limit(SECONDS):
                return render()
        except _TooLong:
            reason = "to show it takes too long"
        except RecursionError:
            reason = "it is nested too deeply"
    kept = text[:SHOWN]
    if nbgrader["plain"] and len(text) <= SHOWN:
        if PLAIN not in nbgrader["notes"]:
            nbgrader["notes"].append(PLAIN)
        return plain(kept) if plain else f'<div class="highlight"><pre>{escape(kept)}</pre></div>'
    told = f"shown as plain text, because {reason}"
    if len(text) > SHOWN:
        told = f"not shown from its character {SHOWN:,} on: {told}"
    cell = context.get("cell") or {}
    name = (cell.get("metadata") or {}).get("nbgrader", {}).get("grade_id")
    where = f"The cell {name}" if name else f"A cell that begins {' '.join(str(cell.get('source', '')).split())[:30]!r}"
    note = f"{where} is {told}."
    if note not in nbgrader["notes"]:
        nbgrader["notes"].append(note)
    if plain:
        return plain(kept) + f"\n({escape(told)})"
    return f'<div class="highlight"><pre>{escape(kept)}</pre></div><p class="note">This is {escape(told)}.</p>'


@lru_cache(maxsize=1)
def _plotly() -> str:
    return get_plotlyjs()


def _metadata(output: NotebookNode, key: str, mimetype: str | None = None) -> object:
    """As nbconvert's, which puts the size of a picture into the page without quotes: it must be a number."""
    value = filters.get_metadata(output, key, mimetype)
    return value if key not in ("width", "height") or isinstance(value, int | float) else None


def _set(source: str, attachments: dict | None = None, tags: bool = True) -> str:
    """Markdown as HTML, without what could act; formulas, too, can hold tags."""
    html = filters.strip_files_prefix(markdown.html(source, attachments, tags))
    return described(safe_html.clean(html))


_remembered_prose = lru_cache(maxsize=2000)(_set)


def _code(source: str) -> str:
    """Python in colors; the course's notebooks hold nothing else."""
    return Highlight2HTML(pygments_lexer="ipython3")(source)


_remembered_code = lru_cache(maxsize=2000)(_code)


def described(html: str) -> str:
    """HTML in which every picture has a text for those who do not see it."""

    def with_words(found: re.Match) -> str:
        rest = found["rest"]
        if rest is None or ALT.search(rest):
            return found[0]
        return f'{found[0][:4]} alt="{NO_WORDS}"{rest}'

    return PICTURE.sub(with_words, html) if "<img" in html.lower() else html


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TooLong` in what takes more processor time; only where signals can be had, in a main thread of Unix."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def too_long(number: int, frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
