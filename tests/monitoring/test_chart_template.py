"""What a page holds of a chart before any script runs."""

from __future__ import annotations

import json
import re

import pytest
from django.template.loader import render_to_string

from monitoring.charts import Series
from tests.monitoring import chart_samples


def shown(chart):
    return render_to_string("_chart.html", {"chart": chart})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (chart_samples.empty, "Nothing was measured in this period."),
        (chart_samples.failed, "The figures could not be read."),
    ],
)
def test_without_figures_there_are_words_and_no_axes(make, words):
    html = shown(make())
    assert words in html
    assert not re.search("<canvas|<table|data-chart|json|CSV", html)


def test_one_figure_is_drawn_and_no_trend_is_claimed():
    html = shown(chart_samples.one_point("line"))
    assert "no trend yet" in html
    assert "<canvas" in html


def test_the_table_has_every_figure_and_every_link():
    chart = chart_samples.cost()
    html = shown(chart)
    assert re.findall(r'<th scope="row"><a href="([^"]*)"', html) == list(chart.links)
    cells = [cell for row in chart.rows() for cell in row.cells]
    assert re.findall(r'<td class="num">([^<]*)<', html) == [*cells, *chart.footer()]


def test_the_picture_is_described_in_words():
    html = shown(chart_samples.cost())
    described = re.search(r'<canvas role="img" aria-label="([^"]*)"', html)
    assert described is not None
    assert described[1] == (
        "Bar chart: Cost by component, USD per hour, UTC. From Sun 1 Nov 2026, 00:00 to "
        "Sun 1 Nov 2026, 23:00. $0.197 in total. The table below has every figure."
    )


def test_names_that_tenants_chose_stay_text():
    name = "</script><script>alert(1)</script>"
    series = (Series("cost", name, (1,), "series-1"),)
    chart = chart_samples.cost(
        kind="hbar",
        bucket=None,
        labels=(name,),
        series=series,
        previous=(),
        links=("/t/a/?b=\"'>",),
    )
    html = shown(chart)
    assert html.count("<script") == 1
    config = re.search(r'<script type="application/json">(.*)</script>', html)
    assert config is not None
    assert json.loads(config[1])["labels"] == [name]
    assert 'href="/t/a/?b=&quot;&#x27;&gt;"' in html


def test_one_series_alone_needs_no_legend_to_be_seen():
    assert re.search(r'<ul class="chart-legend" hidden>', shown(chart_samples.similarity()))
    assert re.search(r'<ul class="chart-legend">', shown(chart_samples.latency()))
