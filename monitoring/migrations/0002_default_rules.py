"""The rules that every installation begins with. They are made once: whoever changes, disables or
deletes one is not overruled by the next start."""

from django.db import migrations

# A window long enough for the least count, so that one bad answer at night wakes nobody; told again
# four times a day at most, but for a leak. From 95 % of a budget on no model is asked any more.
DAY = 24 * 60
RULES = (
    {
        "built_in": "avg_similarity", "name": "Answers rest on distant passages",
        "metric": "avg_similarity", "window_minutes": 60, "comparison": "below",
        "alert_threshold": 0.3, "minimum_count": 20, "each_tenant": True, "renotify_minutes": DAY,
    },
    {
        "built_in": "thumbs_down_rate", "name": "Many thumbs down",
        "metric": "thumbs_down_rate", "window_minutes": DAY, "comparison": "above",
        "alert_threshold": 0.2, "minimum_count": 10, "each_tenant": True, "renotify_minutes": DAY,
    },
    {
        "built_in": "p99_latency", "name": "Answers are slow",
        "metric": "p99_latency", "window_minutes": 30, "comparison": "above",
        "warning_threshold": 15_000, "alert_threshold": 30_000, "minimum_count": 50,
        "each_tenant": True, "renotify_minutes": DAY // 2,
    },
    {
        "built_in": "error_rate", "name": "Answers fail",
        "metric": "error_rate", "window_minutes": 15, "comparison": "above",
        "warning_threshold": 0.05, "alert_threshold": 0.2, "minimum_count": 20,
        "each_tenant": True, "renotify_minutes": DAY // 4,
    },
    {
        "built_in": "budget_used", "name": "A budget is nearly spent",
        "metric": "budget_used", "window_minutes": 5, "comparison": "above",
        "warning_threshold": 0.85, "alert_threshold": 0.95, "minimum_count": 1, "each_tenant": True,
        "renotify_minutes": 0,
    },
    {
        "built_in": "failed_syncs", "name": "A sync failed",
        "metric": "failed_syncs", "window_minutes": 60, "comparison": "above",
        "alert_threshold": 0, "minimum_count": 0, "each_tenant": True, "renotify_minutes": DAY,
    },
    {
        "built_in": "isolation_leaks", "name": "Tenants are not kept apart",
        "metric": "isolation_leaks", "window_minutes": 5, "comparison": "above",
        "alert_threshold": 0, "minimum_count": 1, "each_tenant": False, "renotify_minutes": 60,
    },
)  # fmt: skip


def make_rules(apps, schema_editor):
    rules = apps.get_model("monitoring", "AlertRule").objects.using(schema_editor.connection.alias)
    for rule in RULES:
        rules.get_or_create(built_in=rule["built_in"], defaults=rule)


class Migration(migrations.Migration):

    dependencies = [("monitoring", "0001_numbers")]

    operations = [migrations.RunPython(make_rules, migrations.RunPython.noop)]
