"""Days and months of budgets are the tenant's own, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tenants.budget_figures import BudgetFigure, money, today_in


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "day"),
    [
        ("UTC", "2026-03-01T00:00", date(2026, 3, 1)),
        ("Asia/Tokyo", "2026-02-28T15:00", date(2026, 3, 1)),
        ("America/Los_Angeles", "2026-03-01T07:59", date(2026, 2, 28)),
        ("Asia/Kathmandu", "2026-02-28T18:14", date(2026, 2, 28)),
        ("Asia/Kathmandu", "2026-02-28T18:15", date(2026, 3, 1)),
    ],
)
def test_a_day_begins_at_midnight_of_the_tenant(zone, now, day):
    today = today_in(zone, at(now))
    assert (today.day, today.month) == (day, day.replace(day=1))


@pytest.mark.parametrize(
    ("zone", "now", "resets"),
    [
        ("Europe/Berlin", "2026-06-15T10:00", "2026-06-16T00:00:00+02:00"),
        # The day on which clocks are put forward has 23 hours, and back 25.
        ("Europe/Berlin", "2026-03-28T23:30", "2026-03-30T00:00:00+02:00"),
        ("Europe/Berlin", "2026-10-24T22:30", "2026-10-26T00:00:00+01:00"),
        # In Cairo they are put forward at midnight: the day begins at one o'clock.
        ("Africa/Cairo", "2026-04-23T12:00", "2026-04-24T01:00:00+03:00"),
    ],
)
def test_the_next_day_begins_at_its_midnight_also_when_clocks_change(zone, now, resets):
    today = today_in(zone, at(now))
    resets_at = today.resets_at("day")
    assert resets_at.isoformat() == resets
    assert today_in(zone, resets_at).day > today.day


@pytest.mark.parametrize(
    ("zone", "now", "resets"),
    [
        ("UTC", "2026-01-31T23:59", "2026-02-01T00:00:00+00:00"),
        ("UTC", "2026-12-01T00:00", "2027-01-01T00:00:00+00:00"),
        ("America/New_York", "2026-11-01T03:00", "2026-11-01T00:00:00-04:00"),
    ],
)
def test_the_next_month_begins_on_its_first(zone, now, resets):
    assert today_in(zone, at(now)).resets_at("month").isoformat() == resets


@pytest.mark.parametrize("zone", ["Nowhere/Atlantis", "../etc", ""])
def test_a_zone_that_is_not_known_counts_in_utc(zone):
    assert today_in(zone, at("2026-03-01T00:00")).zone == "UTC"


def figure(amount, spent, reserved="0"):
    values = [Decimal(amount), Decimal(spent), Decimal(reserved)]
    return BudgetFigure(1, None, "", "day", *values, today_in("UTC", at("2026-03-01T00:00")))


def test_a_line_says_what_is_used_and_what_follows():
    assert figure("5", "4").described == (
        "80 % of the tenant's daily budget of $5.00 is used: the small model answers"
    )
    assert figure("5", "1").described == "20 % of the tenant's daily budget of $5.00 is used"
    assert figure("5", "3.4999").described.startswith("69 %"), "never rounded up to a step"


def test_reserved_money_counts_for_the_step_but_does_not_stop():
    used = figure("5", "1", "4")
    assert (used.step, used.is_spent, used.left_usd) == ("no_model", False, Decimal(0))
    assert figure("0", "0").is_spent


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("1234.5", "$1,234.50"), ("0.01", "$0.01"), ("0.0000123", "$0.000012")],
)
def test_small_amounts_keep_two_digits(amount, shown):
    assert money(Decimal(amount)) == shown
