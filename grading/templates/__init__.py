"""Jinja templates of pages and reports, and the one way to render them."""

import re
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

# A Content-Security-Policy for pages that need neither scripts nor the network.
NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


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
    made.globals["no_script"] = NO_SCRIPT
    return made


def render(template: str, **values: object) -> str:
    """The text of a template of this package, such as "report.html.j2"."""
    return environment().get_template(template).render(**values)


def _code(words: str) -> Markup:
    """Text with its `code` set as such."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))
