from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders

AA_TEXT = 4.5
AA_CONTROL = 3.0
SURFACES = ("canvas", "surface", "subtle")
TEXT_PAIRS = [
    *[
        (text, on)
        for text in ("text", "text-muted", "text-faint", "accent-text")
        for on in SURFACES
    ],
    *[
        (state, on)
        for state in ("ok", "warn", "bad", "info")
        for on in (f"{state}-soft", "surface")
    ],
    *[("text", f"{state}-soft") for state in ("ok", "warn", "bad", "info", "accent")],
    ("text-muted", "accent-soft"),
    ("text-muted", "pressed"),
    ("text", "pressed"),
    ("text", "mark"),
    ("accent-text", "accent-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-bad", "bad-solid"),
]
CONTROL_PAIRS = [(name, on) for name in ("line-control", "focus") for on in SURFACES]


def read_tokens() -> dict[str, tuple[str, str]]:
    path = finders.find("ragadmin/tokens.css")
    assert isinstance(path, str)
    with open(path) as file:  # noqa: PTH123
        found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", file.read())
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_formula_knows_its_ends():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "background"), TEXT_PAIRS)
def test_text_is_readable(text, background, scheme):
    tokens = read_tokens()
    assert contrast(tokens[text][scheme], tokens[background][scheme]) >= AA_TEXT


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("line", "background"), CONTROL_PAIRS)
def test_controls_and_focus_stand_out(line, background, scheme):
    tokens = read_tokens()
    assert contrast(tokens[line][scheme], tokens[background][scheme]) >= AA_CONTROL
