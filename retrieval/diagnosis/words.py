"""Each outcome in words: what it is called, what happened, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieval.models import Feedback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrieval.diagnosis.case import Case
    from retrieval.diagnosis.verdict import Verdict
    from tenants.config import TenantConfig

    Words = tuple[str, str]

Diagnosis = Feedback.Diagnosis
MOST_PASSAGES = 50

LABELS: dict[str, str] = {
    Diagnosis.NOT_IN_CORPUS: "Not in the documents",
    Diagnosis.NOT_PERMITTED: "Above the asker's level",
    Diagnosis.STALE: "Out of date",
    Diagnosis.NOT_RETRIEVED: "Not found by the search",
    Diagnosis.RANKED_OUT: "Found, but ranked too low",
    Diagnosis.COMPRESSED_AWAY: "Cut out by compression",
    Diagnosis.IGNORED: "Shown, but not used well",
}
# Nothing of a passage is in these: for those who may not read it. They say what was found and not what
# is so: likeness tells subjects well and answers less well.
IN_GENERAL: dict[str, str] = {
    Diagnosis.NOT_IN_CORPUS: "No passage comes near enough to the question to be taken for its answer.",
    Diagnosis.NOT_PERMITTED: "The asker may not read the passage that fits the question best.",
    Diagnosis.STALE: "The documents have changed since, or a newer one fits the question too.",
    Diagnosis.NOT_RETRIEVED: "A passage fits the question, and the search did not bring it.",
    Diagnosis.RANKED_OUT: "A passage fits the question, and others took its place.",
    Diagnosis.COMPRESSED_AWAY: "The sentence that fits best was left out of what the model was shown.",
    Diagnosis.IGNORED: "The passage that fits best was shown, and the answer is not what it should be.",
}
SINCE = {
    "added": "“{path}” was added after the question was asked.",
    "changed": "“{path}” was changed, or indexed anew, after the question was asked.",
    "cache": "The answer was a kept one, and the model would be shown other passages now, “{path}” among them.",
    "newer": "“{path}” is newer than every document the answer was made from, and fits too.",
}
FATES = {
    "ranked_out": "It came at place {place}, and the model was shown {shown}.",
    "duplicate": "It was taken for a copy of another passage.",
    "too_far": "Nothing that was found came near enough to the question.",
}


def explain(verdict: Verdict, case: Case, tenant: TenantConfig) -> Words:
    """What happened and what to do, one or two sentences each. They may name the passage's path."""
    path = verdict.best.path if verdict.best else ""
    tell: dict[str, Callable[[], Words]] = {
        Diagnosis.NOT_IN_CORPUS: lambda: to_be_written(case.question, verdict.facts),
        Diagnosis.NOT_PERMITTED: lambda: _not_permitted(verdict, path),
        Diagnosis.STALE: lambda: (
            SINCE[verdict.facts["since"]].format(path=path),
            "Ask the question again: the answer will be made from the documents as they are now.",
        ),
        Diagnosis.NOT_RETRIEVED: lambda: _not_retrieved(verdict.facts, path, tenant),
        Diagnosis.RANKED_OUT: lambda: _ranked_out(verdict.facts, path, tenant),
        Diagnosis.COMPRESSED_AWAY: lambda: (
            f"The model was shown “{path}” without the sentence that fits the question best.",
            "Switch compression off in the settings, or word the sentence more like the question.",
        ),
        Diagnosis.IGNORED: lambda: _ignored(verdict.facts, path),
    }
    return tell[verdict.diagnosis]()


def to_be_written(question: str, facts: Mapping[str, Any]) -> Words:
    said = [IN_GENERAL[Diagnosis.NOT_IN_CORPUS]]
    if unknown := facts.get("unknown"):
        said.append(f"No document has {', '.join(f'“{word}”' for word in unknown)}.")
    if facts.get("read"):
        said.append("The model was shown the nearest one and cites nothing of it.")
    fix = f"Write a document about “{_short(question)}”, or upload one that says it."
    return " ".join(said), fix


def _not_permitted(verdict: Verdict, path: str) -> Words:
    level = verdict.best.access_level if verdict.best else ""
    return (
        f"“{path}” fits the question best, at the level {level}, which the asker does not have.",
        f"Give the asker the level {level}, move the document to one that they have, or leave it.",
    )


def _not_retrieved(facts: dict[str, Any], path: str, tenant: TenantConfig) -> Words:
    place = facts["place"]
    if facts["asked_as"]:
        return (
            f"The answer was kept of a like question, and does not rest on “{path}”.",
            "Ask again: since the rating the two questions are not taken for each other any more.",
        )
    if facts["by_words"]:
        return (
            f"The embedding model was away, so that “{path}” was searched for by words alone.",
            "Ask the question again.",
        )
    if place > tenant.top_k:
        return (
            f"The question brings “{path}” at place {place} only.",
            _raise_passages(place, tenant),
        )
    if place:
        return (
            f"The search brings “{path}” at place {place} now, and did not then.",
            "Ask the question again; a filter or other settings may have kept it out.",
        )
    return (
        f"“{path}” says it in other words than the question.",
        "Word the document more like the question, or let the question be searched for in several "
        "wordings.",
    )


def _ranked_out(facts: dict[str, Any], path: str, tenant: TenantConfig) -> Words:
    happened = FATES.get(facts["fate"], FATES["ranked_out"]).format(**facts)
    if facts["fate"] == "too_far":
        fix = f"Lower the least similarity, which is {tenant.min_similarity:g}."
    elif facts["fate"] == "duplicate":
        fix = "Compare the two passages: where they differ, say so in the first sentence."
    else:
        fix = _raise_passages(facts["place"], tenant)
    return f"“{path}” was found. {happened}", fix


def _raise_passages(place: int, tenant: TenantConfig) -> str:
    if tenant.top_k < place <= MOST_PASSAGES:
        return f"Raise the number of passages from {tenant.top_k} to {place}."
    return "Ask with more passages, or word the document more like the question."


def _ignored(facts: dict[str, Any], path: str) -> Words:
    if facts.get("failed"):
        return (
            f"“{path}” was found, and the answer broke off before it was done.",
            "Ask again; if it breaks off again, its trace says why.",
        )
    if facts.get("quoted"):
        return _quoted(facts, path)
    if facts.get("abstained"):
        return (
            f"The model was shown “{path}” and cites nothing of it.",
            "Read the passage: if it does not say it, write it there; if it does, try a larger model.",
        )
    if facts.get("cited"):
        return (
            f"The answer cites “{path}”, which fits the question best, and was rated down all the same.",
            "Read the passage: if it is wrong or says something else, correct it or write what is "
            "missing; if it is right, try a larger model or other instructions.",
        )
    return (
        f"The model was shown “{path}” and did not answer from it.",
        "Read the passage: if it answers, try a larger model or other instructions, and make this a "
        "golden question to see if it helps; if not, write there what is missing.",
    )


def _quoted(facts: dict[str, Any], path: str) -> Words:
    """No model wrote the answer."""
    happened = (
        f"The answer quotes “{path}”, which fits the question best, and was rated down all the same."
        if facts.get("cited")
        else f"“{path}” was found, and sentences of other passages were quoted."
    )
    if facts.get("model_away"):
        return happened, "Ask again: the model was away."
    return happened, (
        "Read the passage: if it does not say it, write it there; if it does, word the sentence more "
        "like the question, or connect a model, which answers in words of its own."
    )


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:119].rstrip() + "…"
