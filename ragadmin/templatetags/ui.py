"""Template tags of the console."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from ragadmin.icons import PATHS

if TYPE_CHECKING:
    from decimal import Decimal

    from django.utils.safestring import SafeString

register = template.Library()

UNKNOWN = "–"
BADGES = {
    "ok": ("active", "ready", "succeeded", "up", "ok", "reachable"),
    "warn": ("suspended", "cancelled", "degraded", "skipped", "partial", "needs_confirmation"),
    "bad": ("failed", "down", "revoked", "unreachable", "error"),
    "info": ("queued", "indexing", "running", "pending"),
}
_BADGE_OF = {status: kind for kind, statuses in BADGES.items() for status in statuses}
_AGO = (
    (60, 1, "second"),
    (3600, 60, "minute"),
    (86_400, 3600, "hour"),
    (86_400 * 30, 86_400, "day"),
)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Hidden from screen readers unless it has a label. An unknown name raises KeyError."""
    path = mark_safe(PATHS[name])  # noqa: S308 - our own constant
    if label:
        return format_html(
            '<svg class="icon" viewBox="0 0 16 16" role="img" aria-label="{}"><path d="{}"/></svg>',
            label,
            path,
        )
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>', path
    )


@register.filter
def status_badge(status: object) -> SafeString:
    text = str(status)
    kind = _BADGE_OF.get(text, "neutral")
    return format_html(
        '<span class="badge badge-{}">{}</span>', kind, text.replace("_", " ").capitalize()
    )


@register.filter
def file_size(size: float | None) -> str:
    if size is None:
        return UNKNOWN
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024 or unit == "GB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """How long since, with the exact time in UTC on hover."""
    if moment is None:
        return UNKNOWN
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
        _words_since(exact),
    )


def _words_since(exact: datetime) -> str:
    seconds = int((timezone.now() - exact).total_seconds())
    if seconds < 10:
        return "just now"
    for limit, size, unit in _AGO:
        if seconds < limit:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{exact.day} {exact:%b %Y}"


@register.filter
def until(moment: datetime | None) -> SafeString | str:
    """How long to go, and the exact time in UTC."""
    if moment is None:
        return UNKNOWN
    exact = moment.astimezone(UTC)
    shown = f"{exact:%H:%M}" if exact.date() == timezone.now().date() else f"{exact:%d %b %H:%M}"
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time> <span class="muted nowrap">({} UTC)</span>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
        _words_until(exact),
        shown,
    )


def _words_until(exact: datetime) -> str:
    seconds = int((exact - timezone.now()).total_seconds())
    if seconds < 60:
        return "due now" if seconds < 0 else "within a minute"
    for limit, size, unit in _AGO:
        if seconds < limit:
            count = round(seconds / size)
            return f"in {count} {unit}{'' if count == 1 else 's'}"
    return f"on {exact.day} {exact:%b %Y}"


@register.filter
def usd(cost: Decimal | float | None) -> SafeString | str:
    """Small amounts keep two significant digits, since an answer costs far less than a cent."""
    if cost is None:
        return format_html('<span title="The price of this model is not known">{}</span>', UNKNOWN)
    value = float(cost)
    if value == 0:
        return "$0"
    if abs(value) >= 0.01:
        return f"${value:,.2f}"
    digits = 1 - int(f"{value:e}".partition("e")[2])
    return f"${value:.{digits}f}"


@register.filter
def share(value: float | None) -> str:
    """From 0 to 1, in percent."""
    if value is None:
        return UNKNOWN
    return f"{100 * float(value):.1f}".removesuffix(".0") + " %"


@register.filter
def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return UNKNOWN
    value = float(milliseconds)
    if value < 10:
        return f"{value:.1f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    if value < 60_000:
        return f"{value / 1000:.2f} s"
    minutes, rest = divmod(round(value / 1000), 60)
    return f"{minutes} min {rest} s"


@register.filter
def initials(name: object) -> str:
    words = [word for word in str(name).replace("-", " ").replace(".", " ").split() if word]
    return "".join(word[0] for word in words[:2])


@register.inclusion_tag("_field.html")
def field(bound: Any, *, label: str = "", show_hint: bool = True) -> dict[str, Any]:
    """A form's field with its label, hint and errors, tied together for screen readers."""
    attrs = bound.field.widget.attrs
    if attrs.get("placeholder") == bound.label:  # says nothing that the label does not
        del attrs["placeholder"]
    if not show_hint:
        bound.help_text = ""
    return {"field": bound, "kind": bound.widget_type, "label": label or bound.label}
