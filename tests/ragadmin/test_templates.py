from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.conf import settings
from django.template.loader import get_template

from ragadmin.icons import PATHS

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATES = sorted((settings.PROJECT_DIR / "templates").rglob("*.html"))
ICON = re.compile(r"{% icon \"([\w-]+)\"")
STYLESHEETS = settings.PROJECT_DIR / "ragadmin" / "static" / "ragadmin"
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "a style element": re.compile(r"<style", re.IGNORECASE),
    "a style attribute": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "an event attribute": re.compile(r"\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "a script address": re.compile(r"javascript:", re.IGNORECASE),
    "htmx code, which needs eval": re.compile(
        r"hx-on|hx-vals\s*=\s*[\"']js:|hx-trigger=[\"'][^\"']*\["
    ),
    "an address of another site": re.compile(r"(src|href)=\"https?://[^\"{]*\.(js|css|woff2?)\""),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(settings.PROJECT_DIR / "templates"))


def test_templates_keep_the_content_security_policy():
    broken = {
        name_of(path): found
        for path in TEMPLATES
        if (found := [what for what, it in FORBIDDEN.items() if it.search(path.read_text())])
    }
    assert broken == {}


def test_templates_compile():
    assert TEMPLATES
    for path in TEMPLATES:
        get_template(name_of(path))  # its error names the template


def test_templates_name_only_icons_that_exist():
    unknown = {
        name_of(path): names
        for path in TEMPLATES
        if (names := set(ICON.findall(path.read_text())) - set(PATHS))
    }
    assert unknown == {}


def test_colours_are_named_once_as_tokens():
    """Everywhere else a colour is one of the tokens, so that dark mode and contrast hold."""
    for path in STYLESHEETS.glob("*.css"):
        # The page of the API documentation is Swagger's, which has colours of its own.
        if path.name not in {"tokens.css", "api-docs.css"}:
            assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;,) ])|\brgba?\(", path.read_text()) == [], (
                path.name
            )
