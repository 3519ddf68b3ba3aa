"""A run's figures as rows of a page: before, after, and by how much they changed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of a summary: label, how it is shown, whether more is better (None: neither), and what it is.
FIGURES: tuple[tuple[str, str, str, bool | None, str], ...] = (
    ("right_rate", "Right", "share", True, "all that was expected of them holds"),
    ("hit_rate", "Hit rate", "share", True, "an expected document was among the passages"),
    ("mrr", "MRR", "number", True, "1 over the rank of the first expected document"),
    ("ndcg", "nDCG@10", "number", True, "how high all expected documents stand"),
    ("answer_match", "Answer match", "share", True, "the answer says what was expected"),
    ("cited", "Expected documents cited", "share", True, "of those that were expected"),
    ("precision", "Abstention, precision", "share", True, "of those called unanswerable"),
    ("recall", "Abstention, recall", "share", True, "of those that have no answer"),
    ("p50_latency_ms", "Latency, p50", "duration", False, "four questions at a time"),
    ("p95_latency_ms", "Latency, p95", "duration", False, "four questions at a time"),
    ("p50_first_token_ms", "First token, p50", "duration", False, ""),
    ("cost_usd", "Cost", "usd", False, "of all answers together"),
)
# Smaller changes are neither better nor worse: of shares and numbers as they are shown, of times and
# costs as a share of what they were, because no two runs take the same.
SMALLEST = {"share": 0.0005, "number": 0.0005}
SLIGHT = {"duration": 0.1, "usd": 0.01}


@dataclass(frozen=True, slots=True)
class Figure:
    """`verdict`: better, worse or empty. Shares are from 0 to 1."""

    name: str
    label: str
    kind: str
    about: str
    before: Any
    after: Any
    change: float | Decimal | None = None
    verdict: str = ""

    @property
    def sign(self) -> str:
        return "" if not self.change else "+" if self.change > 0 else "−"

    @property
    def points(self) -> str:
        """Of a change of a share: what percentages differ by."""
        return f"{100 * float(abs(self.change or 0)):.1f}".removesuffix(".0")

    @property
    def size(self) -> float | Decimal | None:
        return None if self.change is None else abs(self.change)


def figures(summary: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[Figure]:
    """Those that were measured, now or before."""
    new, old = _flat(summary), _flat(before or {})
    rows = [_figure(*spec, old.get(spec[0]), new.get(spec[0])) for spec in FIGURES]
    return [row for row in rows if row.before is not None or row.after is not None]


def _figure(
    name: str, label: str, kind: str, more: bool | None, about: str, before: Any, after: Any
) -> Figure:
    if before is None or after is None:
        return Figure(name, label, kind, about, before, after)
    change = after - before
    verdict = ""
    smallest = SMALLEST[kind] if kind in SMALLEST else SLIGHT[kind] * float(before)
    if abs(float(change)) > smallest and more is not None:
        verdict = "better" if (change > 0) == more else "worse"
    return Figure(name, label, kind, about, before, after, change, verdict)


def _flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    abstention = summary.get("abstention") or {}
    flat: dict[str, Any] = dict(summary) | {
        name: abstention.get(name) for name in ("precision", "recall")
    }
    cost = flat.get("cost_usd")
    flat["cost_usd"] = None if cost is None else Decimal(cost)
    return flat
