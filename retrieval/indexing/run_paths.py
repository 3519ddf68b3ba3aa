"""The paths behind a run's counts, compressed: a hundred thousand take about 300 kB.

Entries are lists, because that is what JSON makes of them: `[path, note, document_id]`, the last two
empty where there is nothing to say.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Entry: TypeAlias = list[str]
KINDS = ("added", "updated", "deleted", "unchanged", "failed", "skipped")


def pack(paths: Mapping[str, Sequence[Entry]]) -> bytes:
    """Each kind in order of its paths."""
    text = json.dumps({kind: sorted(entries) for kind, entries in paths.items() if entries})
    return zlib.compress(text.encode(), level=1)


def unpack(packed: bytes | memoryview) -> dict[str, list[Entry]]:
    found = json.loads(zlib.decompress(packed)) if packed else {}
    return {kind: found.get(kind, []) for kind in KINDS}


def entry(path: str, note: str = "", document_id: object = "") -> Entry:
    return [path, note, str(document_id)]
