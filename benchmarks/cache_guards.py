"""How often the semantic cache would serve a wrong answer, and how often a right one.

Plain cosine beside cosine with guards, on pairs of questions written for it: paraphrases, and
questions that differ in one thing that matters. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import report, temporary_folder, use_settings
from ragadmin.installation import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAIRS = PROJECT_DIR / "tests" / "data" / "question_pairs"
DEVELOPMENT = "development"
HELD_OUT = "held_out"
PLAIN = 0.95
THRESHOLDS = (0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.98)
Z = 1.96

Pair = dict[str, Any]


def main() -> None:
    with temporary_folder() as folder:
        use_settings(folder)
        import django

        django.setup()
        measure()


def measure() -> None:
    from retrieval.query.guards import DEFAULT_THRESHOLD

    sets = read_pairs()
    facts: dict[str, Any] = {"default_threshold": DEFAULT_THRESHOLD}
    facts["us_per_pair"] = time_guards(sets[DEVELOPMENT])
    for name, pairs in sets.items():
        judge(pairs)
        rows = [figures(pairs, PLAIN, guarded=False)]
        rows += [figures(pairs, threshold, guarded=True) for threshold in THRESHOLDS]
        report(f"cache_guards_{name}", rows, **facts)
        report(f"cache_guards_{name}_kinds", list(by_kind(pairs, DEFAULT_THRESHOLD)))


def read_pairs() -> dict[str, list[Pair]]:
    """The development files as one set, each held-out file as one of its own."""
    found: dict[str, list[Pair]] = {DEVELOPMENT: []}
    for path in sorted(PAIRS.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        name = path.stem if path.stem.startswith(HELD_OUT) else DEVELOPMENT
        found.setdefault(name, []).extend(json.loads(line) for line in lines)
    return found


def time_guards(pairs: Sequence[Pair]) -> float:
    """Microseconds for a question never met before, beside a cached one that was."""
    from retrieval.query.guards import may_serve

    for pair in pairs:
        may_serve(pair["a"], pair["b"])
    start = time.process_time()
    for number, pair in enumerate(pairs):
        may_serve(f"{pair['a']} {number}", pair["b"])
    return (time.process_time() - start) / len(pairs) * 1e6


def judge(pairs: Sequence[Pair]) -> None:
    """Adds the cosine and whether the guards let the pair pass."""
    from retrieval.providers.local import LocalEmbedder
    from retrieval.query.guards import may_serve

    one, other = (LocalEmbedder().embed([pair[side] for pair in pairs]) for side in "ab")
    for pair, cosine in zip(pairs, np.sum(one * other, axis=1).tolist(), strict=True):
        pair["cosine"] = cosine
        pair["refusal"] = may_serve(pair["a"], pair["b"])


def is_served(pair: Pair, threshold: float, *, guarded: bool) -> bool:
    return pair["cosine"] >= threshold and not (guarded and pair["refusal"])


def figures(pairs: Sequence[Pair], threshold: float, *, guarded: bool) -> dict[str, Any]:
    same = [is_served(p, threshold, guarded=guarded) for p in pairs if p["same"]]
    different = [is_served(p, threshold, guarded=guarded) for p in pairs if not p["same"]]
    return {
        "rule": "cosine + guards" if guarded else "cosine",
        "threshold": threshold,
        "recall": with_interval(same),
        "false_hits": with_interval(different),
        "precision": with_interval([True] * sum(same) + [False] * sum(different)),
    }


def by_kind(pairs: Iterable[Pair], threshold: float) -> Iterable[dict[str, Any]]:
    kinds: dict[tuple[bool, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        kinds[not pair["same"], pair["kind"]].append(pair)
    for (different, kind), members in sorted(kinds.items()):
        yield {
            "kind": kind,
            "same": not different,
            "pairs": len(members),
            "cosine_095": share(is_served(p, PLAIN, guarded=False) for p in members),
            f"cosine_{threshold}": share(is_served(p, threshold, guarded=False) for p in members),
            "guarded": with_interval([is_served(p, threshold, guarded=True) for p in members]),
        }


def share(flags: Iterable[bool]) -> float:
    return float(np.mean(list(flags)))


def with_interval(flags: Sequence[bool]) -> str:
    """The share and its interval, which stays honest where nothing was counted."""
    n, hits = len(flags), sum(flags)
    if not n:
        return "-"
    p = hits / n
    middle, width = p + Z * Z / (2 * n), Z * ((p * (1 - p) + Z * Z / (4 * n)) / n) ** 0.5
    low, high = ((middle + sign * width) / (1 + Z * Z / n) for sign in (-1, 1))
    return f"{p:.3f} [{max(low, 0.0):.3f}, {min(high, 1.0):.3f}]"


if __name__ == "__main__":
    main()
