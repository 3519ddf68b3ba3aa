"""What the stub says to a request: an answer from passages, another wording of a question, or what its
model's name makes it say."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retrieval.mock_model.answers import COMMON, WORD, compose
from retrieval.mock_model.payloads import last_prompt

if TYPE_CHECKING:
    from retrieval.mock_model.names import Behaviour

# How the prompts begin that ask for wordings and not for an answer.
STAND_ALONE = "You put a follow-up question into words that stand alone."
WORDINGS = "You write search queries."
ASPECTS = ("guide", "steps", "overview", "details", "help")
_COUNT = re.compile(r"in (\d+) other ways")
_ASKED = re.compile(r"^Question: (.*)$", re.MULTILINE)
_TURN = re.compile(r"^user: (.*)$", re.MULTILINE)
_ORDER = re.compile(r"\bSAY: ?(.*)")


def reply_pieces(messages: list[dict[str, Any]], behaviour: Behaviour) -> tuple[str, ...]:
    """As tokens come: a word or a citation each. A wording is never cut to a number of tokens."""
    prompt = last_prompt(messages)
    system = str(messages[0].get("content", "")) if messages else ""
    if behaviour.failure == "echo":
        return (json.dumps(messages, ensure_ascii=False),)
    if behaviour.failure == "obey" and (orders := _ORDER.findall(prompt)):
        return tuple(re.findall(r"\S+\s*|\s+", "\n".join(orders)))
    if system.startswith(STAND_ALONE):
        return (_stand_alone(prompt),)
    if system.startswith(WORDINGS):
        found = _COUNT.search(system)
        return (_wordings(prompt, int(found[1]) if found else 1),)
    return compose(prompt, behaviour.tokens, behaviour.failure == "badcite")


def cut_at_stop(pieces: tuple[str, ...], stop: str | list[str] | None) -> tuple[str, ...]:
    """Up to the first of the texts that end an answer, without it."""
    stops = [stop] if isinstance(stop, str) else stop or []
    text = "".join(pieces)
    ends = [place for each in stops if (place := text.find(each)) >= 0]
    if not ends:
        return pieces
    kept, left = [], min(ends)
    for piece in pieces:
        kept.append(piece[:left])
        left -= len(kept[-1])
        if left <= 0:
            break
    return tuple(filter(None, kept))


def _stand_alone(prompt: str) -> str:
    """The question with the subject of the last one before it."""
    asked, turns = _ASKED.findall(prompt)[-1], _TURN.findall(prompt)
    if not turns:
        return asked
    return f"{asked.rstrip('?! .')} ({' '.join(_subject(turns[-1]))})?"


def _wordings(prompt: str, count: int) -> str:
    subject = " ".join(_subject(_ASKED.findall(prompt)[-1]))
    return "\n".join(f"{subject} {ASPECTS[i % len(ASPECTS)]}" for i in range(count))


def _subject(text: str) -> list[str]:
    return [word for word in WORD.findall(text) if word.casefold() not in COMMON]
