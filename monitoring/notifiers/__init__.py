"""One file for each way to tell somebody."""

from __future__ import annotations

from monitoring.notifiers import email, slack, webhook
from monitoring.notifiers.base import Message, NotifierError, Target

__all__ = ["SENDERS", "Message", "NotifierError", "Target"]

# By Notifier.Kind. Each takes a Target and a Message, and raises NotifierError.
SENDERS = {"email": email.send, "webhook": webhook.send, "slack": slack.send}
