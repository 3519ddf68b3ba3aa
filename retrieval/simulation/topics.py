"""Natural questions about a passage, each in several wordings that ask the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.suggestions import plain_heading

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCES_A_PASSAGE = 2
LONGEST_CLAUSE_WORDS = 9
_CODE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)", re.MULTILINE | re.DOTALL)
_NOT_PROSE = re.compile(r"^(?: {4}|\t|[#|>]|(?:[-*+]|\d+\.) ).*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP = re.compile(r"[`*]|(?<!\w)_|_(?!\w)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# What stands for something said before would leave the question without a subject.
_SUBJECT = (
    r"(?P<subject>(?!(?:its?|their|this|that|these|those|there|they|he|she|we|you|i|what|who|which|where|when|"
    r"if|as|in|for|note|here|one|each|such|so)\b)[\w’'/-]+(?: [\w’'/-]+){0,4})"
)
_DEFINED = re.compile(rf"^{_SUBJECT} (?P<verb>is|are) (?:an?|the|one of)\b", re.IGNORECASE)
_USED = re.compile(rf"^{_SUBJECT} (?P<verb>is|are) used (?:to|for|as)\b", re.IGNORECASE)
_DONE = re.compile(
    rf"^{_SUBJECT} (?P<verb>is|are) (?P<done>\w+ed|sent|kept|made|set|given|taken|found|held|built|read|"
    r"written|shown|chosen|paid|reset|run|told|left|done) (?P<rest>.+)$",
    re.IGNORECASE,
)
_ALLOWED = re.compile(
    rf"^{_SUBJECT} (?P<verb>can|may|must|should)(?P<not>not| not)? (?P<rest>.+)$", re.IGNORECASE
)
_BY_THE_CLOCK = re.compile(
    r"\b(?:every|after|before|until|within|daily|nightly|at midnight|on the \d)", re.I
)
_CLAUSE_END = re.compile(
    r"[,;:()–—]|\.(?:\s|$)| (?:because|that|which|who|and|or|but|so|if|unless|when|where) "
)
# A clause that was cut after one of these is not a question.
_DANGLING = re.compile(
    r"\b(?:\d+|a|an|and|any|as|at|by|each|for|from|in|into|of|on|one|or|than|the|this|to|what|with)$",
    re.I,
)
_NO_SUBJECT = re.compile(
    r"\b(?:that|who|whom|whose|which|nothing|nobody|none|neither|everybody|following)\b", re.I
)
_HOW_TO = re.compile(r"^how to (?P<rest>.+)$", re.IGNORECASE)
_DOING = re.compile(
    r"^(?:add|ask|change|check|choose|configure|connect|create|define|delete|deploy|edit|export|find|get|"
    r"import|install|keep|make|measure|move|open|order|pay|read|remove|report|request|reset|restore|run|"
    r"search|send|set|start|stop|try|turn|update|upgrade|upload|use|watch|write) ",
    re.IGNORECASE,
)
_PART_OF_SENTENCE = re.compile(
    r"^(?:in|on|at|from|with|without|for|by|to|of|and|or|after|before|if)\b", re.I
)
_CLAUSE = re.compile(r"\w (?:is|are|was|were|has|have|can|may|must|does|do) \w")


@dataclass(frozen=True, slots=True)
class Passage:
    """`subject`: what its document is called."""

    subject: str
    heading_path: str
    text: str
    access_level: str


@dataclass(frozen=True, slots=True)
class Topic:
    """The first wording is the usual one."""

    wordings: tuple[str, ...]
    subject: str
    access_level: str


def topics_of(passage: Passage) -> Iterator[Topic]:
    found = [_of_heading(passage), *_of_sentences(passage)]
    for wordings in filter(None, found):
        yield Topic(wordings, passage.subject, passage.access_level)


def _of_heading(passage: Passage) -> tuple[str, ...]:
    heading = plain_heading(passage.heading_path)
    if not heading or _PART_OF_SENTENCE.match(heading):
        return ()
    name = _inside(heading)
    if heading.endswith("?"):
        return (heading, f"I would like to know: {name}")
    if match := _HOW_TO.match(heading):
        return _of_doing(match["rest"])
    if _DOING.match(heading):
        return _of_doing(name)
    if name.startswith("when "):
        return (f"What happens {name}?", f"Tell me what happens {name}")
    if name.startswith(("how ", "what ", "which ", "who ", "why ", "where ")):
        return (f"Can you explain {name}?", f"I would like to know {name}")
    if _CLAUSE.search(name):
        return (f"Is it true that {name}?", f"Can you explain why {name}?")
    return _of_name(name, passage.subject)


def _of_doing(name: str) -> tuple[str, ...]:
    return (f"How do I {name}?", f"What is the way to {name}?")


def _of_name(name: str, subject: str) -> tuple[str, ...]:
    asked = (f"What should I know about {name}?", f"Tell me about {name}")
    if name.casefold() == subject.casefold():
        return asked
    return (*asked, f"What does “{subject}” say about {name}?")


def _of_sentences(passage: Passage) -> Iterator[tuple[str, ...]]:
    found = 0
    for sentence in _sentences(passage.text):
        if wordings := _of_sentence(sentence):
            yield wordings
            found += 1
        if found == SENTENCES_A_PASSAGE:
            return


def _sentences(text: str) -> Iterator[str]:
    prose = _NOT_PROSE.sub("", _CODE.sub("", text))
    plain = _MARKUP.sub("", _LINK.sub(r"\1", prose))
    for paragraph in re.split(r"\n\s*\n", plain):
        yield from _SENTENCE.split(" ".join(paragraph.split()))


def _of_sentence(sentence: str) -> tuple[str, ...]:
    """None where it has no form that a question can be made from."""
    match = _USED.match(sentence)
    if match and _is_subject(match):
        verb, subject = match["verb"], _inside(match["subject"])
        return (f"What {verb} {subject} used for?", f"What would I use {subject} for?")
    match = _DEFINED.match(sentence)
    if match and _is_subject(match):
        verb, subject = match["verb"], _inside(match["subject"])
        return (f"What {verb} {subject}?", f"Can you explain what {subject} {verb}?")
    match = _DONE.match(sentence)
    if match and _is_subject(match):
        subject, done = _inside(match["subject"]), f"{match['verb']} {match['done']}"
        word = "When" if _BY_THE_CLOCK.search(match["rest"]) else "How"
        asked = f"{word} {match['verb']} {subject} {match['done']}?"
        return (asked, f"Please tell me {word.lower()} {subject} {done}")
    match = _ALLOWED.match(sentence)
    return _of_permission(match) if match and _is_subject(match) else ()


def _is_subject(match: re.Match[str]) -> bool:
    return not _NO_SUBJECT.search(match["subject"])


def _of_permission(match: re.Match[str]) -> tuple[str, ...]:
    clause = _CLAUSE_END.split(match["rest"], maxsplit=1)[0].strip()
    if not 1 < len(clause.split()) <= LONGEST_CLAUSE_WORDS or clause.count('"') % 2:
        return ()
    if _DANGLING.search(clause):
        return ()
    verb, subject = match["verb"].lower(), _inside(match["subject"])
    asked = f"{verb} {subject} {clause}"
    return (f"{asked[0].upper()}{asked[1:]}?", f"I wonder whether {subject} {verb} {clause}")


def _inside(text: str) -> str:
    """As it stands in the middle of a sentence: names and abbreviations stay as they are."""
    first, _, rest = text.partition(" ")
    is_name = any(letter.isupper() for letter in first[1:]) or not first[:1].isalpha()
    return text if is_name else f"{first.lower()} {rest}".rstrip()
