"""Jinja templates of pages and reports, and the one way to render them."""

import re
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The environment of all templates here: HTML is escaped, and an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("grading", "templates"),
        autoescape=select_autoescape(["html", "html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    made.filters["code"] = _code
    return made


def render(template: str, **values: object) -> str:
    """The text of a template of this package, such as "report.html.j2"."""
    return environment().get_template(template).render(**values)


def _code(words: str) -> Markup:
    """Text with its `code` set as such."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))
