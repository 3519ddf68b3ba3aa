"""Slack's incoming webhooks, which Mattermost, Rocket.Chat and others take as well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from monitoring.notifiers.posting import post

if TYPE_CHECKING:
    from monitoring.notifiers.base import Message, Target

# https://docs.slack.dev/reference/block-kit/blocks
MOST_IN_HEADER, MOST_IN_SECTION, MOST_SECTIONS = 150, 3000, 45


def send(target: Target, message: Message) -> None:
    """Raises NotifierError."""
    post(target.url, json.dumps(body_of(message)).encode(), {"webhook-id": message.id})


def body_of(message: Message) -> dict[str, Any]:
    """`text` is what notifications show. A paragraph of the message is a section."""
    header = {"type": "plain_text", "text": message.subject[:MOST_IN_HEADER]}
    paragraphs = [part for part in message.text.split("\n\n") if part.strip()]
    sections = [
        {"type": "section", "text": {"type": "mrkdwn", "text": escape(part)[:MOST_IN_SECTION]}}
        for part in paragraphs[:MOST_SECTIONS]
    ]
    return {
        "text": escape(message.subject),
        "blocks": [{"type": "header", "text": header}, *sections],
    }


def escape(text: str) -> str:
    """So that no name becomes a link or a call to everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
