"""Passages as HTML that can be shown to anyone: what a document says never becomes active."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.renderer import RendererProtocol
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

ALLOWED_TAGS = {
    "p", "br", "hr", "h4", "strong", "em", "s", "code", "pre", "blockquote",
    "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def _render_image(
    _: RendererProtocol, tokens: Sequence[Token], index: int, __: OptionsDict, ___: EnvType
) -> str:
    """An image is only ever a request to somebody else's server: its description stands for it."""
    return nh3.clean_text(tokens[index].content)


_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_markdown.add_render_rule("image", _render_image)
# The page has its own headings: those of a passage stand below them.
_markdown.add_render_rule("heading_open", lambda *_: "<h4>")
_markdown.add_render_rule("heading_close", lambda *_: "</h4>")


def render_passage(text: str) -> SafeString:
    """Links keep their words and lose their address; every attribute is dropped."""
    cleaned = nh3.clean(_markdown.render(text), tags=ALLOWED_TAGS, attributes={}, link_rel=None)
    return mark_safe(cleaned)  # noqa: S308 - nh3 let only bare formatting tags through
