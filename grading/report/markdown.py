"""Markdown as HTML that needs no network: formulas become MathML, which browsers draw themselves."""

import re
from html import escape
from typing import Any

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


def html(source: str, attachments: dict | None = None, tags: bool = True) -> str:
    """A Markdown cell or a comment as HTML, its headings one level down: the page has a title of its own.

    Args:
        attachments: the cell's pictures, as a notebook keeps them.
        tags: whether HTML in the text stays HTML. In an answer or a comment it is shown as text: a tag that is not
            closed would change the rest of the page.
    """
    renderer = _Renderer(escape=not tags, attachments=attachments or {}, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(source)


def sentence(text: str) -> str:
    """One plain sentence as HTML; text between backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


class _Renderer(IPythonRenderer):
    def heading(self, text: str, level: int, **attrs: Any) -> str:
        return super().heading(text, min(6, level + 1), **attrs)

    def inline_math(self, body: str) -> str:
        return self._mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return self._mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return self._mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def _mathml(self, body: str, display: str) -> str:
        try:
            # latex2mathml knows `split`, which is set just like `aligned`
            return convert(body.replace("{aligned}", "{split}"), display=display)
        except Exception:  # its errors have no common class; what a student wrote is then shown as it is
            return f"<code>{escape(body)}</code>"
