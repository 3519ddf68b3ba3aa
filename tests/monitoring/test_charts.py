"""Charts as data: bounds, words, tables and times. No database, no browser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.staticfiles import finders

from monitoring.chart_times import full_label, local_times, short_labels, tick_levels
from monitoring.chart_values import format_value, nice_axis
from monitoring.charts import Chart, Headline, Series
from tests.monitoring import chart_samples
from tests.tenants.test_contrast import SURFACES, contrast, read_tokens


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "usd", "–"),
        (0, "usd", "$0"),
        (Decimal("0.000012345"), "usd", "$0.0000123"),
        (0.0149, "usd", "$0.0149"),
        (0.1, "usd", "$0.10"),
        (-0.0149, "usd", "-$0.0149"),
        (1234.5, "usd", "$1,234.50"),
        (0, "ms", "0 ms"),
        (8.42, "ms", "8.4 ms"),
        (9999, "ms", "9,999 ms"),
        (10_000, "ms", "10.0 s"),
        (12.5, "percent", "12.5 %"),
        (20, "percent", "20 %"),
        (0.04, "percent", "0.04 %"),
        (1_234_567, "count", "1,234,567"),
        (0.4121, "similarity", "0.412"),
    ],
)
def test_a_figure_is_written_with_its_unit_and_no_cent_is_lost(value, unit, shown):
    assert format_value(value, unit) == shown


@pytest.mark.parametrize(
    ("low", "high", "unit", "labels"),
    [
        (0, 0.0093, "usd", ["$0", "$0.002", "$0.004", "$0.006", "$0.008", "$0.010"]),
        (0, 3, "count", ["0", "1", "2", "3"]),
        (0, 1_300_000, "count", ["0", "0.5M", "1.0M", "1.5M"]),
        (0, 14_000, "ms", ["0", "5 s", "10 s", "15 s"]),
        (0, 900, "ms", ["0", "200 ms", "400 ms", "600 ms", "800 ms", "1,000 ms"]),
        (0, 97, "percent", ["0", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        (-3, 5, "usd", ["-$4", "-$2", "$0", "$2", "$4", "$6"]),
        (0, 0, "count", ["0", "1", "2", "3", "4"]),
        (None, None, "similarity", ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_an_axis_has_round_ticks_that_hold_every_figure(low, high, unit, labels):
    axis = nice_axis(low, high, unit)
    assert [label for _, label in axis.ticks] == labels
    assert axis.low <= (low or 0) <= (high or 0) <= axis.high


def test_a_stack_is_as_high_as_its_sum():
    chart = chart_samples.cost(previous=())
    highest = max(sum(place) for place in zip(*(one.values for one in chart.series), strict=True))
    step = chart.axis.ticks[1][0]
    assert highest <= chart.axis.high < highest + Decimal(str(step))


def test_the_day_of_25_hours_names_each_hour_once():
    chart = chart_samples.long_day()
    assert len(set(chart.names)) == 25
    assert chart.names[2:4] == ("Sun 25 Oct 2026, 02:00 CEST", "Sun 25 Oct 2026, 02:00 CET")
    assert chart.names[1] == "Sun 25 Oct 2026, 01:00"
    assert chart.as_config()["labels"][:5] == (
        "25 Oct",
        "01:00",
        "02:00 CEST",
        "02:00 CET",
        "03:00",
    )
    starts = [row[0] for row in chart.csv_rows()[1:]]
    assert starts[2:4] == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]


def test_a_day_that_begins_at_one_is_still_marked_as_a_day():
    """In Beirut the clocks of 29 March 2026 go from midnight to one."""
    first = datetime(2026, 3, 28, 20, tzinfo=UTC)
    local = local_times([first + timedelta(hours=n) for n in range(4)], "Asia/Beirut")
    assert short_labels(local, "hour") == ("22:00", "23:00", "29 Mar", "02:00")


def test_ticks_fall_on_what_people_count_in():
    days = local_times(chart_samples.starts(365, "day"), "UTC")
    mondays, firsts, quarters = tick_levels(days, "day")
    assert {days[place].weekday() for place in mondays} == {0}
    assert [short_labels(days, "day")[place] for place in firsts[:3]] == [
        "1 Nov",
        "1 Dec",
        "1 Jan 2027",
    ]
    assert [days[place].month for place in quarters] == [1, 4, 7, 10]
    hours = local_times(chart_samples.starts(24), "UTC")
    assert tick_levels(hours, "hour")[:2] == (tuple(range(24)), tuple(range(0, 24, 3)))


@pytest.mark.parametrize("bucket", ["5min", "hour", "day", "week", "month"])
def test_every_length_of_every_bucket_has_something_to_show(bucket):
    for count in (0, 1, 2, 61, 720):
        local = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=7 * n) for n in range(count)]
        levels = tick_levels(local, bucket)
        assert all(place < count for level in levels for place in level)
        assert bool(levels[-1]) == bool(count)


def test_weeks_and_months_are_named_in_full():
    start = datetime(2026, 11, 2, tzinfo=UTC)
    assert full_label(start, "week") == "Week of 2 Nov 2026"
    assert full_label(start, "month") == "November 2026"


def test_picture_table_and_file_hold_the_same_figures():
    chart = chart_samples.cost()
    drawn = chart.as_config()
    lines = [*drawn["series"], *drawn["before"]]
    header, *body = chart.csv_rows()
    assert header[0] == "Start (UTC)"
    assert header[1:] == [f"{name} (USD)" for name in chart.header()[1:]]
    assert chart.header()[-2:] == ("Total", "Period before")
    for place, (row, cells) in enumerate(zip(chart.rows(), body, strict=True)):
        assert row.cells == tuple(format_value(value, "usd") for value in cells[1:])
        figures = [cells[1 + column + (column == 5)] for column in range(6)]
        assert [line["values"][place] for line in lines] == [float(one) for one in figures]
        assert sum(cells[1:6]) == cells[6]
        assert row.href == f"/traces/?hour={place}"
    assert sum(row[6] for row in body) == chart.total
    assert chart.footer()[5] == chart.headline_text


def test_the_config_is_plain_json_and_a_year_of_it_is_small():
    text = json.dumps(chart_samples.year().as_config(), allow_nan=False)
    assert len(text) < 25_000


def test_a_longer_period_before_is_cut_in_the_picture_and_whole_in_the_sum():
    chart = chart_samples.cost()
    assert len(chart.previous[0].values) == 25
    assert len(chart.as_config()["before"][0]["values"]) == 24
    assert chart.figure is not None
    assert chart.figure.before == sum(value for one in chart.previous for value in one.values)


@pytest.mark.parametrize(
    ("value", "before", "words"),
    [
        (120, 100, "20 % more than in the period before"),
        (100.5, 100, "0.5 % more than in the period before"),
        (50, 100, "50 % less than in the period before"),
        (5, 5, "as in the period before"),
        (5, 0, "0 in the period before"),
        (5, None, ""),
        (None, 5, ""),
    ],
)
def test_change_is_said_in_words(value, before, words):
    assert Headline(value, "questions", before).change("count") == words


def test_nothing_zero_and_one_figure_are_three_things():
    assert chart_samples.empty().is_empty
    zeros = chart_samples.zeros()
    assert (zeros.is_empty, zeros.total, zeros.headline_text) == (False, 0, "0")
    one = chart_samples.one_point("line")
    assert one.has_one_point
    assert one.one_point_note == "Only one hour has figures so far, so there is no trend yet."
    assert chart_samples.one_point("bar").one_point_note == ""
    assert not chart_samples.latency().has_one_point
    assert chart_samples.latency().total is None


def test_what_is_unknown_is_a_gap_and_never_zero():
    chart = chart_samples.latency()
    assert chart.as_config()["series"][0]["values"][4] is None
    assert chart.rows()[4].cells[0] == "–"
    assert chart.csv_rows()[5][1] is None


def test_the_latest_figure_is_the_last_that_is_known():
    series = Series("p50", "p50", (100, 250, None), "p50")
    chart = Chart(
        key="a",
        title="A",
        unit="ms",
        kind="line",
        labels=chart_samples.starts(3),
        bucket="hour",
        series=(series,),
    )
    assert (chart.headline_text, chart.figure.label) == ("250 ms", "latest: Sun 1 Nov 2026, 01:00")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="not one figure for each label"):
        chart_samples.cost(labels=chart_samples.starts(23), links=())
    with pytest.raises(ValueError, match="not one link for each label"):
        chart_samples.cost(links=("/traces/",))
    with pytest.raises(ValueError, match="not finite"):
        Series("p50", "p50", (float("nan"),), "p50")
    with pytest.raises(ValueError, match="small letters"):
        Series("p50", "p50", (), '"><b>')


def test_lines_differ_in_more_than_colour():
    drawn = chart_samples.latency().as_config()["series"]
    assert len({(tuple(line["dash"]), line["point"]) for line in drawn}) == len(drawn)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_and_neighbours_differ_in_brightness(scheme):
    tokens = read_tokens()
    colours = [tokens[f"chart-{place}"][scheme] for place in range(1, 9)]
    for surface in SURFACES:
        assert all(contrast(colour, tokens[surface][scheme]) >= 3 for colour in colours)
    assert all(contrast(*pair) >= 1.9 for pair in zip(colours, colours[1:], strict=False))


def test_every_role_of_the_samples_has_a_colour():
    path = finders.find("ragadmin/charts.css")
    assert isinstance(path, str)
    with open(path) as file:  # noqa: PTH123
        known = set(re.findall(r'data-role="([\w-]+)"', file.read()))
    samples = [make() for make in chart_samples.ALL]
    assert {one.role for chart in samples for one in chart.series} - {"cache-none"} <= known
