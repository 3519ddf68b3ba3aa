"""Messages on their way. They are stored in the transaction of what they tell, and sent afterwards,
at least once: receivers know a repetition by the message's id."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from monitoring.models import Notification, Notifier
from monitoring.notifiers import SENDERS, Message, NotifierError, Target
from ragadmin.errors import RagadminError
from tenants.models import Tenant
from tenants.secrets import decrypt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger(__name__)

# By Notification.event: makes the message when it is sent; None when there is nothing left to tell.
WRITERS: dict[str, Callable[[Notification], Message | None]] = {}
_turn = threading.Lock()
AT_ONCE = 8
LOOK_AT = 50
# Those of one notifier that failed wait for the same moment, and keep their order.
IN_TURN = ("next_attempt_at", "created_at")
# Longer than any sender takes. Whoever died with a message in hand is followed by another.
LEASE = timedelta(seconds=60)
TURN = timedelta(seconds=40)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
GONE = "What it was about is gone."
# The last some three hours after the first.
MOST_ATTEMPTS = 10
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Claimed, and all that sending it takes: no database is needed on the way."""

    notification: Notification
    message: Message
    target: Target


def store(notifiers: Sequence[Notifier], event: str, payloads: Sequence[dict[str, Any]]) -> None:
    """One message for each notifier, in the transaction under way."""
    Notification.objects.bulk_create(
        Notification(notifier=notifier, event=event, payload=payload)
        for notifier, payload in zip(notifiers, payloads, strict=True)
    )


def send_due(now: datetime | None = None) -> int:
    """How many were tried. One message of a notifier at a time, so that one who hangs holds up nobody;
    and one turn of a process at a time, so that those who hang do not take all of its threads."""
    if not _turn.acquire(blocking=False):
        return 0
    try:
        return _send_due(now)
    finally:
        _turn.release()


def _send_due(now: datetime | None) -> int:
    tried, began = 0, timezone.now()
    while timezone.now() - began < TURN:
        claimed = _claim(now or timezone.now())
        if not claimed:
            break
        tried += len(claimed)
        parcels = [parcel for one in claimed if (parcel := _pack(one, now))]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            errors = list(pool.map(_send, parcels))
        for parcel, error in zip(parcels, errors, strict=True):
            _note(parcel.notification, error, now or timezone.now())
    return tried


def send_now(notification: Notification) -> NotifierError | None:
    """Of a test: tried once, here and now, with the result stored and given."""
    notification.attempts = 1
    notification.next_attempt_at = timezone.now() + LEASE
    notification.save()
    parcel = _pack(notification, None)
    if parcel is None:
        return NotifierError(notification.last_error, permanent=True)
    error = _send(parcel)
    if error is not None:
        error = NotifierError(error.message, permanent=True)
    _note(notification, error, timezone.now())
    return error


def forget_old(now: datetime) -> int:
    old = Notification.objects.exclude(status=Notification.Status.WAITING)
    return old.filter(created_at__lt=now - KEPT).delete()[0]


def _claim(now: datetime) -> list[Notification]:
    waiting = Notification.objects.filter(
        status=Notification.Status.WAITING, next_attempt_at__lte=now
    )
    with transaction.atomic():
        rows = waiting.select_for_update(skip_locked=True, of=("self",))
        by_notifier: dict[Any, Notification] = {}
        for row in rows.select_related("notifier__tenant").order_by(*IN_TURN)[:LOOK_AT]:
            by_notifier.setdefault(row.notifier_id, row)
        claimed = list(by_notifier.values())[:AT_ONCE]
        for row in claimed:
            row.attempts += 1
        Notification.objects.filter(pk__in=[row.pk for row in claimed]).update(
            attempts=F("attempts") + 1, next_attempt_at=now + LEASE
        )
    return claimed


def _pack(notification: Notification, now: datetime | None) -> Parcel | None:
    """None: it cannot be sent, and that is stored."""
    error = NotifierError(_why_not(notification) or GONE, permanent=True)
    try:
        message = None if error.message != GONE else WRITERS[notification.event](notification)
        if message is not None:
            return Parcel(notification, message, target_of(notification.notifier, now))
    except RagadminError as refused:
        error = NotifierError(refused.message, permanent=True)
    except Exception as broken:
        log.exception("a message could not be written", what=notification.event)
        error = NotifierError(f"It could not be written ({type(broken).__name__}).")
    _note(notification, error, now or timezone.now())
    return None


def _why_not(notification: Notification) -> str:
    notifier = notification.notifier
    if notification.event not in WRITERS:
        return f"This version does not know what a message about {notification.event} says."
    if not notifier.is_enabled:
        return "The notifier is disabled."
    if notifier.tenant and notifier.tenant.status == Tenant.Status.SUSPENDED:
        return "The tenant is suspended."
    return ""


def target_of(notifier: Notifier, sent_at: datetime | None = None) -> Target:
    """Raises ConfigurationError when its credentials cannot be read."""
    if notifier.kind == Notifier.Kind.EMAIL:
        return Target(addresses=tuple(notifier.target.split()))
    secret = decrypt(notifier.secret_encrypted) if notifier.secret_encrypted else ""
    return Target(url=decrypt(notifier.url_encrypted), secret=secret, sent_at=sent_at)


def _send(parcel: Parcel) -> NotifierError | None:
    try:
        SENDERS[parcel.notification.notifier.kind](parcel.target, parcel.message)
    except NotifierError as error:
        return error
    except Exception as error:
        log.exception("a message could not be sent")
        return NotifierError(f"It could not be sent ({type(error).__name__}).")
    return None


def _note(notification: Notification, error: NotifierError | None, now: datetime) -> None:
    """Unless somebody else has taken it over meanwhile."""
    mine = Notification.objects.filter(
        pk=notification.pk,
        attempts=notification.attempts,
        status=Notification.Status.WAITING,
    )
    if error is None:
        mine.update(status=Notification.Status.SENT, sent_at=now, last_error="")
        return
    log.warning("message not delivered", notifier=str(notification.notifier_id), code=error.code)
    notification.last_error = error.message[:300]
    if error.permanent or notification.attempts >= MOST_ATTEMPTS:
        mine.update(status=Notification.Status.FAILED, last_error=notification.last_error)
        return
    again = now + _wait(notification.attempts)
    mine.update(next_attempt_at=again, last_error=notification.last_error)
    others = Notification.objects.filter(
        notifier=notification.notifier_id, status=Notification.Status.WAITING
    )
    others.filter(next_attempt_at__lt=again).update(next_attempt_at=again)


def _wait(attempts: int) -> timedelta:
    """Doubled each time, and spread so that those who failed together do not come again together."""
    return min(FIRST_WAIT * 2 ** (attempts - 1), LONGEST_WAIT) * random.uniform(0.8, 1.2)  # noqa: S311
