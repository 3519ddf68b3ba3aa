"""The real URLconf with pages of charts: a dashboard, each state, and a fragment that htmx swaps in."""

from __future__ import annotations

from django.http import HttpResponse
from django.template import engines
from django.urls import path

from ragadmin import urls
from tests.monitoring import chart_samples

handler404, handler500 = urls.handler404, urls.handler500
CHARTS = '<div class="charts" id="charts">{% for chart in charts %}{% include "_chart.html" %}{% endfor %}</div>'
PAGE = f"""{{% extends "base.html" %}}
{{% block styles %}}{{% include "_chart_head.html" %}}{{% endblock %}}
{{% block content %}}
<header class="page-header"><h1>Charts</h1>
<button class="btn" type="button" hx-get="fragment/" hx-target="#charts" hx-swap="outerHTML">Swap</button></header>
{CHARTS}
{{% endblock %}}"""


def show(request, source, samples):
    template = engines["django"].from_string(source)
    return HttpResponse(template.render({"charts": [make() for make in samples]}, request))


urlpatterns = [
    path("charts/", show, {"source": PAGE, "samples": chart_samples.DASHBOARD}),
    path("charts/states/", show, {"source": PAGE, "samples": chart_samples.ALL}),
    path("charts/fragment/", show, {"source": CHARTS, "samples": (chart_samples.zeros,)}),
    path("traces/", show, {"source": '{% extends "base.html" %}', "samples": ()}),
    *urls.urlpatterns,
]
