"""Patterns mean what they mean in a .gitignore."""

from __future__ import annotations

import time

import pytest

from retrieval.connectors.globs import compile_patterns


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.md", ["a.md", "x/a.md"], ["a.mdx", "md"]),
        ("drafts", ["drafts", "drafts/a", "x/drafts/y/a"], ["drafts2/a", "my-drafts/a"]),
        ("drafts/", ["drafts/", "drafts/a", "x/drafts/a"], ["drafts"]),
        ("/a.md", ["a.md"], ["x/a.md"]),
        ("guides/*.md", ["guides/a.md"], ["guides/x/a.md", "x/guides/a.md"]),
        ("guides/**/a.md", ["guides/a.md", "guides/x/y/a.md"], ["guidesx/a.md"]),
        ("guides/**", ["guides/", "guides/a", "guides/x/a"], ["guides"]),
        ("**/a.md", ["a.md", "x/y/a.md"], ["xa.md"]),
        ("**", ["a", "a/b"], []),
        ("a/**/b/**/c", ["a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"], ["a/c", "b/c"]),
        ("?[a-c][!d].md", ["xae.md"], ["xad.md", "xde.md", "/ae.md"]),
        ("a*b*c", ["abc", "axbyc", "abcbc"], ["ab/c", "acb"]),
        ("[]]x", ["]x"], ["x"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)"]),
        ("Ü *.md", ["Ü 1.md"], ["ü 1.md"]),
    ],
)
def test_patterns_match_as_in_a_gitignore(pattern, matching, others):
    compiled = compile_patterns([pattern])
    assert [path for path in matching if not compiled.match(path)] == []
    assert [path for path in others if compiled.match(path)] == []


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/a/" * 50 + "b", "a/" * 450 + "c"),
        ("*a" * 200 + "b", "a" * 255),
        ("**/*/" * 80 + "z", "b/" * 450 + "y"),
        ("a*" * 200, "a" * 190 + "b" * 60),
    ],
)
def test_no_pattern_takes_long(pattern, path):
    compiled = compile_patterns([pattern])
    started = time.perf_counter()
    assert not compiled.match(path)
    assert time.perf_counter() - started < 0.1
