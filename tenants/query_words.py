"""Every setting of the read path in words: its label, what it does, its unit and its choices."""

from __future__ import annotations

from typing import Any

# label, hint, unit
WORDS: dict[str, tuple[str, str, str]] = {
    "top_k": ("Passages per question", "How many passages an answer may draw on.", "passages"),
    "min_similarity": (
        "Least similarity",
        "How near the best passage has to be, in meaning and words together, for the question to be "
        "answered at all: more withholds more. 0: always.",
        "",
    ),
    "search_mode": (
        "Search by",
        "Both adds up how near a passage is in meaning and how well its words fit, and finds most in "
        "nearly every collection.",
        "",
    ),
    "rerank": (
        "Re-rank",
        "A second model reads question and passage together and puts the best first.",
        "",
    ),
    "rerank_candidates": (
        "Candidates",
        "How many passages are re-ranked. More find more, and take longer.",
        "passages",
    ),
    "mmr_lambda": (
        "Relevance against variety",
        "1 ranks by relevance alone. Less leaves out what repeats a better passage "
        "(maximal marginal relevance); 0.7 is a good start for collections with many copies.",
        "",
    ),
    "neighbours": (
        "Neighbours",
        "How many passages before and after each one found are shown to the model with it. "
        "More context, more tokens.",
        "passages",
    ),
    "multi_query": (
        "Several wordings",
        "The small model words the question in other ways, and the results are fused. "
        "Automatic does it where the first search finds little.",
        "",
    ),
    "rewrites": ("Wordings", "How many other wordings are searched for.", "wordings"),
    "rewrite_follow_ups": (
        "Complete follow-up questions",
        "The small model turns “And in winter?” into a question that can be searched for, "
        "from the conversation before it.",
        "",
    ),
    "compress": (
        "Compress passages",
        "Sentences that repeat others or have nothing to do with the question are left out "
        "before the model reads them. Saves tokens; what was saved is on the trace.",
        "",
    ),
    "cache": ("Answer cache", "Give an answer again while a full run would show the same.", ""),
    "semantic_cache": (
        "Also for questions that mean the same",
        "Off: only the same words get the answer again.",
        "",
    ),
    "similarity_threshold": (
        "Least similarity of two questions",
        "From here on, the guards decide. Lower: more answers from the cache, and more to check.",
        "",
    ),
    "cache_ttl_minutes": (
        "Kept for",
        "1,440 minutes are a day. Changed documents end an entry at once, whatever is set here.",
        "minutes",
    ),
    "llm_cache": (
        "Model cache",
        "The same prompt to the same model is paid for once.",
        "",
    ),
    "shadow_share": (
        "Checked hits",
        "Share of the cache's hits that are answered in full as well, in the background, to "
        "measure how many were wrong. It costs that many answers, and counts for the budget.",
        "%",
    ),
    "false_hit_budget": (
        "Wrong hits allowed",
        "When more of the checked hits were wrong, the least similarity is raised by itself.",
        "%",
    ),
    "simple_passages": (
        "Simple up to",
        "A question with at most so many passages, and few words, is simple.",
        "passages",
    ),
    "simple_words": (
        "Simple below",
        "A question with fewer words than this can be simple.",
        "words",
    ),
    "moderate_passages": (
        "Moderate up to",
        "A question with at most so many passages is moderate; above, it is complex.",
        "passages",
    ),
    "instructions": (
        "Your instructions",
        "Tone, form of address, what to say when nothing is found. They stand after the built-in "
        "rules, and cannot lift them.",
        "",
    ),
    "first_token_seconds": (
        "Patience with a model",
        "A model that has said nothing by then is given up, and the next one is asked.",
        "seconds",
    ),
    "answer_tokens": (
        "Longest answer",
        "The model stops here. A thousand tokens are about 700 words.",
        "tokens",
    ),
    "temperature": (
        "Temperature",
        "0 answers the same way each time, higher varies. Empty: the model's own default.",
        "",
    ),
}
CHOICES: dict[str, dict[str, str]] = {
    "search_mode": {
        "hybrid": "Both meaning and words",
        "vector": "Meaning only (vectors)",
        "keyword": "Words only (BM25)",
    },
    "multi_query": {"off": "Never", "auto": "Automatic", "on": "Always"},
}
SHARES = frozenset({"shadow_share", "false_hit_budget"})


def say_value(name: str, value: Any) -> str:
    """A setting's value as a person reads it: "on", "5 passages", "2 %"."""
    unit = WORDS[name][2] if name in WORDS else ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if name in CHOICES:
        return CHOICES[name].get(str(value), str(value))
    if value is None:
        return "the model's own" if name == "temperature" else "none"
    if isinstance(value, str):
        return f"{len(value):,} characters" if value else "empty"
    if name in SHARES:
        return f"{value * 100:g} %"
    number = f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return f"{number} {unit}".strip()
