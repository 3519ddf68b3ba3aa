"""The forms of the pages about alerts. Thresholds are entered in the unit that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from monitoring.alert_words import every, span
from monitoring.metrics import FLEET, METRICS, TENANT
from monitoring.models import AlertRule, Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenants.models import Tenant

UNIT_WORDS = {
    "share": "%",
    "ms": "ms",
    "usd": "US dollars",
    "count": "count",
    "similarity": "0 to 1",
    "seconds": "seconds",
}
# So that one bad answer at night wakes nobody. There is one budget, and there are few services.
LEAST_ANSWERS = 10
WINDOWS = (5, 15, 30, 60, 180, 360, 720, 1440)
RENOTIFY = (60, 180, 360, 720, 1440, 10080)
NO_DATA = (
    ("ok", "That is fine"),
    ("keep", "Leave things as they are"),
    ("alert", "That is an alert"),
)
MUTES = (
    (60, "For 1 hour"),
    (8 * 60, "For 8 hours"),
    (24 * 60, "For 1 day"),
    (7 * 24 * 60, "For 7 days"),
)


class RuleForm(forms.Form):
    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    scope = forms.ChoiceField(
        label="Watches",
        choices=[("each", "Each tenant by itself"), ("fleet", "The fleet as a whole")],
        initial="each",
    )
    metric = forms.ChoiceField(help_text="Thresholds are in the unit that stands behind it.")
    comparison = forms.ChoiceField(
        label="Is wrong when",
        choices=[("above", "above the threshold"), ("below", "below the threshold")],
    )
    warning_threshold = forms.FloatField(label="Warning threshold", required=False)
    alert_threshold = forms.FloatField(label="Alert threshold", required=False)
    window_minutes = forms.TypedChoiceField(label="Looks at the last", coerce=int, initial=60)
    minimum_count = forms.IntegerField(
        label="Least count",
        min_value=0,
        required=False,
        help_text="With fewer questions, ratings or whatever the metric counts, there is no data."
        f" Empty: {LEAST_ANSWERS} for figures of answers, 1 for all others.",
    )
    no_data = forms.ChoiceField(label="Without data", choices=NO_DATA)
    renotify_minutes = forms.TypedChoiceField(
        label="While it is open, tell again", coerce=int, initial=1440
    )
    notifiers = forms.ModelMultipleChoiceField(
        queryset=Notifier.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Tell",
        help_text="None chosen: all of them.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        owner: Tenant | None,
        rule: AlertRule | None = None,
        metric: str = "",
    ) -> None:
        super().__init__(data, initial=_initial(rule) if rule else _suggested(metric))
        self.owner = rule.tenant if rule else owner
        if self.owner is not None:
            del self.fields["scope"]
        scopes = {TENANT} if self.owner else {TENANT, FLEET}
        self.fields["metric"].choices = [
            (key, f"{each.label} ({UNIT_WORDS[each.unit]})")
            for key, each in METRICS.items()
            if each.scopes & scopes
        ]
        self.fields["window_minutes"].choices = _spans(WINDOWS, rule and rule.window_minutes)
        again = _spans(RENOTIFY, rule and rule.renotify_minutes, every)
        self.fields["renotify_minutes"].choices = [(0, "never"), *again]
        tell: Any = self.fields["notifiers"]
        tell.queryset = Notifier.objects.filter(tenant=self.owner)
        for name in ("warning_threshold", "alert_threshold"):
            self.fields[name].widget.attrs["step"] = "any"

    def values(self) -> dict[str, Any]:
        """As monitoring.alert_rules takes them."""
        values = dict(self.cleaned_data)
        scale = _scale(values["metric"])
        for name in ("warning_threshold", "alert_threshold"):
            if values[name] is not None:
                values[name] /= scale
        if values["minimum_count"] is None:
            is_of_answers = METRICS[values["metric"]].read is None
            values["minimum_count"] = LEAST_ANSWERS if is_of_answers else 1
        if "scope" in values:
            values["each_tenant"] = values.pop("scope") == "each"
        return values


class NotifierForm(forms.Form):
    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    target = forms.CharField(max_length=2000)
    sends_alerts = forms.BooleanField(label="Tell about alerts", required=False, initial=True)
    sends_reports = forms.BooleanField(label="Send the daily report", required=False)

    def __init__(self, data: Any = None, *, kind: str, notifier: Notifier | None = None) -> None:
        names = ("name", "sends_alerts", "sends_reports")
        initial = {name: getattr(notifier, name) for name in names} if notifier else {}
        super().__init__(data, initial=initial)
        target = self.fields["target"]
        if kind == Notifier.Kind.EMAIL:
            target.label, target.help_text = (
                "Addresses",
                "One a line. One mail goes to all of them.",
            )
            target.widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
            target.initial = notifier.target if notifier else ""
            return
        target.label = "Address of the webhook"
        target.widget = forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"})
        target.help_text = "Use https: what is sent can be read on its way otherwise."
        if notifier:
            target.required = False
            target.help_text = f"It is stored encrypted. Empty: it stays at {notifier.target}"


def _initial(rule: AlertRule) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: getattr(rule, name)
        for name in RuleForm.base_fields
        if name not in ("scope", "notifiers")
    }
    values["scope"] = "each" if rule.each_tenant else "fleet"
    values["notifiers"] = [each.pk for each in rule.notifiers.all()]
    scale = _scale(rule.metric)
    for name in ("warning_threshold", "alert_threshold"):
        if values[name] is not None:
            values[name] = f"{values[name] * scale:.12g}"
    return values


def _suggested(metric: str) -> dict[str, Any]:
    key = metric if metric in METRICS else "error_rate"
    return {"metric": key, "comparison": METRICS[key].bad, "name": METRICS[key].label}


def _scale(metric: str) -> int:
    return 100 if metric in METRICS and METRICS[metric].unit == "share" else 1


def _spans(
    offered: Iterable[int], own: int | None, words: Callable[[int], str] = span
) -> list[tuple[int, str]]:
    """With the rule's own, which the API may have set to any."""
    minutes = {*offered, own} if own else set(offered)
    return [(each, words(each)) for each in sorted(minutes)]
