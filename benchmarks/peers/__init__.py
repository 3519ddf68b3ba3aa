"""Other systems doing the same work, each in the separate environment of `benchmarks.peer_programs`."""

from __future__ import annotations
