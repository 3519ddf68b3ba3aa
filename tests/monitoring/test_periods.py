from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from monitoring.periods import between, named, read_period
from ragadmin.errors import InvalidRequest

NOW = datetime(2026, 11, 22, 17, 43, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def hours(period):
    return [(b - a) / timedelta(hours=1) for a, b in map(period.bounds, period.buckets())]


def test_named_ranges_end_with_the_present_bar():
    for name, bucket, bars in (
        ("24h", "hour", 24),
        ("7d", "day", 7),
        ("30d", "day", 30),
        ("90d", "day", 90),
    ):
        period = named(name, now=NOW, timezone=BERLIN)
        assert (period.bucket, len(period.buckets())) == (bucket, bars)
        assert period.start < NOW < period.end
    year = named("1y", now=NOW, timezone="UTC")
    assert year.bucket == "week"
    assert len(year.buckets()) in (52, 53, 54)
    assert year.bounds(year.buckets()[0])[0] == year.start


@pytest.mark.parametrize(("day", "length"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_on_which_clocks_are_set_have_their_true_length(day, length):
    days = between(day, day + timedelta(days=4), timezone=BERLIN, bucket="day")
    assert hours(days) == [length, 24, 24, 24, 24]
    by_hour = between(day, day, timezone=BERLIN)
    assert by_hour.bucket == "hour"
    assert len(by_hour.buckets()) == length
    assert len(set(by_hour.buckets())) == length


def test_hours_of_a_zone_with_half_hours_begin_at_its_own_clock():
    period = named("24h", now=NOW, timezone="Asia/Kolkata")
    assert {start.minute for start in period.buckets()} == {30}


def test_where_clocks_are_set_by_half_an_hour_the_hours_after_it_begin_at_the_clock_again():
    days = between(date(2026, 4, 4), date(2026, 4, 6), timezone="Australia/Lord_Howe")
    assert days.bucket == "hour"
    minutes = {start.astimezone(days.zone).minute for start in days.buckets()[28:]}
    assert minutes == {0}
    assert sum(hours(days)) == 72.5


def test_a_day_without_midnight_begins_with_its_first_moment():
    day = between(date(2026, 3, 8), date(2026, 3, 8), timezone="America/Havana", bucket="day")
    assert hours(day) == [23]


@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_the_period_before_is_as_long_and_ends_where_this_one_begins(name):
    period = named(name, now=datetime(2026, 10, 27, 12, tzinfo=UTC), timezone=BERLIN)
    before = period.previous()
    assert before.end == period.start
    assert len(before.buckets()) == len(period.buckets())
    assert before.bucket == period.bucket


def test_the_period_before_a_long_day_is_the_whole_day_before_it():
    before = between(date(2026, 10, 25), date(2026, 10, 25), timezone=BERLIN).previous()
    assert hours(before) == [1] * 24
    assert before.start.isoformat() == "2026-10-23T22:00:00+00:00"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"range": "2h"}, "range"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-03-01", "to": "2026-02-01"}, "to"),
        ({"from": "2020-01-01", "to": "2026-02-01"}, "from"),
        ({"from": "2026-02-01", "to": "2026-02-30"}, "to"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"from": "9999-12-01", "to": "9999-12-31"}, "from"),
    ],
)
def test_a_range_that_means_nothing_is_refused_with_its_field(values, field):
    with pytest.raises(InvalidRequest) as refused:
        read_period(values, now=NOW, timezone="Asia/Kathmandu")
    assert refused.value.extra["field"] == field


def test_dates_in_the_url_are_whole_days_the_last_among_them():
    period = read_period({"from": "2026-11-01", "to": "2026-11-10"}, now=NOW, timezone=BERLIN)
    assert len(period.buckets()) == 10
    assert period.end.isoformat() == "2026-11-10T23:00:00+00:00"
