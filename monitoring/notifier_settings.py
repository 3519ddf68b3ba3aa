"""Notifiers: made, changed, tried, deleted. Their credentials are stored encrypted and shown to nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from monitoring import outbox
from monitoring.models import Notification, Notifier
from monitoring.notifiers.posting import PRIVATE
from monitoring.notifiers.webhook import is_secret, new_secret
from ragadmin.errors import Conflict, InvalidRequest, NotFound, RateLimited
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.hosts import check_written
from tenants.audit import record_event
from tenants.models import AuditEvent
from tenants.secrets import encrypt

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from monitoring.notifiers import NotifierError
    from tenants.models import Tenant, User

    Actor = User | str | None

MOST_NOTIFIERS = 20
MOST_ADDRESSES = 20
LONGEST_URL = 2000
PORTS = {"http": 80, "https": 443}
# In an hour, for all notifiers of an owner: a test goes to addresses that nobody has checked.
MOST_TESTS = 30
TESTED = "tested"
NAME_TAKEN = "Another notifier has this name."
FIELDS = ("name", "sends_alerts", "sends_reports", "is_enabled")


def notifiers_of(owner: Tenant | None) -> QuerySet[Notifier]:
    return Notifier.objects.filter(tenant=owner).order_by("name")


def find_notifier(owner: Tenant | None, notifier_id: UUID) -> Notifier:
    """Raises NotFound, also for somebody else's."""
    notifier = notifiers_of(owner).filter(pk=notifier_id).first()
    if notifier is None:
        raise NotFound("There is no notifier with this id.")
    return notifier


@transaction.atomic
def save_notifier(
    *,
    owner: Tenant | None,
    values: dict[str, Any],
    actor: Actor,
    notifier: Notifier | None = None,
) -> tuple[Notifier, str]:
    """And the secret that was made for a new webhook, which is shown this once. `target`: addresses or
    a URL; `secret`: the owner's own; empty leaves them as they are. Raises InvalidRequest, Conflict."""
    saved = notifier or Notifier(tenant=owner, kind=values["kind"])
    if notifier is None:
        _check_room(owner)
    for name in FIELDS:
        if name in values:
            setattr(saved, name, values[name])
    saved.name = saved.name.strip()
    _check_name(saved)
    if values.get("target") or notifier is None:
        _aim(saved, values.get("target", ""))
    secret = _sign_with(saved, values.get("secret", ""), is_new=notifier is None)
    try:
        with transaction.atomic():
            saved.save()
    except IntegrityError:
        raise _wrong("name", NAME_TAKEN) from None
    _record("created" if notifier is None else "changed", saved, actor)
    return saved, secret


def renew_secret(notifier: Notifier, *, actor: Actor) -> str:
    """The new one, which is shown this once. The old one signs nothing any more."""
    if notifier.kind != Notifier.Kind.WEBHOOK:
        raise Conflict("Only webhooks are signed.", code="not_signed")
    secret = new_secret()
    notifier.secret_encrypted = encrypt(secret)
    with transaction.atomic():
        notifier.save(update_fields=["secret_encrypted"])
        _record("secret_renewed", notifier, actor)
    return secret


def delete_notifier(notifier: Notifier, *, actor: Actor) -> int:
    """With the messages that wait for it: how many those were."""
    with transaction.atomic():
        # Whoever stores a message for it comes before or after.
        list(Notifier.objects.select_for_update().filter(pk=notifier.pk))
        waiting = Notification.objects.filter(
            notifier=notifier, status=Notification.Status.WAITING
        ).count()
        _record("deleted", notifier, actor, waiting=waiting)
        notifier.delete()
    return waiting


def try_notifier(notifier: Notifier, *, actor: Actor) -> NotifierError | None:
    """Sends a message here and now. None: it was taken. With no transaction under way, because the
    receiver is waited for. Raises RateLimited."""
    # By the audit trail, because messages go with their notifier and another is made at once.
    recent = AuditEvent.objects.filter(
        tenant=notifier.tenant_id,
        action=f"notifier.{TESTED}",
        at__gt=timezone.now() - timedelta(hours=1),
    )
    if recent.count() >= MOST_TESTS:
        raise RateLimited(f"There were {MOST_TESTS} tests in an hour: try again later.")
    _record(TESTED, notifier, actor)
    payload = {"sent_at": timezone.now().isoformat(), "notifier": notifier.name}
    return outbox.send_now(Notification(notifier=notifier, event="test", payload=payload))


def _aim(notifier: Notifier, target: str) -> None:
    if notifier.kind == Notifier.Kind.EMAIL:
        notifier.target = "\n".join(_addresses(target))
        return
    url = target.strip()
    notifier.target = _shown(url)
    notifier.url_encrypted = encrypt(url)


def _sign_with(notifier: Notifier, given: str, *, is_new: bool) -> str:
    """The secret, if it was made here. Raises InvalidRequest."""
    if notifier.kind != Notifier.Kind.WEBHOOK:
        if given:
            raise _wrong("secret", "Only webhooks are signed.")
        return ""
    if given and not is_secret(given):
        raise _wrong("secret", "A secret is whsec_ and 24 to 64 bytes in base64.")
    made = new_secret() if is_new and not given else ""
    if given or made:
        notifier.secret_encrypted = encrypt(given or made)
    return made


def _addresses(text: str) -> list[str]:
    addresses = list(dict.fromkeys(text.replace(",", " ").replace(";", " ").split()))
    if not addresses or len(addresses) > MOST_ADDRESSES:
        raise _wrong("target", f"Enter 1 to {MOST_ADDRESSES} addresses, one a line.")
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise _wrong("target", f"{address} is no e-mail address.") from None
    return addresses


def _shown(url: str) -> str:
    """Scheme and host: paths and queries of webhooks are often credentials. Raises InvalidRequest."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise _wrong(
            "target", "This is no address: enter one such as https://example.com/hook."
        ) from None
    is_odd = len(url) > LONGEST_URL or not url.isascii() or any(c.isspace() for c in url)
    if parts.scheme not in PORTS or not parts.hostname or is_odd:
        raise _wrong("target", "Enter a web address such as https://example.com/hook.")
    if parts.username or parts.password:
        raise _wrong("target", "A name and a password in the address are not sent: leave them out.")
    _check_host(parts.hostname, parts.port or PORTS[parts.scheme])
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}/…"


def _check_host(host: str, port: int) -> None:
    """What a name leads to is looked at when something is sent: it may be another place by then."""
    try:
        check_written(host, port)
    except SourceUnavailable:
        raise _wrong("target", PRIVATE.format(host)) from None


def _check_name(notifier: Notifier) -> None:
    if not notifier.name:
        raise _wrong("name", "Give the notifier a name.")
    others = Notifier.objects.filter(tenant=notifier.tenant_id, name=notifier.name)
    if others.exclude(pk=notifier.pk).exists():
        raise _wrong("name", NAME_TAKEN)


def _check_room(owner: Tenant | None) -> None:
    if Notifier.objects.filter(tenant=owner).count() >= MOST_NOTIFIERS:
        raise Conflict(
            f"There are {MOST_NOTIFIERS} notifiers already: delete one.", code="too_many_notifiers"
        )


def _wrong(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": name})


def _record(what: str, notifier: Notifier, actor: Actor, **detail: Any) -> None:
    record_event(
        f"notifier.{what}",
        actor=actor,
        tenant=notifier.tenant,
        target=f"{notifier.name} ({notifier.kind})",
        **detail,
    )
