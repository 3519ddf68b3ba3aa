"""Formats of plain text that need a hand before or instead of the library that reads the others."""

from __future__ import annotations

import json
import re
from typing import Any

# What the library reads itself. It leaves out what stands in any other, so those lose their markup.
READ_DIRECTIVES = frozenset(
    {"code", "code-block", "sourcecode", "image", "figure", "table", "list-table", "csv-table"}
    | {"math", "raw", "include", "toctree", "contents", "highlight", "index", "literalinclude"}
)
ADMONITIONS = frozenset(
    {"attention", "caution", "danger", "error", "hint", "important", "note", "tip", "warning"}
)
DIRECTIVE = re.compile(r"^([ \t]*)\.\. (?:[a-z]+:)?([a-z][a-z-]*)::[ \t]*(.*)$", re.M)
# A value made of references to other values: what such files unpack to grows with each of them.
ENTITY_BOMB = re.compile(
    rb"<!ENTITY\s+\S+\s+(?:\"[^\"&]*(?:&\w+;[^\"&]*){2}|'[^'&]*(?:&\w+;[^'&]*){2})"
)


def prepare_rst(text: str) -> str:
    return DIRECTIVE.sub(_show_directive, text)


def _show_directive(match: re.Match[str]) -> str:
    """A note keeps being one, with its text below; another directive becomes a line in bold."""
    indent, name, argument = match.groups()
    if name in READ_DIRECTIVES:
        return match[0]
    if name in ADMONITIONS:
        return f"{indent}.. {name}::\n\n{indent}   {argument}" if argument else match[0]
    said = argument.strip().replace("*", "\\*")
    shown = said if said.endswith(")") or name in {"rubric", "topic"} else f"{name} {said}".strip()
    return f"{indent}**{shown}**\n"


def read_json_lines(text: str) -> str | None:
    """Each record as a paragraph of its names and values; None where a line is no JSON."""
    try:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None
    return "\n\n".join(map(_show_record, records)) if len(records) > 1 else None


def _show_record(record: Any) -> str:
    if not isinstance(record, dict):
        return _show_value(record)
    return "  \n".join(f"**{name}:** {_show_value(value)}" for name, value in record.items())


def _show_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def has_entity_bomb(start: bytes) -> bool:
    return b"<!ENTITY" in start and ENTITY_BOMB.search(start) is not None
