"""Follow-ups put into words that stand by themselves, so that they can be searched for and cached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrieval.query.brief import ask_briefly, can_ask
from retrieval.query.neutral import as_data
from retrieval.query.prompt import stand_alone_messages
from retrieval.terms import term_counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrieval.query.run import Run

MOST_TOKENS = 96
LONGEST_REWRITE = 500
# So many words of its own make a question stand, if none of them points back.
OWN_WORDS = 4
# Of the rewritten question's words, so many have to come from the conversation.
KNOWN_SHARE = 0.6
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold().replace("’", "'")))


POINTS_BACK = _words(
    "it its it's they them their theirs he him his she her hers this these those there here "
    "then such same both either neither other others another else ones former latter above "
    "previous instead again more also too"
)
# "The link that resets" joins; these point: "is that", "of that", and "that" at either end.
_THAT = re.compile(
    r"(?:^|\b(?:is|was|does|did|do|can|will|of|about|for|with|to|in|on|by|from|after|before|like|and"
    r"|than|what)\s+)that\b|\bthat\W*$",
    re.IGNORECASE,
)
OPENS_A_FOLLOW_UP = _words("and but or so because then ok okay yes no what's why")
EMPTY_WORDS = _words(
    "a an the of in on at to for from with by as is are was were be been am do does did can could "
    "should would will shall may might must have has had i you we me my your our us what which who "
    "whom whose when where why how much many any some not no if and or but about into than please "
    "tell explain show give let get"
)
ENGLISH = _words("the is are of how what which when where does do can to with who has have")
_LABEL = re.compile(r"^\s*(?:(?:rewritten |standalone )?question|answer)\s*:\s*", re.IGNORECASE)


async def stand_alone(run: Run) -> None:
    """Sets `run.question` where there is a history, and whether the prompt needs that history."""
    if not run.history or not _is_follow_up(run.question):
        return
    run.history_in_prompt = True
    if not run.caller.tenant.query.rewrite_follow_ups or not can_ask(run):
        return
    with run.clock.span("route", what="rewrite") as span:
        messages = stand_alone_messages(run.question, run.history)
        text = await ask_briefly(run, "rewrite", messages, MOST_TOKENS)
        known = [run.question, *(turn.content for turn in run.history)]
        rewritten = check_rewrite(text or "", known)
        span.attributes["rewritten"] = bool(rewritten)
    if rewritten:
        run.question, run.history_in_prompt = rewritten, False


def _is_follow_up(question: str) -> bool:
    """Whether it may not stand alone, taken for one too often rather than too rarely.

    Only English is read here: a question in another language always goes to the model.
    """
    words = _words(question)
    opening = _WORD.search(question)
    if opening is None or opening[0].casefold() in OPENS_A_FOLLOW_UP:
        return True
    if words & POINTS_BACK or _THAT.search(question):
        return True
    return not words & ENGLISH or len(words - EMPTY_WORDS) < OWN_WORDS


def check_rewrite(text: str, known: Iterable[str]) -> str:
    """The question that the model wrote, or nothing if it wrote anything else.

    One line of bounded length, of words that nearly all come from `known`.
    """
    line = _LABEL.sub("", text.strip()).strip().strip("\"“”'`*").strip()
    if not line or "\n" in line or len(line) > LONGEST_REWRITE or not line.isprintable():
        return ""
    terms = set(term_counts(line))
    heard = set(term_counts(" ".join(known)))
    if not terms or len(terms & heard) < KNOWN_SHARE * len(terms):
        return ""
    return as_data(line)
