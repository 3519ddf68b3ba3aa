"""How a tenant's questions are searched, cached and answered: every knob, its default and its bounds.

Stored as what differs from the defaults (Tenant.query_settings), with `top_k` and `min_similarity`
in columns of their own. One value serves the live path, the settings pages and the retrieval bench.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 2_000


def _number(default: float, least: float, most: float) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


def _choice(default: str, *choices: str) -> Any:
    return field(default=default, metadata={"choices": choices})


@dataclass(frozen=True, slots=True)
class QuerySettings:
    search_mode: str = _choice("hybrid", "hybrid", "vector", "keyword")
    # Where the installation has a reranker: how many hits it puts into order.
    rerank: bool = True
    rerank_candidates: int = _number(30, 2, 100)
    # Maximal marginal relevance: 1 ranks by relevance alone, less prefers what says something new.
    mmr_lambda: float = _number(1.0, 0, 1)
    # How many passages before and after each hit the model is shown with it.
    neighbours: int = _number(0, 0, 3)
    multi_query: str = _choice("off", "off", "auto", "on")
    rewrites: int = _number(3, 1, 5)
    rewrite_follow_ups: bool = True
    compress: bool = True
    cache: bool = True
    semantic_cache: bool = True
    # Least cosine of two questions of which one may get the other's answer, if the guards agree.
    similarity_threshold: float = _number(0.7, 0.5, 1)
    cache_ttl_minutes: int = _number(1440, 1, 43_200)
    llm_cache: bool = True
    # Share of the cache's hits that are answered in full as well, to measure how many were wrong.
    shadow_share: float = _number(0.02, 0, 1)
    # The most of them that may be wrong before the threshold is raised.
    false_hit_budget: float = _number(0.01, 0, 1)
    # classify_complexity: up to so many passages and words a question is simple, then moderate.
    simple_passages: int = _number(2, 0, 50)
    simple_words: int = _number(20, 1, 1000)
    moderate_passages: int = _number(5, 0, 50)
    # What is said after the built-in instructions, in the tenant's own words.
    instructions: str = ""
    answer_tokens: int = _number(1024, 16, 8192)
    # A model that has said nothing by then is given up, and the next one asked.
    first_token_seconds: float = _number(20.0, 1, 300)
    # Null: the model's own default.
    temperature: float | None = field(default=None, metadata={"least": 0, "most": 2})

    def as_json(self) -> dict[str, Any]:
        """Only what differs from the defaults."""
        defaults = dataclasses.asdict(DEFAULTS)
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value != defaults[name]}


DEFAULTS = QuerySettings()
FIELDS = {each.name: each for each in dataclasses.fields(QuerySettings)}


def read_settings(stored: Mapping[str, Any]) -> QuerySettings:
    """What was stored and still is a setting: one that a newer version dropped is left out."""
    return QuerySettings(**{name: value for name, value in stored.items() if name in FIELDS})


def change_settings(before: QuerySettings, changes: Mapping[str, Any]) -> QuerySettings:
    """Raises InvalidRequest that names the setting and what it may be."""
    return dataclasses.replace(
        before, **{name: check_setting(name, value) for name, value in changes.items()}
    )


def check_setting(name: str, value: Any) -> Any:
    """The value as it is kept. Raises InvalidRequest."""
    if name not in FIELDS:
        raise _refuse(name, f"There is no setting {name!r}; there are {', '.join(FIELDS)}.")
    default, limits = getattr(DEFAULTS, name), FIELDS[name].metadata
    if "choices" in limits:
        if value not in limits["choices"]:
            raise _refuse(name, f"{name} is one of {', '.join(limits['choices'])}.")
        return value
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise _refuse(name, f"{name} is true or false.")
        return value
    if isinstance(default, str):
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise _refuse(name, f"{name} is a text of at most {LONGEST_TEXT:,} characters.")
        return value.encode("utf-8", "replace").decode().replace("\x00", "").strip()
    if value is None and default is None:
        return None
    return _check_number(name, value, limits, whole=isinstance(default, int))


def _check_number(name: str, value: Any, limits: Mapping[str, Any], *, whole: bool) -> float:
    kinds = (int,) if whole else (int, float)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not limits["least"] <= value <= limits["most"]:
        kind = "a whole number" if whole else "a number"
        raise _refuse(name, f"{name} is {kind} from {limits['least']} to {limits['most']}.")
    return value if whole else float(value)


def _refuse(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": name})
