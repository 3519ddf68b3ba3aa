"""Foreign text made harmless: it cannot close its frame, speak in another role, or cite.

Documents, questions and earlier answers go through here on their way into a prompt or a quote.
"""

from __future__ import annotations

import re
import unicodedata

FRAME = "passage"
# What reads as an opening angle bracket, to a model if not to a parser, and what follows it.
_BRACKET = re.compile(
    r"(?:[<＜﹤‹〈〈⟨⧼«˂ᐸ❮❰❬⟪《]|&lt;|&#0*60;|&#x0*3c;)(?=(.{0,60}))", re.DOTALL | re.IGNORECASE
)
# The marks by which chat templates tell roles apart; some servers read them in the text as well.
_CHAT_MARK = re.compile(
    r"<(?=[|｜][^<>|｜\n]{1,40}[|｜]>|/?s>|/?(?:start|end)_of_turn>|<?/?SYS>)|\[(?=/?INST\])",
    re.IGNORECASE,
)
_CITATION = re.compile(r"\[(\s*\d{1,3}(?:\s*,\s*\d{1,3})*\s*)\]")
_CITATION_OR_CODE = re.compile(rf"```.*?(?:```|\Z)|`[^`\n]+`|{_CITATION.pattern}", re.DOTALL)
# Letters of other scripts, and small capitals, that look like those of the frame's name.
_LOOK_ALIKES = str.maketrans("раѕсеԍɡցαερσɑɢᴘᴀꜱᴇ", "pascegggaepoagpase")


def as_data(text: str) -> str:
    """For a prompt: no tag of the frame, no mark of a chat template, no citation outside code."""
    text = _CHAT_MARK.sub("(", text)
    # Looked for bracket by bracket only where the name is there at all.
    if _BRACKET.search(text) and FRAME in _letters(text):
        text = _BRACKET.sub(_without_frame, text)
    return _CITATION_OR_CODE.sub(_quiet, text) if "[" in text else text


def without_citations(text: str) -> str:
    """For a quote: what looks like a citation keeps its number and loses its meaning."""
    return _CITATION.sub(_quiet, text) if "[" in text else text


def as_label(text: str) -> str:
    """For an attribute of the frame: one line, no quotes, no brackets."""
    return " ".join(re.sub(r"[<>\"]", "'", as_data(text)).split())


def _without_frame(match: re.Match[str]) -> str:
    return "(" if _letters(match[1]).startswith(FRAME) else match[0]


def _letters(text: str) -> str:
    """What the eye reads: no marks, no signs without a width, no case, one script."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
    text = text.casefold().translate(_LOOK_ALIKES)
    return "".join(filter(str.isalpha, text))


def _quiet(match: re.Match[str]) -> str:
    # Code keeps its brackets: an index is not a citation.
    return f"({match[1]})" if match[1] else match[0]
