from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from ragadmin.templatetags.ui import ago, duration, file_size, icon, initials, status_badge, usd


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (0, "$0"),
        (Decimal("0.000123"), "$0.00012"),
        (0.00001, "$0.000010"),
        (0.0056, "$0.0056"),
        (0.42, "$0.42"),
        (1234.5, "$1,234.50"),
    ],
)
def test_small_costs_keep_two_digits(cost, shown):
    assert usd(cost) == shown


def test_unknown_cost_is_not_zero():
    assert "not known" in usd(None)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (20 * 2**20, "20 MB"), (3 * 2**40, "3072 GB")],
)
def test_file_size_is_short(size, shown):
    assert file_size(size) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0.42, "0.4 ms"), (123.4, "123 ms"), (1240, "1.24 s"), (125_000, "2 min 5 s"), (None, "–")],
)
def test_duration_is_short(milliseconds, shown):
    assert duration(milliseconds) == shown


def test_ago_carries_the_exact_time():
    moment = timezone.now() - timedelta(minutes=3, seconds=5)
    shown = ago(moment)
    assert "3 minutes ago" in shown
    assert moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") in shown


def test_ago_shows_the_date_when_it_is_long_past():
    assert "2 Jan 2020" in ago(datetime(2020, 1, 2, tzinfo=UTC))


def test_badge_tells_kinds_apart_and_escapes():
    assert "badge-ok" in status_badge("ready")
    assert "badge-bad" in status_badge("failed")
    assert "<b>" not in status_badge("<b>")


def test_icon_is_hidden_unless_labelled():
    assert 'aria-hidden="true"' in icon("check")
    assert 'aria-label="Done"' in icon("check", "Done")
    with pytest.raises(KeyError):
        icon("no-such-icon")


def test_initials_are_two_letters():
    assert initials("Field manuals of old") == "Fm"
    assert initials("handbook") == "h"
