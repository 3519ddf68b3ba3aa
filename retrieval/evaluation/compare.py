"""Two runs question by question: what is newly right or wrong, and what it now costs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Result = dict[str, Any]

# The first that applies is what is said of a question; those that matter most stand first.
KINDS = {
    "newly_wrong": "Newly wrong",
    "failed": "Could not be asked",
    "newly_right": "Newly right",
    "recovered": "Could be asked again",
    "rank_worse": "Found lower",
    "rank_better": "Found higher",
    "added": "New question",
    "removed": "Not asked any more",
    "edited": "Edited",
    "answer": "Other answer",
    "same": "The same",
}
WORSE = frozenset({"newly_wrong", "failed"})
EDITED = (
    "question", "expected_paths", "expected_answer", "must_contain", "must_abstain", "access_levels",
)  # fmt: skip
_PIECES = re.compile(r"\s+|\S+")
# Longer answers are told apart, but not word by word.
LONGEST_DIFF = 6_000


@dataclass(frozen=True, slots=True)
class Pair:
    """A question in both runs. `expects_other`: it, or what is expected of it, was edited between them."""

    kind: str
    before: Result | None
    after: Result | None

    @property
    def result(self) -> Result:
        found = self.after or self.before
        assert found
        return found

    @property
    def says(self) -> str:
        return KINDS[self.kind]

    @property
    def is_changed(self) -> bool:
        return self.kind != "same"

    @property
    def expects_other(self) -> bool:
        return _is_edited(self.before, self.after)

    @property
    def rank_change(self) -> tuple[int | None, int | None] | None:
        """None where nothing is expected to be found, or nothing moved."""
        ranks = _value(self.before, "rank"), _value(self.after, "rank")
        return ranks if self.before and self.after and ranks[0] != ranks[1] else None

    @property
    def cost_change(self) -> Decimal | None:
        before, after = _value(self.before, "cost_usd"), _value(self.after, "cost_usd")
        return None if before is None or after is None else Decimal(after) - Decimal(before)

    @property
    def latency_change(self) -> float | None:
        """In milliseconds."""
        before, after = _value(self.before, "duration_ms"), _value(self.after, "duration_ms")
        return None if before is None or after is None else round(after - before, 1)

    def as_json(self) -> dict[str, Any]:
        cost = self.cost_change
        return {
            "id": self.result["id"],
            "question": self.result["question"],
            "change": self.kind,
            "expects_other": self.expects_other,
            "is_right": [_value(self.before, "is_right"), _value(self.after, "is_right")],
            "rank": [_value(self.before, "rank"), _value(self.after, "rank")],
            "cost_usd_change": None if cost is None else str(cost),
            "duration_ms_change": self.latency_change,
            "answer": [_value(self.before, "answer"), _value(self.after, "answer")],
        }


def compare(before: Sequence[Result], after: Sequence[Result]) -> list[Pair]:
    """What changed most first, then as they were asked."""
    old = {each["id"]: each for each in before}
    new = {each["id"]: each for each in after}
    pairs = [pair_of(old.get(key), new.get(key)) for key in dict.fromkeys([*new, *old])]
    order = list(KINDS)
    return sorted(pairs, key=lambda pair: order.index(pair.kind))


def pair_of(before: Result | None, after: Result | None) -> Pair:
    return Pair(_kind(before, after), before, after)


def _kind(before: Result | None, after: Result | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    if bool(before["error"]) != bool(after["error"]):
        return "failed" if after["error"] else "recovered"
    if before["is_right"] != after["is_right"] and None not in (
        before["is_right"],
        after["is_right"],
    ):
        return "newly_right" if after["is_right"] else "newly_wrong"
    ranks = [each.get("rank") or float("inf") for each in (before, after)]
    if ranks[0] != ranks[1] and None not in (before.get("found"), after.get("found")):
        return "rank_better" if ranks[1] < ranks[0] else "rank_worse"
    if _is_edited(before, after):
        return "edited"
    return "same" if before.get("answer") == after.get("answer") else "answer"


def _is_edited(before: Result | None, after: Result | None) -> bool:
    return bool(before and after and any(before.get(name) != after.get(name) for name in EDITED))


def _value(result: Result | None, name: str) -> Any:
    return result.get(name) if result else None


def count_kinds(pairs: Sequence[Pair]) -> dict[str, int]:
    found = {kind: sum(pair.kind == kind for pair in pairs) for kind in KINDS}
    return {kind: count for kind, count in found.items() if count}


def word_diff(before: str, after: str) -> list[tuple[str, str]]:
    """Pieces of both texts in order, each `same`, `gone` or `new`."""
    if before == after or len(before) + len(after) > LONGEST_DIFF:
        pieces = [("same", after)] if before == after else [("gone", before), ("new", after)]
        return [(kind, text) for kind, text in pieces if text]
    a, b = _PIECES.findall(before), _PIECES.findall(after)
    found: list[tuple[str, str]] = []
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    for kind, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(a[a_from:a_to])))
            continue
        found += [("gone", "".join(a[a_from:a_to])), ("new", "".join(b[b_from:b_to]))]
    return [(kind, text) for kind, text in found if text]


def figure_changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each number of a summary: its value before and after, and by how much it changed."""
    found: dict[str, dict[str, Any]] = {}
    for name, new in after.items():
        old = before.get(name)
        if name == "cost_usd":
            change = None if old is None or new is None else str(Decimal(new) - Decimal(old))
        elif isinstance(new, int | float) and isinstance(old, int | float):
            change = round(new - old, 4)
        else:
            change = None
        if not isinstance(new, dict):
            found[name] = {"before": old, "after": new, "change": change}
    return found
