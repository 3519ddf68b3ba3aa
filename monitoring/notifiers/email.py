"""Mail, by the server that EMAIL_URL names."""

from __future__ import annotations

import smtplib
from email.utils import parseaddr
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from monitoring.notifiers.base import Message, NotifierError, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_SET = "No mail is sent: EMAIL_URL is not set on this installation."


def send(target: Target, message: Message) -> None:
    """One mail to all addresses. Raises NotifierError."""
    if not settings.EMAIL_URL:
        raise NotifierError(NOT_SET, permanent=True)
    mail = EmailMultiAlternatives(
        subject=" ".join(message.subject.split()),
        body=message.text,
        to=list(target.addresses),
        headers={
            # The same at each try, so that mail programs show it once.
            "Message-ID": f"<{message.id}@{_domain()}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _refused("The mail server takes none of these addresses", codes) from None
    except smtplib.SMTPResponseException as error:
        raise _refused(
            f"The mail server refused it ({error.smtp_code})", [error.smtp_code]
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise NotifierError(
            f"The mail server cannot be reached ({type(error).__name__})."
        ) from None


def _domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]


def _refused(what: str, codes: Iterable[int]) -> NotifierError:
    return NotifierError(f"{what}.", permanent=all(code >= 500 for code in codes))
